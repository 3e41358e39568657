"""The lines of the file tree: which rows there are, how they are drawn, and the title: which layers' changes they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.content import Content

from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.settings import Order
from layerscope.text import escape
from layerscope.wording.style import cells, cut_middle

if TYPE_CHECKING:
    from layerscope.app.explorer.tree_columns import NodeLine, RowRenderer
    from layerscope.rows import Rows
    from layerscope.tree.tree import Longs
    from layerscope.waste.find import Waste

LEAST = 8
"""The fewest cells that a path in the title is cut to."""


@dataclass(frozen=True, slots=True)
class LayerRange:
    """A range of layers, `first` to `last`, whose changes are shown as one; `title` describes it in words."""

    first: int
    last: int
    title: str

    @classmethod
    def of(cls, last: int, *, marked: int, is_so_far: bool, base_layers: int) -> LayerRange:
        """Return the range for the layer `last` under the cursor and the layer `marked` (0: none).

        `is_so_far` asks for all changes since the base, which has `base_layers` layers (0: unknown).
        """
        if marked and marked != last:
            low, high = min(marked, last), max(marked, last)
            return cls(low + 1, high, f"changes from layer {low} to {high}")
        if is_so_far:
            base = base_layers or 1
            first = min(base + 1, last) if last > base else 1
            return cls(first, last, f"changes of layers {first} to {last}")
        if marked:
            return cls(last, last, f"layer {last} is marked: step to another to compare")
        return cls(last, last, "this layer's changes")


def files_title(rows: Rows, node: int, shown: LayerRange, *, read: int, room: int) -> str:
    """Return `after layer 8 ─ /srv ─ this layer's changes`, the path cut to leave at most `room` cells.

    `read` is the number of layers read so far.
    """
    layers = rows.view.tree.layers
    so_far = f" ({read} of {layers} layers read)" if read < layers else ""
    order = "" if rows.order is Order.NAME else f" · by {rows.order.value}"
    start, end = f"after layer {rows.view.last}{so_far} ─ ", f" ─ {shown.title}{order}"
    path = "/" + escape(rows.view.tree.nodes.paths[node])
    return start + cut_middle(path, max(room - cells(start + end), LEAST)) + end


def hidden_words(rows: Rows) -> list[str]:
    """Return the names of the changes whose files are hidden, such as `added` and `removed`."""
    return [change.name.lower() for change in sorted(rows.hidden)]


class TreeLines(CursorLines):
    """Draws the visible rows of the file tree, with as many of `columns` (named in the settings) as fit."""

    def __init__(self, columns: tuple[str, ...], *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._columns = columns
        self._wasted: Longs | None = None
        self._rows: Rows | None = None
        self._renderer: RowRenderer | None = None
        self._title = ""
        self._filter_text = ""
        self._has_attributes = True

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
        return self._renderer.line(self.node) if self._renderer is not None and self.node else None

    def show_waste(self, waste: Waste) -> None:
        """Show the wasted bytes of each file and directory."""
        if self._rows is not None:
            nodes = self._rows.view.tree.nodes
            self._wasted = nodes.subtree_sums(waste.by_node(len(nodes)))
            self.update_renderer()
            self.refresh()

    def show_title(self, title: str, *, warning: str = "") -> None:
        """Set the title, after a warning in color. Setting the same title again would redraw all lines."""
        if warning + title != self._title:
            self._title = warning + title
            self.border_title = Content.assemble((warning, "bold $modified"), title)

    def toggle_attributes(self) -> None:
        """Show or hide the columns of mode and owner, to leave room for others."""
        self._has_attributes = not self._has_attributes
        self.refresh()

    def update_renderer(self) -> None:
        """Make a new renderer of rows, because the view changed or the wasted bytes became known."""
        from layerscope.app.explorer.tree_columns import RowRenderer  # numpy, which the first frame does not wait for

        assert self._rows is not None
        self._renderer = RowRenderer(self._rows, self._wasted, style=self.style, is_ascii=self.is_ascii)

    @property
    def name_column(self) -> int:
        """Return the cell where the column of names begins, with the sign of a directory before the name."""
        return self._renderer.name_column(self._wanted_columns, self.room) if self._renderer is not None else 0

    @property
    def _wanted_columns(self) -> list[str]:
        return [name for name in self._columns if self._has_attributes or name not in ("mode", "owner")]

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
            return "No files."
        later = " A later layer may have one." if rows.view.last < rows.view.tree.layers else ""
        return f"No match for `{self._filter_text}` in layer {rows.view.last}.{later} Esc clears the filter."

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw marks, the columns that fit, and the name at its depth."""
        assert self._rows is not None
        assert self._renderer is not None
        return self._renderer.segments(int(self._rows.nodes[line]), self._wanted_columns, room)
