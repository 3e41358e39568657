"""The visible lines of a tree, as one array of node numbers that folding changes a slice at a time."""

from __future__ import annotations

from typing import Literal

import numpy as np

from layerscope.rows.changes import change_stops, next_stop
from layerscope.rows.order import Order
from layerscope.rows.sorting import in_order, sort_columns
from layerscope.search.row_visibility import RowVisibility
from layerscope.tree.nodes import Ints
from layerscope.tree.shape import Flags, Shape
from layerscope.tree.tree import Change, View


class Rows:
    """The rows shown of `view`: its nodes without the root, all folded at first.

    `nodes` (int32) are the node numbers of the rows in display order. A node has a row when it can be shown and every directory
    above it is open.
    """

    def __init__(self, view: View, *, order: Order = Order.NAME) -> None:
        self.view = view
        self._shape = Shape.of(view.tree.nodes)
        self._order = order
        self._hidden: frozenset[Change] = frozenset()
        self._hits: Flags | None = None
        self._is_open = np.zeros(len(self._shape), bool)
        self._is_open_outside = self._is_open
        self._sort_columns = sort_columns(view, order)
        self._presence = RowVisibility.of(view, self._shape, self._hidden, None)
        self.nodes: Ints = self._rows_below(0)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def order(self) -> Order:
        return self._order

    @property
    def hidden(self) -> frozenset[Change]:
        """Return the changes whose nodes are hidden, unless something below them is shown."""
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
        """Tell whether `reveal` would find a row for the node itself."""
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

    def show(self, view: View) -> None:
        """Show other layers of the same tree; folding, order, hidden changes and the filter stay."""
        self.view = view
        self._sort_columns = sort_columns(view, self._order)
        self._find_rows(self._presence.hits)

    def set_order(self, order: Order) -> None:
        self._order = order
        self._sort_columns = sort_columns(self.view, order)
        self._lay_out()

    def set_hidden(self, hidden: frozenset[Change]) -> None:
        """Hide nodes with one of these changes; a directory stays as long as anything below it is shown."""
        self._hidden = hidden
        self._find_rows(self._presence.hits)

    def filter(self, hits: Flags | None) -> None:
        """Show only `hits` (one flag a node) with their parents, which open, and everything below them, folded; None shows
        all.

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
        """Fold what is below a row; directories open there are open again when the row is."""
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
        """Open what is above a node and return its row; for one that cannot be shown, the row of the nearest parent that
        can, or 0.
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
        """Return the node of the next (1) or previous (-1) change in display order, also folded ones; None when there is
        none.

        Only changes that `reveal` can show; `change_stops` defines what counts.
        """
        if not len(self.nodes):
            return None
        stops = change_stops(self.view, self._hidden) & self._presence.can_show
        return next_stop(stops, int(self.nodes[row]), step, self._shape, self._sort_columns)

    def _chain(self, node: int) -> tuple[list[int], list[int]]:
        """Return a node and its parents, nearest first, as far as they can be shown; and the closed directories among the
        parents.
        """
        chain = [each for each in self._shape.chain(node) if self._presence.can_show[each]]
        return chain, [each for each in chain[1:] if not self._is_open[each]]

    def _row(self, node: int) -> int:
        return int(np.argmax(self.nodes == node))

    def _find_rows(self, opened: Flags) -> None:
        """Open the directories above hits, unless they were `opened` for them before."""
        self._presence = RowVisibility.of(self.view, self._shape, self._hidden, self._hits)
        self._is_open[self._shape.above(self._presence.hits & ~opened)] = True
        self._lay_out()

    def _lay_out(self) -> None:
        self.nodes = self._rows_below(0)

    def _rows_below(self, node: int) -> Ints:
        """Return the rows, in display order, that are below an open directory."""
        nodes = self._shape.unfolded(node + 1, int(self._shape.end[node]), self._is_open)
        return in_order(nodes[self._presence.can_show[nodes]], self._shape, self._sort_columns)

    def _replace_below(self, row: int, rows: Ints) -> None:
        """Replace all rows below a row by `rows`."""
        node, after = self.nodes[row], self.nodes[row + 1 :]
        is_outside = (after < node) | (after >= self._shape.end[node])
        stop = int(np.argmax(is_outside)) if is_outside.any() else len(after)
        self.nodes = np.concatenate([self.nodes[: row + 1], rows, after[stop:]])
