"""The changes that the previous/next keys stop at."""

from __future__ import annotations

import numpy as np

from layerscope.layers.table import Kind
from layerscope.rows.sorting import in_order
from layerscope.search.row_visibility import has_change
from layerscope.tree.nodes import Ints
from layerscope.tree.shape import Flags, Shape
from layerscope.tree.tree import Change, Longs, View


def change_stops(view: View, hidden: frozenset[Change]) -> Flags:
    """Return the nodes to stop at: changed non-directories; the topmost of directories that were added or removed, and
    nothing inside them; modified directories without another change below.
    """
    change, parent = view.change, view.tree.nodes.parent
    came_or_went = (change == Change.ADDED) | (change == Change.REMOVED)
    stops = has_change(view, frozenset(Change) - hidden - {Change.UNCHANGED})
    directories = _directories(view)
    # All that is inside such a directory came or went with it. The root is no row, so it stands for nothing inside it.
    is_inside = came_or_went[parent] & directories[parent] & (change[parent] == change) & (parent > 0)
    stops &= ~is_inside & (~directories | came_or_went | (view.subtree_changes == 1))
    stops[0] = False
    return stops


def _directories(view: View) -> Flags:
    """Return which nodes are directories, or were when they were removed."""
    kinds = view.tree.versions.kind
    if not len(kinds):
        return np.zeros(len(view.seen), bool)
    is_directory = kinds == Kind.DIRECTORY
    return np.asarray(is_directory[np.where(view.seen >= 0, view.seen, view.before)])


def next_stop(stops: Flags, node: int, step: int, shape: Shape, columns: tuple[Longs, ...]) -> int | None:
    """Return the stop after (`step` 1) or before (-1) `node` in display order; sorts only stops and their parents."""
    if not columns:
        return _neighbor(np.flatnonzero(stops).astype(np.int32), node, step)
    marks = stops.copy()
    marks[node] = True
    lines = shape.with_above(marks)
    lines[0] = False
    ordered = in_order(np.flatnonzero(lines).astype(np.int32), shape, columns)
    ordered = ordered[stops[ordered] | (ordered == node)]
    at = int(np.argmax(ordered == node)) + step
    return int(ordered[at]) if 0 <= at < len(ordered) else None


def _neighbor(ascending: Ints, node: int, step: int) -> int | None:
    at = np.searchsorted(ascending, node, "right") if step > 0 else np.searchsorted(ascending, node) - 1
    return int(ascending[at]) if 0 <= at < len(ascending) else None
