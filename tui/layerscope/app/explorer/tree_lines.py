"""The lines of the file tree: which rows there are, how they are drawn, and the title: which layers' changes they show."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.content import Content

from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.settings import Order
from layerscope.text import escape
from layerscope.units import size_text
from layerscope.wording.style import cells, cut_middle

if TYPE_CHECKING:
    from layerscope.app.explorer.tree_columns import NodeLine, RowRenderer
    from layerscope.rows import Rows
    from layerscope.tree.tree import Longs, Tree, View
    from layerscope.waste.find import Waste

LEAST = 8
"""The fewest cells that a path in the title is cut to."""
USEFUL = 24
"""Cells that a longer path in the title is not cut below while there are words that can be left out."""


@dataclass(frozen=True, slots=True)
class LayerRange:
    """A range of layers, `first` to `last`, whose changes are shown as one; `title` describes it in words, `brief` in fewer."""

    first: int
    last: int
    title: str
    brief: str = ""

    @classmethod
    def of(cls, last: int, *, marked: int, is_so_far: bool, base_layers: int) -> LayerRange:
        """Return the range for the layer `last` under the cursor and the layer `marked` (0: none).

        `is_so_far` asks for all changes since the base, which has `base_layers` layers (0: unknown).
        """
        if marked and marked != last:
            low, high = min(marked, last), max(marked, last)
            return cls(low + 1, high, f"changes from layer {low} to {high}", f"since layer {low}")
        if is_so_far:
            base = base_layers or 1
            first = min(base + 1, last) if last > base else 1
            return cls(first, last, f"changes of layers {first} to {last}", "so far")
        if marked:
            return cls(last, last, f"layer {last} is marked: step to another to compare", "marked")
        return cls(last, last, "this layer's changes")


def files_title(rows: Rows, node: int, shown: LayerRange, *, read: int, room: int) -> str:
    """Return `after layer 8 ─ /srv ─ this layer's changes` in at most `room` cells, every word whole.

    The path is cut in its middle; before little of it is left, fewer words are used. `read` layers were read so far.
    """
    layers = rows.view.tree.layers
    if not layers:
        return "no layers"
    so_far = f" ({read} of {layers} layers read)" if read < layers else ""
    order = "" if rows.order is Order.NAME else f" · by {rows.order.value}"
    start, path = f"after layer {rows.view.last}{so_far}", "/" + escape(rows.view.tree.nodes.paths[node])
    ends = [f" ─ {shown.title}{order}", f" ─ {shown.brief}{order}" if shown.brief else order, order, ""]
    for wanted in (min(cells(path), USEFUL), LEAST):
        for end in ends:
            left = room - cells(f"{start} ─ {end}")
            if left >= min(wanted, cells(path)):
                return f"{start} ─ {cut_middle(path, left)}{end}"
    return next((text for text in (start, start.removesuffix(so_far)) if cells(text) <= room), "")


def hidden_words(rows: Rows) -> list[str]:
    """Return the names of the changes whose files are hidden, such as `added` and `removed`."""
    return [change.name.lower() for change in sorted(rows.hidden)]


def marked_words(view: View, marked: Set[int]) -> str:
    """Say how many nodes are marked, and how many bytes they have in a view: `3 marked, 12.3 MB`; empty for none."""
    size = sum(int(view.subtree_bytes[node]) + int(view.subtree_removed_bytes[node]) for node in apart(view.tree, marked))
    return f"{len(marked):,} marked, {size_text(size)}" if marked else ""


def apart(tree: Tree, marked: Set[int]) -> list[int]:
    """Return the marked nodes in order, without those below another of them."""
    found: list[int] = []
    for node in sorted(marked):
        if not found or node >= tree.nodes.end[found[-1]]:
            found.append(node)
    return found


class TreeLines(CursorLines):
    """Draws the visible rows of the file tree, with as many of `columns` (named in the settings) as fit."""

    has_heads = True
    lead: ClassVar[int] = 0
    """Cells that a subclass draws before the marks and columns of each line."""

    def __init__(self, columns: tuple[str, ...], *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._columns = columns
        self._wasted: Longs | None = None
        self._rows: Rows | None = None
        self._renderer: RowRenderer | None = None
        self._title = ""
        self._filter_text = ""
        self._has_attributes: bool | None = None
        self.marked: set[int] = set()
        """The nodes that the user marked."""
        self._dropped: Set[int] = frozenset()

    @property
    def rows(self) -> Rows | None:
        """Return the visible rows, None until there is an image."""
        return self._rows

    @property
    def node(self) -> int:
        """Return the node under the cursor, 0 (the root) where there are no rows."""
        return int(self._rows.nodes[self.cursor]) if self._rows is not None and len(self._rows) else 0

    @property
    def line(self) -> NodeLine | None:
        """Return what the row under the cursor shows of its node; None if there is no row."""
        return self.line_of(self.node)

    def line_of(self, node: int) -> NodeLine | None:
        """Return what a row shows of a node; None for the root, and where there is no tree."""
        return self._renderer.line(node) if self._renderer is not None and node else None

    def show_waste(self, waste: Waste) -> None:
        """Show the wasted bytes of each file and directory."""
        if self._rows is not None:
            nodes = self._rows.view.tree.nodes
            self._wasted = nodes.subtree_sums(waste.by_node(len(nodes)))
            self._rows.set_column(Order.WASTED, self._wasted)
            self.update_renderer()
            self.refresh()

    def show_dropped(self, nodes: Set[int]) -> None:
        """Show which nodes are to be left out, with all below them, of a smaller image."""
        self._dropped = nodes
        if self._rows is not None:
            self.update_renderer()
            self.refresh()

    def show_title(self, title: str, *, warning: str = "") -> None:
        """Set the title, after a warning in color. Setting the same title again would redraw all lines."""
        if warning + title != self._title:
            self._title = warning + title
            self.border_title = Content.assemble((warning, "bold $modified"), title)

    def toggle_attributes(self) -> None:
        """Hide the columns of mode and owner if both are shown, else show them, in place of others where room is scarce."""
        self._has_attributes = not {"mode", "owner"} & set(self._columns) <= set(self._shown_columns)
        self.refresh()

    def update_renderer(self) -> None:
        """Make a new renderer of rows, because the view changed or the wasted bytes became known."""
        from layerscope.app.explorer.tree_columns import (
            NodeMarks,
            RowRenderer,
        )  # numpy, which the first frame does not wait for

        assert self._rows is not None
        marks = NodeMarks(self.marked, self._dropped)
        self._renderer = RowRenderer(self._rows, self._wasted, marks, style=self.style, is_ascii=self.is_ascii)

    @property
    def name_column(self) -> int:
        """Return the cell where the column of names begins, with the sign of a directory before the name."""
        from layerscope.app.explorer.tree_columns import width_of

        return self.lead + width_of(self._shown_columns)

    @property
    def _shown_columns(self) -> list[str]:
        from layerscope.app.explorer.tree_columns import fitting_columns

        return fitting_columns(self._columns, self.room - self.lead, has_attributes=self._has_attributes)

    @property
    def nothing(self) -> str:
        """Return a sentence for an empty pane: why there is no line, and what to do about it."""
        rows = self._rows
        if rows is None:
            return ""
        if rows.hidden:
            words = hidden_words(rows)
            hidden = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
            return f"Nothing left to show: {hidden} files are hidden."
        if not rows.is_filtered:
            return "No files." if rows.view.tree.layers else "No files: the image has no layers."
        later = " A later layer may have one." if rows.view.last < rows.view.tree.layers else ""
        return f"No match for `{self._filter_text}` in layer {rows.view.last}.{later} Esc clears the filter."

    def as_text(self, heading: str) -> Callable[[], str]:
        """Return what makes the text of all rows as they are now, after a heading."""
        from layerscope.app.explorer.tree_text import tree_text

        assert self._rows is not None
        hidden = f"; {', '.join(hidden_words(self._rows))} hidden" if self._rows.hidden else ""
        filtered = f"; filter: {escape(self._filter_text)}" if self._rows.is_filtered else ""
        heading += hidden + filtered
        return tree_text(heading, self._rows, self._wasted, self._shown_columns)

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw marks, the columns that fit, and the name at its depth."""
        assert self._rows is not None
        assert self._renderer is not None
        return self._renderer.segments(int(self._rows.nodes[line]), self._shown_columns, room)

    def head(self, room: int) -> list[Segment]:  # noqa: ARG002
        """Draw the column heads, once there are columns."""
        return self._renderer.head(self._shown_columns) if self._renderer is not None else []

    def order_at(self, x: int) -> Order | None:
        """Return what the head at cell `x` sorts by; None for a column that does not sort."""
        from layerscope.app.explorer.tree_columns import MARK, SORTS, WIDTHS

        at = self.lead + MARK
        if x < at:
            return Order.CHANGE
        for name in self._shown_columns:
            at += WIDTHS[name]
            if x < at:
                return SORTS.get(name)
        return Order.NAME
