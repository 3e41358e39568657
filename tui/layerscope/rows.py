"""The visible lines of a file tree: one array of node numbers in display order, of which folding replaces a slice.

Also finds the nodes at which the keys for the next and the previous change stop.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Kind
from layerscope.settings import Order
from layerscope.tree.nodes import Flags, Ints, Shape
from layerscope.tree.tree import Change, Longs, View

Numbers = npt.NDArray[np.integer]


class Rows:
    """The lines that a screen shows of `view`, a file tree: its nodes without the root, all directories folded at first.

    `nodes` (int32) are the node numbers of the rows in display order. A node has a row when it can be shown and every directory
    above it is open.
    """

    def __init__(self, view: View, *, order: Order = Order.NAME) -> None:
        self.view = view
        self._columns: dict[Order, Longs] = {}
        self._shape = Shape.of(view.tree.nodes)
        self._order = order
        self._hidden: frozenset[Change] = frozenset()
        self._hits: Flags | None = None
        self._is_open = np.zeros(len(self._shape), bool)
        self._is_open_outside = self._is_open
        self._sort_columns = sort_columns(view, order, self._columns)
        self._presence = RowVisibility.of(view, self._shape, self._hidden, None)
        self.nodes: Ints = self._rows_below(0)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def order(self) -> Order:
        return self._order

    @property
    def hidden(self) -> frozenset[Change]:
        """Return the kinds of change whose nodes are hidden, unless something below such a node is shown."""
        return self._hidden

    @property
    def is_filtered(self) -> bool:
        """Tell whether there is a filter, whatever it found."""
        return self._hits is not None

    @property
    def hit_count(self) -> int:
        """Count the hits of the filter that can be shown; 0 without a filter."""
        return int(np.count_nonzero(self._presence.hits))

    def is_hit(self, node: int) -> bool:
        """Tell whether a node itself matches the filter, rather than something above or below it."""
        return bool(self._presence.hits[node])

    def can_show(self, node: int) -> bool:
        """Tell whether a node can have a row once all directories above it are open."""
        return node > 0 and bool(self._presence.can_show[node])

    def is_open(self, node: int) -> bool:
        """Tell whether a directory is open; one may be without having anything to show."""
        return bool(self._is_open[node])

    def has_children(self, node: int) -> bool:
        """Tell whether anything below a node can be shown now."""
        return bool(self._presence.can_show[node + 1 : self._shape.end[node]].any())

    def depth(self, node: int) -> int:
        """Return the indentation of a node's row: 0 for the root's children."""
        return int(self.view.tree.nodes.depth[node]) - 1

    @property
    def unfolded(self) -> Flags:
        """Return a flag for each node: whether it is an open directory, without the filter."""
        return (self._is_open if self._hits is None else self._is_open_outside).copy()

    def unfold(self, unfolded: Flags) -> None:
        """Open the directories flagged in `unfolded`, and close all others."""
        self._is_open = unfolded.copy()
        self._lay_out()

    def open_until(self, height: int) -> None:
        """Open directories as long as all rows fit into `height`, and close all others.

        Those that the view's layers changed something in come first, by changed bytes, then the biggest. It looks at no more
        directories than have a row.
        """
        changes, changed, size = self.view.subtree_changes, self.view.subtree_changed_bytes, self.view.subtree_bytes
        closed: list[tuple[bool, int, int]] = []

        def add(nodes: Ints) -> None:
            for node in nodes.tolist():
                if self._shape.end[node] > node + 1:
                    inside = changes[node] - (self.view.change[node] != Change.UNCHANGED) > 0
                    heapq.heappush(closed, (not inside, -int((changed if inside else size)[node]), node))

        self._is_open = np.zeros(len(self._shape), bool)
        top = self._rows_below(0)
        left = height - len(top)
        add(top)
        while closed and left > 0:
            node = heapq.heappop(closed)[-1]
            below = self._rows_below(node)
            if 0 < len(below) <= left:
                self._is_open[node] = True
                left -= len(below)
                add(below)
        self._lay_out()

    def show(self, view: View) -> None:
        """Show other layers of the same tree; folding, order, hidden changes and the filter stay."""
        self.view = view
        self._sort_columns = sort_columns(view, self._order, self._columns)
        self._find_rows(self._presence.hits)

    def set_order(self, order: Order) -> None:
        self._order = order
        self._sort_columns = sort_columns(self.view, order, self._columns)
        self._lay_out()

    def set_column(self, order: Order, column: Longs) -> None:
        """Sort by these numbers (int64, one for each node, none negative) where `order` asks for it; until then, by name."""
        self._columns[order] = column
        if self._order is order:
            self.set_order(order)

    def set_hidden(self, hidden: frozenset[Change]) -> None:
        """Hide nodes with one of these kinds of change; a directory stays as long as anything below it is shown."""
        self._hidden = hidden
        self._find_rows(self._presence.hits)

    def filter(self, hits: Flags | None) -> None:
        """Show only the nodes flagged in `hits` (one flag for each node) with what is above and below them; None shows all.

        The directories above hits open; what is below hits is folded.

        Hits that were removed before the view's layers are shown too. Folding under a filter is separate: the folding from
        before comes back with None.
        """
        if self._hits is None:
            self._is_open_outside = self._is_open
        self._hits = hits
        self._is_open = self._is_open_outside if hits is None else np.zeros(len(self._shape), bool)
        self._find_rows(np.zeros(len(self._shape), bool))

    def toggle(self, row: int) -> None:
        """Open or close a row."""
        if self._is_open[self.nodes[row]]:
            self.close(row)
        else:
            self.open(row)

    def open(self, row: int) -> None:
        """Show what is below a row; does nothing to a row that has nothing below."""
        node = int(self.nodes[row])
        if not self._is_open[node] and self.has_children(node):
            self._is_open[node] = True
            self._replace_below(row, self._rows_below(node))

    def close(self, row: int) -> None:
        """Fold what is below a row; directories that are open inside it will be open again when the row is opened."""
        node = int(self.nodes[row])
        if self._is_open[node] and self.has_children(node):
            self._is_open[node] = False
            self._replace_below(row, self.nodes[:0])

    def open_below(self, row: int) -> None:
        """Open a row and all directories below it."""
        node = int(self.nodes[row])
        if self.has_children(node):
            self._is_open[self._shape.inner_of(node, int(self._shape.end[node]))] = True
            self._replace_below(row, self._rows_below(node))

    def open_all(self) -> None:
        """Open every directory, including those that only other layers have."""
        self._is_open[self._shape.inner] = True
        self._lay_out()

    def close_all(self) -> None:
        """Close every directory."""
        self._is_open[:] = False
        self._lay_out()

    def reveal(self, node: int) -> int:
        """Open the directories above a node and return its row.

        For a node that cannot be shown, return the row of its nearest parent that can be shown, or 0.
        """
        chain, closed = self._chain(node)
        if closed:
            self._is_open[closed] = True
            self._replace_below(self._row(closed[-1]), self._rows_below(closed[-1]))
        return self._row(chain[0]) if chain else 0

    def nearest(self, node: int) -> int:
        """Return the row of a node, or of the nearest parent that has one, or 0; opens nothing."""
        chain, closed = self._chain(node)
        return self._row((closed or chain[:1])[-1]) if chain else 0

    def parent_row(self, row: int) -> int | None:
        """Return the row of the directory that contains a row's node; None at the top."""
        parent = int(self._shape.parent[self.nodes[row]])
        return self._row(parent) if parent else None

    def next_change(self, row: int, step: Literal[1, -1]) -> int | None:
        """Return the next (`step` 1) or previous (-1) changed node in display order, even if folded away; None: there is none.

        Only nodes that `reveal` can show; `change_stops` defines which changes count.
        """
        if not len(self.nodes):
            return None
        stops = change_stops(self.view, self._hidden) & self._presence.can_show
        return next_stop(stops, int(self.nodes[row]), step, self._shape, self._sort_columns)

    def _chain(self, node: int) -> tuple[list[int], list[int]]:
        """Return which of a node and its parents can be shown, nearest first; and which of these parents are closed."""
        chain = [each for each in self._shape.chain(node) if self._presence.can_show[each]]
        return chain, [each for each in chain[1:] if not self._is_open[each]]

    def _row(self, node: int) -> int:
        return int(np.argmax(self.nodes == node))

    def _find_rows(self, opened: Flags) -> None:
        """Find out which nodes can be shown, and open the directories above hits, except above hits flagged in `opened`."""
        self._presence = RowVisibility.of(self.view, self._shape, self._hidden, self._hits)
        self._is_open[self._shape.above(self._presence.hits & ~opened)] = True
        self._lay_out()

    def _lay_out(self) -> None:
        self.nodes = self._rows_below(0)

    def _rows_below(self, node: int) -> Ints:
        """Return the nodes, in display order, that have rows below an open directory."""
        nodes = self._shape.unfolded(node + 1, int(self._shape.end[node]), self._is_open)
        return in_order(nodes[self._presence.can_show[nodes]], self._shape, self._sort_columns)

    def _replace_below(self, row: int, rows: Ints) -> None:
        """Replace the rows of everything inside the directory at `row` with `rows` (node numbers)."""
        node, after = self.nodes[row], self.nodes[row + 1 :]
        is_outside = (after < node) | (after >= self._shape.end[node])
        stop = int(np.argmax(is_outside)) if is_outside.any() else len(after)
        self.nodes = np.concatenate([self.nodes[: row + 1], rows, after[stop:]])


