"""The lines of a page: highlighted, scrolled sideways behind their gutter, with matches of the search marked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.reactive import var
from textual.strip import Strip

from layerscope.app.file.highlight import pieces
from layerscope.app.file.paged_page import PagedPage
from layerscope.app.file.pages import Page
from layerscope.app.key_queue import counted
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.wording.style import cells

if TYPE_CHECKING:
    from layerscope.app.file.pager import Match

CUT = Segment("…")
SIDE = 8
"""The fewest cells that a key scrolls sideways."""
_OWN = ("comment", "string", "keyword", "number", "name", "here")


class FileLines(CursorLines):
    """Draws a Page: content, a diff or a list of versions. It posts Scrolled, and Moved and Chosen if the page has a cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "file--comment", "file--string", "file--keyword", "file--number", "file--name", "file--here",
    }  # fmt: skip

    across: var[int] = var(0, init=False)

    class Scrolled(Message):
        """Other lines or columns are in sight."""

    class EndWanted(Message):
        """The user goes to a line of a file that is read on demand, or to its end for 0."""

        def __init__(self, line: int) -> None:
            self.line = line
            super().__init__()

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.has_cursor = False
        self._page = Page()
        self._pattern: re.Pattern[str] | None = None
        self._here: Match | None = None

    # What the screen asks for.

    @property
    def page(self) -> Page:
        """Return the page, fitted to the width."""
        return self._page

    @property
    def index(self) -> int:
        """Return the index of the item under the cursor, such as a version; an item may take several lines."""
        return self.cursor // self._page.step

    @property
    def top(self) -> int:
        """Return the first line in sight."""
        return round(self.scroll_y)

    @property
    def seen(self) -> range:
        """Return the lines in sight."""
        return range(self.top, min(self.top + max(self.scrollable_content_region.height, 1), self.count))

    def show(self, page: Page, *, top: int = 0, index: int = 0) -> None:
        """Show another page: from line `top` on or, if it has a cursor, with the cursor on the item `index`."""
        if type(page) is not type(self._page):
            self.across = 0
        self._page = page.at(self.room)
        self.has_cursor = page.has_cursor
        self.set_count(len(self._page.texts))
        if self.has_cursor:
            self.go(index * page.step)
        else:
            self.scroll_to_line(top)
        self.post_message(self.Scrolled())

    def recolor(self, page: Page) -> None:
        """Show the same lines in other colors."""
        self._page = page.at(self.room)
        self.refresh()

    def grow(self) -> None:
        """Show what was read since, of a file that is read on demand."""
        self.set_count(len(self._page.texts))

    def mark(self, pattern: re.Pattern[str] | None, here: Match | None) -> None:
        """Mark all matches of `pattern`, and the one at `here` more strongly."""
        self._pattern, self._here = pattern, here
        self.refresh()

    def reveal(self, match: Match) -> None:
        """Scroll to a match, down and sideways."""
        if self.has_cursor:
            self.go(match.line - match.line % self._page.step)
        elif match.line not in self.seen:
            height = max(self.scrollable_content_region.height, 1)
            self.scroll_to_line(match.line - height // 3)
        text, room = self._page.texts[match.line], self._text_room(match.line)
        start, end = cells(text[: match.start]), cells(text[: match.end])
        if not (self.across < start or self.across == 0) or end >= self.across + room:
            self.across = max(end - room + SIDE, 0) if end >= room else 0

    def scroll_across(self, step: int) -> None:
        """Scroll sideways, to the right no further than the longest line in sight."""
        rooms = [(cells(self._page.texts[line]), self._text_room(line)) for line in self.seen]
        most = max((width - room for width, room in rooms), default=0)
        moved = max(self.room // 4, SIDE)
        self.across = max(min(self.across + step * moved, max(most, 0)) if step > 0 else self.across - moved, 0)

    # What Lines and Textual call.

    def can_stop(self, line: int) -> bool:
        """Let the cursor stop at the first line of each item."""
        return not line % self._page.step

    def line_at(self, event: events.MouseEvent) -> int | None:
        """Return the first line of the item under the mouse, which may take several lines; None if there is no item."""
        line = super().line_at(event)
        return None if line is None else line - line % self._page.step

    def show_cursor(self, *, is_centered: bool = False) -> None:
        """Scroll until all lines of the item under the cursor are in sight."""
        super().show_cursor(is_centered=is_centered)
        last, height = self.cursor + self._page.step, self.scrollable_content_region.height
        if height >= self._page.step and last > round(self.scroll_y) + height:
            self.scroll_to_line(last - height)

    def clicked(self, x: int, *, is_again: bool) -> None:
        if self.has_cursor:
            super().clicked(x, is_again=is_again)

    def fit(self) -> None:
        self._page = self._page.at(self.room)
        self.set_count(len(self._page.texts))
        self.post_message(self.Scrolled())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Scrolled())

    def watch_across(self) -> None:
        self.refresh()
        self.post_message(self.Scrolled())

    def on_mouse_scroll_right(self) -> None:
        self.scroll_across(1)

    def on_mouse_scroll_left(self) -> None:
        self.scroll_across(-1)

    def action_bottom(self) -> None:
        """Go to the last line, or to the one whose number was typed; what is not known yet is asked for."""
        if isinstance(self._page, PagedPage):
            self.post_message(self.EndWanted(counted(self.app) or 0))
        else:
            super().action_bottom()

    # What a line looks like.

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw the gutter and the text that fits, with `…` where there is more."""
        gutter = [Segment(text, self._paint(name)) for text, name in self._page.gutter(line, room)]
        room = max(room - sum(cells(part.text) for part in gutter), 1)
        end = self.across + room
        strip = Strip(self._text_segments(line, _start(self._page.texts[line], end)))
        width = strip.cell_length
        if not self.across and width <= room:
            return [*gutter, *strip]
        left = [CUT] if self.across and width else []
        right = [CUT] if width > end else []
        return [*gutter, *left, *strip.crop(self.across + len(left), end - len(right)), *right]

    def _text_room(self, line: int) -> int:
        return max(self.room - sum(cells(text) for text, _ in self._page.gutter(line, self.room)), 1)

    def _text_segments(self, line: int, text: str) -> list[Segment]:
        page = self._page
        base = self._paint(page.color(line))
        hits = [found.span() for found in self._pattern.finditer(text)] if self._pattern else []
        segments = []
        for start, end, name, hit in pieces(len(text), page.spans(line), hits):
            style = self._paint(name) if name else base
            if hit >= 0:
                is_here = self._here is not None and (self._here.line, self._here.start) == (line, hit)
                style = self._paint("here" if is_here else "match")
            segments.append(Segment(text[start:end], style))
        return segments

    def _paint(self, name: str) -> Style | None:
        if name in _OWN:
            return self.get_component_rich_style(f"file--{name}", partial=True)
        return self.style(name) if name else None


def _start(text: str, room: int) -> str:
    """Return enough of a line to fill more than `room` cells: measuring all of a long line is slow."""
    start = text[: 2 * room + 2]
    return start if cells(start) > room else text
