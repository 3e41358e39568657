"""Drawing a row of the tree: marks, the columns that fit, the name at its depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from rich.style import Style

from layerscope.app.explorer.tree_row import NodeLine, NodeLines
from layerscope.app.widgets.cells import TWISTY, bar_cell, fitted, size_cell
from layerscope.rows import Rows
from layerscope.tree.tree import Change, Longs
from layerscope.units import count_text, size_text
from layerscope.wording.findings import CHANGE_MARKS, WASTED_MARK
from layerscope.wording.style import cells, cut_middle

MARK = 3
"""Cells of the marks, with the space after them."""
WIDTHS = {"mode": 11, "owner": 10, "size": 9, "bar": 9, "wasted": 10}
"""Cells of each column, with the space after it."""
NAME, WIDE_NAME = 26, 36
"""Cells that names keep before there are columns at all; before wasted bytes have one, and each level is indented by two."""
DROPPED = {"wasted": WIDE_NAME, "owner": NAME, "bar": NAME, "mode": NAME, "size": NAME}
"""Columns to leave out, in this order, while names have fewer cells than this."""


def fitting_columns(wanted: Sequence[str], room: int) -> list[str]:
    """Return the columns of `wanted` that leave names a useful length."""
    columns = list(wanted)
    for name, needed in DROPPED.items():
        if name in columns and room - _width(columns) < needed:
            columns.remove(name)
    return columns


class RowRenderer:
    """Draws nodes of `rows`. `style` returns the style of a name; `wasted` are the bytes at and below each node, if known."""

    def __init__(self, rows: Rows, wasted: Longs | None, *, style: Callable[[str], Style], is_ascii: bool) -> None:
        self._rows, self._style, self._is_ascii = rows, style, is_ascii
        self.line = NodeLines(rows.view, wasted, is_ascii=is_ascii).line

    def segments(self, node: int, wanted: Sequence[str], room: int) -> list[Segment]:
        """Draw marks, the `wanted` columns that fit, and the name, in at most `room` cells."""
        shown, columns = self.line(node), fitting_columns(wanted, room)
        style = self._line_style(shown)
        parts = [
            Segment(CHANGE_MARKS[Change.REMOVED if shown.is_gone else shown.change], style),
            Segment(f"{WASTED_MARK} " if shown.wasted and not shown.is_directory else "  ", self._style("wasted")),
        ]
        parts += [self._column(name, shown, style) for name in columns]
        return [*parts, *self._name_parts(node, shown, room - _width(columns), style)]

    def name_column(self, wanted: Sequence[str], room: int) -> int:
        """Return the cell where names begin, with the signs before them."""
        return _width(fitting_columns(wanted, room))

    def _line_style(self, shown: NodeLine) -> Style | None:
        if shown.gone_in:
            return self._style("removed") + self._style("dim")
        return self._style(shown.change.name.lower()) if shown.change is not Change.UNCHANGED else None

    def _column(self, name: str, shown: NodeLine, style: Style | None) -> Segment:
        if name == "mode":
            return Segment(f"{shown.mode:<{WIDTHS['mode'] - 1}} ", self._style("dim"))
        if name == "owner":
            return Segment(fitted(shown.owner, WIDTHS["owner"] - 1) + " ", self._style("dim"))
        if name == "size":
            return Segment(size_cell(shown.size) + " ", style)
        if name == "wasted":
            return Segment(f"{WASTED_MARK if shown.wasted else ' '}{size_cell(shown.wasted)} ", self._style("wasted"))
        # What went earlier is no part of what its directory holds now.
        size = 0 if shown.gone_in else shown.size
        return Segment(bar_cell(size, shown.within, WIDTHS["bar"] - 1, is_ascii=self._is_ascii) + " ", self._style("bar"))

    def _name_parts(self, node: int, shown: NodeLine, room: int, style: Style | None) -> list[Segment]:
        """Draw sign, name, link target, and the longest note that fits."""
        indent = min((2 if room >= WIDE_NAME else 1) * (shown.depth - 1), max(room - NAME // 2, 0))
        left = room - indent - 2
        name = shown.name + ("/" if shown.is_directory else "")
        link = f" {shown.link}" if shown.link else ""
        used = cells(name) + cells(link)
        note = next((each for each in _notes(shown) if used + len(each) <= left), "")
        sign = TWISTY[self._rows.is_open(node)] if shown.is_directory and self._rows.has_children(node) else "  "
        name = cut_middle(name, left) if cells(name) > left else name
        parts = [
            Segment(" " * indent + sign, self._style("dim")),
            Segment(name, self._name_style(node, shown, style)),
            Segment(fitted(link, left - cells(name)).rstrip() if link else "", self._style("link")),
            Segment(note, self._style("dim")),
        ]
        return [part for part in parts if part.text]

    def _name_style(self, node: int, shown: NodeLine, style: Style | None) -> Style | None:
        if shown.is_gone:
            style = (style or Style()) + self._style("gone")
        return (style or Style()) + self._style("hit") if self._rows.is_hit(node) else style


def _width(columns: Sequence[str]) -> int:
    return MARK + sum(WIDTHS[name] for name in columns)


def _notes(shown: NodeLine) -> list[str]:
    """Return the notes that may follow the name, longest first: the layer that removed it, or the changes below a directory."""
    if shown.gone_in:
        return [f"  removed by {shown.gone_in}"]
    if not (shown.is_directory and shown.changes) or shown.change in (Change.ADDED, Change.REMOVED):
        return []
    size = f", {size_text(shown.changed)}" if shown.changed else ""
    return [f"  {count_text(shown.changes, 'change')}{size}", f"  ~{shown.changes:,}"]