@dataclass(frozen=True, slots=True, eq=False)
class RowVisibility:
    """Two flags for each node: whether it can be shown, and whether it is a match of the filter that can be shown.

    `can_show` is also set for all parents of nodes that can be shown. Without a filter there are no `hits`.
    """

    can_show: Flags
    hits: Flags

    @classmethod
    def of(cls, view: View, shape: Shape, hidden: frozenset[Change], hits: Flags | None) -> RowVisibility:
        """Compute which nodes of `view` can be shown; `hits` flags the filter's matches (None: no filter).

        With a filter, these are the matches and all nodes above and below them, even nodes removed before the view's layers.
        """
        there = view.is_there(with_gone=hits is not None)
        if hidden:
            there &= ~view.has_change(hidden)
        there = shape.with_above(there)
        if hits is None:
            return cls(there, np.zeros(len(there), bool))
        found = hits & there
        found[0] = False
        return cls(shape.with_above(found) | (shape.below(found) & there), found)


def change_stops(view: View, hidden: frozenset[Change]) -> Flags:
    """Return a flag for each node: whether the keys for the next and previous change stop there.

    They stop at changed non-directories; at the topmost of directories that were added or removed, and nothing inside them; at
    modified directories without another change below.
    """
    change, parent = view.change, view.tree.nodes.parent
    came_or_went = (change == Change.ADDED) | (change == Change.REMOVED)
    stops = view.has_change(frozenset(Change) - hidden - {Change.UNCHANGED})
    directories = _directories(view)
    # All that is inside such a directory came or went with it. The root is no row, so it stands for nothing inside it.
    is_inside = came_or_went[parent] & directories[parent] & (change[parent] == change) & (parent > 0)
    stops &= ~is_inside & (~directories | came_or_went | (view.subtree_changes == 1))
    stops[0] = False
    return stops


