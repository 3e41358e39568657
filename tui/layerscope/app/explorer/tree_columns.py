"""What the lines of the tree look like: marks, the columns that fit, the name at its depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from layerscope.app.explorer.tree_row import NodeLine, NodeLines
from layerscope.app.widgets.cells import bar_cell, fitted, size_cell
from layerscope.report.style import cut_middle
from layerscope.rows.rows import Rows
from layerscope.tree.tree import Change, Longs
from layerscope.units import count_text, size_text

MARKS = {Change.UNCHANGED: " ", Change.ADDED: "+", Change.MODIFIED: "~", Change.REMOVED: "-"}
MARK = 3
"""Cells of the marks, with the space after them."""
WIDTHS = {"mode": 11, "owner": 10, "size": 9, "bar": 9, "wasted": 10}
"""Cells of each column, with the space after it."""
NAME, WIDE_NAME = 26, 36
"""Cells that names keep before there are columns at all; before wasted bytes have one, and each level is indented by two."""
DROPPED = {"wasted": WIDE_NAME, "owner": NAME, "bar": NAME, "mode": NAME, "size": NAME}
"""Columns go in this order where names would have less than so many cells."""
TWISTY = {True: "▾ ", False: "▸ "}


def fitting_columns(wanted: Sequence[str], room: int) -> list[str]:
    """The columns that fit beside names of a useful length."""
    columns = list(wanted)
    for name, needed in DROPPED.items():
        if name in columns and room - _width(columns) < needed:
            columns.remove(name)
    return columns


class TreeLook:
    """Draws nodes of `rows` in the colours that `ink` has; `wasted` are the bytes at and below each node, if they are known."""

    def __init__(self, rows: Rows, wasted: Longs | None, *, ink: Callable[[str], Style], is_ascii: bool) -> None:
        self._rows, self._ink, self._is_ascii = rows, ink, is_ascii
        self.line = NodeLines(rows.view, wasted, is_ascii=is_ascii).line

    def segments(self, node: int, wanted: Sequence[str], room: int) -> list[Segment]:
        """Marks, those of the `wanted` columns that fit, name; at most `room` cells."""
        shown, columns = self.line(node), fitting_columns(wanted, room)
        ink = self._line_ink(shown)
        parts = [
            Segment("-" if shown.is_gone else MARKS[shown.change], ink),
            Segment("! " if shown.wasted and not shown.is_directory else "  ", self._ink("wasted")),
        ]
        parts += [self._column(name, shown, ink) for name in columns]
        return [*parts, *self._name_parts(node, shown, room - _width(columns), ink)]

    def name_at(self, wanted: Sequence[str], room: int) -> int:
        """Where names begin, with the signs before them."""
        return _width(fitting_columns(wanted, room))

    def _line_ink(self, shown: NodeLine) -> Style | None:
        if shown.gone_in:
            return self._ink("removed") + self._ink("dim")
        return self._ink(shown.change.name.lower()) if shown.change is not Change.UNCHANGED else None

    def _column(self, name: str, shown: NodeLine, ink: Style | None) -> Segment:
        if name == "mode":
            return Segment(f"{shown.mode:<{WIDTHS['mode'] - 1}} ", self._ink("dim"))
        if name == "owner":
            return Segment(fitted(shown.owner, WIDTHS["owner"] - 1) + " ", self._ink("dim"))
        if name == "size":
            return Segment(size_cell(shown.size) + " ", ink)
        if name == "wasted":
            return Segment(f"{'!' if shown.wasted else ' '}{size_cell(shown.wasted)} ", self._ink("wasted"))
        # What went earlier is no part of what its directory holds now.
        size = 0 if shown.gone_in else shown.size
        return Segment(bar_cell(size, shown.within, WIDTHS["bar"] - 1, is_ascii=self._is_ascii) + " ", self._ink("bar"))

    def _name_parts(self, node: int, shown: NodeLine, room: int, ink: Style | None) -> list[Segment]:
        """Sign, name, where a link leads, and the longest note that there is room for."""
        indent = min((2 if room >= WIDE_NAME else 1) * (shown.depth - 1), max(room - NAME // 2, 0))
        left = room - indent - 2
        name = shown.name + ("/" if shown.is_directory else "")
        link = f" {shown.link}" if shown.link else ""
        used = cell_len(name) + cell_len(link)
        note = next((each for each in _notes(shown) if used + len(each) <= left), "")
        name = cut_middle(name, left) if cell_len(name) > left else name
        parts = [
            Segment(" " * indent + self._sign(node, shown), self._ink("dim")),
            Segment(name, self._name_ink(node, shown, ink)),
            Segment(fitted(link, left - cell_len(name)).rstrip() if link else "", self._ink("link")),
            Segment(note, self._ink("dim")),
        ]
        return [part for part in parts if part.text]

    def _sign(self, node: int, shown: NodeLine) -> str:
        if shown.is_directory and self._rows.has_children(node):
            return TWISTY[self._rows.is_open(node)]
        return "  "

    def _name_ink(self, node: int, shown: NodeLine, ink: Style | None) -> Style | None:
        if shown.is_gone:
            ink = (ink or Style()) + self._ink("gone")
        return (ink or Style()) + self._ink("hit") if self._rows.is_hit(node) else ink


def _width(columns: Sequence[str]) -> int:
    return MARK + sum(WIDTHS[name] for name in columns)


def _notes(shown: NodeLine) -> list[str]:
    """What may stand after the name, the longest first: when a file went, or how much changed below a directory."""
    if shown.gone_in:
        return [f"  removed by {shown.gone_in}"]
    if not (shown.is_directory and shown.changes) or shown.change in (Change.ADDED, Change.REMOVED):
        return []
    size = f", {size_text(shown.changed)}" if shown.changed else ""
    return [f"  {count_text(shown.changes, 'change')}{size}", f"  ~{shown.changes:,}"]
