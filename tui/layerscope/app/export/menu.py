"""A small menu: one key a line, Enter for the line under the cursor, at first the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from layerscope.app.keys import back
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import fitted
from layerscope.wording.style import cells

LEAST, WIDEST = 32, 76


@dataclass(frozen=True, slots=True)
class MenuRow:
    """A line of a menu: its key (a character), its name, and a hint at what it leads to; both printable."""

    key: str
    name: str
    hint: str = ""


class MenuLines(CursorLines):
    """Draws the lines of a menu."""

    def __init__(self, rows: Sequence[MenuRow], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._rows = rows
        self._name_width = max(cells(row.name) for row in rows)

    def on_mount(self) -> None:
        self.set_count(len(self._rows))

    def segments(self, line: int, room: int) -> list[Segment]:
        row = self._rows[line]
        start = f"{fitted(row.name, self._name_width)}  "
        hint = fitted(row.hint, max(room - len(row.key) - cells(start) - 4, 0))
        return [Segment(f" {row.key}  ", self.style("key")), Segment(start), Segment(hint, self.style("dim"))]


class Menu(ModalScreen[int | None]):
    """Asks for one of `rows`.

    It ends with its index, or None. The keys `again`, such as the one that opened it, take the first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [back()]
    AUTO_FOCUS = "#menu"

    def __init__(self, title: str, rows: Sequence[MenuRow], *, again: Sequence[str] = ()) -> None:
        super().__init__()
        self._title, self._menu_rows = title, rows
        self._indexes = {**dict.fromkeys(("enter", "space"), -1), **dict.fromkeys(again, 0)}
        self._indexes |= {row.key: index for index, row in enumerate(rows)}

    def compose(self) -> ComposeResult:
        yield MenuLines(self._menu_rows, id="menu")

    def on_mount(self) -> None:
        lines = self.query_one(MenuLines)
        lines.border_title, lines.border_subtitle = self._title, "enter takes it, esc closes"
        # Two cells for the border, and two rows.
        widest = max(cells(row.name + row.hint) for row in self._menu_rows) + 9
        lines.styles.width = min(max(widest, LEAST), WIDEST) + 2
        lines.styles.height = len(self._menu_rows) + 2

    def on_key(self, event: events.Key) -> None:
        """Take the line that the key stands for."""
        index = self._indexes.get(event.key, self._indexes.get(event.character or ""))
        if index is not None:
            event.stop()
            self.dismiss(self.query_one(MenuLines).cursor if index < 0 else index)

    @on(CursorLines.Chosen)
    def _chosen(self) -> None:
        self.dismiss(self.query_one(MenuLines).cursor)
