"""Sorts siblings, and only those among the given rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.rows.order import Order
from layerscope.tree.nodes import Ints
from layerscope.tree.shape import Shape
from layerscope.tree.tree import Longs, View

Numbers = npt.NDArray[np.integer]


def sort_columns(view: View, order: Order) -> tuple[Longs, ...]:
    """Return the columns (int64, over all nodes) that `order` sorts by, biggest first; the first column decides first."""
    if order is Order.SIZE:
        return (view.subtree_bytes + _removed_bytes(view),)
    if order is Order.CHANGE:
        return (view.subtree_changed_bytes, view.subtree_changes)
    return ()


def _removed_bytes(view: View) -> Longs:
    """Return the bytes at and below each node that the layers removed."""
    sums = np.zeros(len(view.seen) + 1, np.int64)
    np.cumsum(view.removed_size, out=sums[1:])
    return np.asarray(sums[view.tree.nodes.end] - sums[:-1])


def in_order(nodes: Ints, shape: Shape, columns: tuple[Longs, ...]) -> Ints:
    """Sort rows from name order into display order: siblings by `columns`.

    `nodes` (int32, ascending) contain each node's parents, up to the topmost ones, which must be siblings.
    """
    if not columns or not len(nodes):
        return nodes
    rows_below = _rows_below(nodes, shape)
    steps = np.zeros(len(nodes) + 1, np.int64)
    steps[:-1] = _rows_between(nodes, shape, columns, rows_below)
    # A row stands one line after its parent, and the rows between: sums over what is above each one.
    np.subtract.at(steps, np.arange(1, len(nodes) + 1) + rows_below, steps[:-1].copy())
    ordered = np.empty_like(nodes)
    ordered[np.cumsum(steps[:-1]) - 1] = nodes
    return ordered


def _rows_below(nodes: Ints, shape: Shape) -> Longs:
    below = np.zeros(len(nodes), np.int64)
    inner = np.flatnonzero(shape.end[nodes] > nodes + 1)
    below[inner] = np.searchsorted(nodes, shape.end[nodes[inner]]) - inner - 1
    return below


def _rows_between(nodes: Ints, shape: Shape, columns: tuple[Longs, ...], rows_below: Longs) -> Longs:
    """Return how many lines each row is below its parent: 1, and the subtrees of the siblings before it."""
    order = np.arange(len(nodes))
    for column in reversed(columns):
        values = column[nodes]
        order = _sorted_by(values.max() - values, order)
    parents = shape.parent[nodes]
    order = _sorted_by(parents, order)
    lines = rows_below[order] + 1
    upto = np.cumsum(lines) - lines
    is_first = np.ones(len(nodes), bool)
    is_first[1:] = np.diff(parents[order]) != 0
    between = np.empty_like(upto)
    between[order] = upto - np.maximum.accumulate(np.where(is_first, upto, 0)) + 1
    return between


def _sorted_by(values: Numbers, order: Longs) -> Longs:
    """Sort `order` stably by the `values` (not negative) of what it lists.

    Value and place are packed into one number: numpy sorts numbers five times as fast as it finds a stable order.
    """
    bits = len(order).bit_length()
    if int(values.max()).bit_length() + bits > 63:
        return order[np.argsort(values[order], kind="stable")]
    keys = values[order].astype(np.int64) << bits | np.arange(len(order))
    keys.sort()
    return np.asarray(order[keys & ((1 << bits) - 1)])