def _directories(view: View) -> Flags:
    """Return a flag for each node: whether it is a directory, or was one when it was removed."""
    kinds = view.tree.versions.kind
    if not len(kinds):
        return np.zeros(len(view.seen), bool)
    is_directory = kinds == Kind.DIRECTORY
    return np.asarray(is_directory[np.where(view.seen >= 0, view.seen, view.before)])


def next_stop(stops: Flags, node: int, step: int, shape: Shape, columns: tuple[Longs, ...]) -> int | None:
    """Return the nearest node flagged in `stops` after (`step` 1) or before (-1) `node` in display order; None: there is none.

    Sorts only stops and their parents.
    """
    if not columns:
        ascending = np.flatnonzero(stops).astype(np.int32)
        at = int(np.searchsorted(ascending, node, "right") if step > 0 else np.searchsorted(ascending, node) - 1)
        return int(ascending[at]) if 0 <= at < len(ascending) else None
    marks = stops.copy()
    marks[node] = True
    lines = shape.with_above(marks)
    lines[0] = False
    ordered = in_order(np.flatnonzero(lines).astype(np.int32), shape, columns)
    ordered = ordered[stops[ordered] | (ordered == node)]
    at = int(np.argmax(ordered == node)) + step
    return int(ordered[at]) if 0 <= at < len(ordered) else None


def sort_columns(view: View, order: Order, given: Mapping[Order, Longs]) -> tuple[Longs, ...]:
    """Return the columns (int64, over all nodes) that `order` sorts by, biggest first; the first column decides first.

    `given` are the columns that do not follow from the view, as far as they are known.
    """
    if order in given:
        return (given[order],)
    if order is Order.SIZE:
        return (view.subtree_bytes + view.subtree_removed_bytes,)
    if order is Order.CHANGE:
        return (view.subtree_changed_bytes, view.subtree_changes)
    return ()


def in_order(nodes: Ints, shape: Shape, columns: tuple[Longs, ...]) -> Ints:
    """Reorder nodes from depth-first name order into display order, in which siblings are sorted by `columns`, biggest first.

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
    """Return how many lines each row stands below its parent's: 1, and all lines of the siblings before it and inside them."""
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
    """Sort `order`, an array of indexes into `values` (none negative), by the values at these indexes; ties keep their order.

    Value and place are packed into one number: numpy sorts numbers five times as fast as it finds a stable order.
    """
    bits = len(order).bit_length()
    if int(values.max()).bit_length() + bits > 63:
        return order[np.argsort(values[order], kind="stable")]
    keys = values[order].astype(np.int64) << bits | np.arange(len(order))
    keys.sort()
    return np.asarray(order[keys & ((1 << bits) - 1)])
