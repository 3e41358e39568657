"""A list of lines with a cursor: moving it, keeping it in sight, clicking."""

from __future__ import annotations

from itertools import islice

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.reactive import var

from layerscope.app.key_queue import counted
from layerscope.app.widgets.lines import Lines

NOT_DIM = Style(dim=False)
"""Dimmed text cannot be read on the cursor's background."""


class CursorLines(Lines):
    """Lines of which one has the cursor, unless `has_cursor` is switched off.

    It posts Moved when the cursor comes to another line, and Chosen when the user opens the line under it.
    """

    has_cursor: bool = True

    cursor: var[int] = var(0, init=False)

    class Moved(Message):
        """The cursor came to another line."""

        def __init__(self, lines: CursorLines) -> None:
            self.lines = lines
            super().__init__()

        @property
        def control(self) -> CursorLines:
            """Return the list it happened in."""
            return self.lines

    class Chosen(Moved):
        """The user opened the line under the cursor."""

    # What subclasses implement.

    def can_stop(self, line: int) -> bool:  # noqa: ARG002
        """Tell whether the cursor may stand on that line."""
        return True

    def clicked(self, x: int, *, is_again: bool) -> None:  # noqa: ARG002
        """Handle a click at cell `x` of the cursor's line; `is_again` when it had the cursor already."""
        if is_again:
            self.choose()

    def head_clicked(self, x: int) -> None:
        """Handle a click at cell `x` of the column heads."""

    def choose(self) -> None:
        """Open the line under the cursor."""
        self.post_message(self.Chosen(self))

    # The cursor.

    def overlay(self, line: int) -> Style | None:
        """Return the style of the cursor if the line has it, weaker without the focus; else None."""
        if not self.has_cursor or line != self.cursor:
            return None
        return self.style("cursor") + NOT_DIM if self.has_focus else self.style("cursor-blurred")

    def set_count(self, count: int, *, width: int = 0) -> None:
        """Set the number of lines; a cursor beyond the end moves to the last."""
        super().set_count(count, width=width)
        if self.cursor >= count:
            self.cursor = max(count - 1, 0)

    def go(self, line: int, *, is_centered: bool = False) -> None:
        """Put the cursor on a line and bring it into sight; `is_centered` leaves some lines around it."""
        self.cursor = min(max(line, 0), max(self.count - 1, 0))
        self.show_cursor(is_centered=is_centered)

    def show_cursor(self, *, is_centered: bool = False) -> None:
        """Scroll no further than needed to see the cursor's line."""
        height = max(self.lines_shown, 1)
        top = round(self.scroll_y)
        if is_centered and not top <= self.cursor < top + height:
            top = self.cursor - height // 3
        top = min(max(top, self.cursor - height + 1), self.cursor)
        self.scroll_to_line(top)

    def nearest_stop(self, line: int, step: int) -> int:
        """Return the first line where the cursor may stand, from `line` on in the direction of `step`, else the other way.

        It is 0 where there are no lines.
        """
        if not self.count:
            return 0
        line = min(max(line, 0), self.count - 1)
        onward = range(line, self.count) if step > 0 else range(line, -1, -1)
        back = range(line, -1, -1) if step > 0 else range(line, self.count)
        return next((each for lines in (onward, back) for each in lines if self.can_stop(each)), line)

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw the lines that the cursor left and came to, and post Moved."""
        if old != new:
            self._redraw(old)
            self._redraw(new)
            self.post_message(self.Moved(self))

    def _redraw(self, line: int) -> None:
        self.refresh(Region(0, line - self.scroll_offset.y + self.heads, self.size.width, 1))

    def on_focus(self) -> None:
        """Redraw the cursor, which looks different with the focus."""
        self._redraw(self.cursor)

    def on_blur(self) -> None:
        """Redraw the cursor, which looks different without the focus."""
        self._redraw(self.cursor)

    def after_fit(self) -> None:
        """Keep the cursor in sight when the terminal shrinks."""
        if self.has_cursor and self.count:
            self.show_cursor()

    # What the mouse and keys do.

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the clicked line, then let `clicked` do the rest."""
        line, offset = self.line_at(event), event.get_content_offset(self)
        if offset is not None and offset.y < self.heads:
            self.head_clicked(offset.x)
        if line is None or offset is None:
            return
        was_there = line == self.cursor
        if self.can_stop(line):
            self.go(line)
            self.clicked(offset.x + self.scroll_offset.x, is_again=was_there or event.chain == 2)

    def line_at(self, event: events.MouseEvent) -> int | None:
        """Return the line under the mouse, if there is one."""
        offset = event.get_content_offset(self)
        if offset is None:
            return None
        line = offset.y + self.scroll_offset.y - self.heads
        return line if offset.y >= self.heads and line < self.count else None

    def action_move(self, step: int) -> None:
        """Move to the next or previous line where the cursor may stand, or as many on as were typed."""
        if not self.has_cursor:
            super().action_move(step)
            return
        onward = range(self.cursor + step, self.count if step > 0 else -1, step)
        stops = list(islice((line for line in onward if self.can_stop(line)), self.times))
        if stops:
            self.go(stops[-1])
        else:
            self.show_cursor()

    def action_page(self, step: int) -> None:
        """Move by a page."""
        if self.has_cursor:
            self.go(self.nearest_stop(self.cursor + step * self.times * self.page_height, step))
        else:
            super().action_page(step)

    def action_top(self) -> None:
        """Move to the first line."""
        if self.has_cursor:
            self.go(self.nearest_stop(0, -1))
        super().action_top()

    def action_bottom(self) -> None:
        """Move to the last line, or to the one whose number was typed."""
        if self.has_cursor:
            self.go(self.nearest_stop((counted(self.app) or self.count) - 1, 1))
        else:
            super().action_bottom()
