"""The lines of the file tree: which rows there are, and how they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.content import Content

from layerscope.app.explorer.title import hidden_words
from layerscope.app.widgets.cursor_lines import CursorLines

if TYPE_CHECKING:
    from layerscope.app.explorer.tree_columns import RowRenderer
    from layerscope.app.explorer.tree_row import NodeLine
    from layerscope.rows import Rows
    from layerscope.tree.tree import Longs
    from layerscope.waste.find import Waste


class TreeLines(CursorLines):
    """Draws `rows` in the `columns` of the settings, as far as they fit."""

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
        """Return the row under the cursor."""
        return self._renderer.line(self.node) if self._renderer is not None and self.node else None

    def show_waste(self, waste: Waste) -> None:
        """Show wasted bytes, once they are known."""
        if self._rows is not None:
            nodes = self._rows.view.tree.nodes
            self._wasted = nodes.subtree_sums(waste.by_node(len(nodes)))
            self.update_renderer()
            self.refresh()

    def show_title(self, title: str) -> None:
        """Set the title. Setting the same title again would redraw all lines."""
        if title != self._title:
            self._title = title
            self.border_title = Content(title)

    def toggle_attributes(self) -> None:
        """Show or hide the columns of mode and owner, to leave room for others."""
        self._has_attributes = not self._has_attributes
        self.refresh()

    def update_renderer(self) -> None:
        """Draw from another view, or with wasted bytes that were not known before."""
        from layerscope.app.explorer.tree_columns import RowRenderer  # numpy, which the first frame does not wait for

        assert self._rows is not None
        self._renderer = RowRenderer(self._rows, self._wasted, style=self.style, is_ascii=self.is_ascii)

    @property
    def name_column(self) -> int:
        """Return the cell where names begin, with the signs before them."""
        return self._renderer.name_column(self._wanted_columns, self.room) if self._renderer is not None else 0

    @property
    def _wanted_columns(self) -> list[str]:
        return [name for name in self._columns if self._has_attributes or name not in ("mode", "owner")]

    @property
    def nothing(self) -> str:
        """Say why there is no line, and what to do about it."""
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
