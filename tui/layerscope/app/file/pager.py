"""The pager of the file screen: the lines of a page, the search in them, and the status line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input
from textual.worker import get_current_worker

from layerscope.app.file.file_lines import FileLines
from layerscope.app.file.header import FileStatus
from layerscope.app.file.pages import Blame, Page, Sentences
from layerscope.app.widgets.input_line import InputLine
from layerscope.errors import Cancelled, IsCancelled, stop_if

MOST_MATCHES = 10_000
BATCH = 2_000
"""Lines to search between two checks for cancellation."""


@dataclass(frozen=True, slots=True)
class Match:
    """A match of the search: its line number, and its start and end in the line, in characters."""

    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Matches:
    """All matches, at most MOST_MATCHES; `at` is the index of the current one, -1 for none."""

    matches: list[Match] = field(default_factory=list)
    at: int = -1

    @property
    def here(self) -> Match | None:
        return self.matches[self.at] if 0 <= self.at < len(self.matches) else None

    @property
    def text(self) -> str:
        """Return the count as shown: `3 of 12`."""
        more = "+" if len(self.matches) >= MOST_MATCHES else ""
        count = f"{len(self.matches):,}{more}"
        return f"{self.at + 1:,} of {count}" if self.at >= 0 else count if self.matches else "not found"


def pattern_of(text: str) -> re.Pattern[str] | None:
    """Return a pattern for the literal text, ignoring case unless the text has an upper-case letter; None for no text."""
    return re.compile(re.escape(text), 0 if text.lower() != text else re.IGNORECASE) if text else None


def find_matches(texts: Sequence[str], pattern: re.Pattern[str], is_cancelled: IsCancelled) -> list[Match]:
    """Find all matches, in order. Raises Cancelled."""
    matches: list[Match] = []
    for line, text in enumerate(texts):
        if not line % BATCH:
            stop_if(is_cancelled)
        matches += (Match(line, *found.span()) for found in pattern.finditer(text))
        if len(matches) >= MOST_MATCHES:
            break
    return matches[:MOST_MATCHES]


def first_from(matches: list[Match], line: int) -> int:
    """Return the index of the first match at or below a line, else the first of all; -1 where there is none."""
    return next((index for index, match in enumerate(matches) if match.line >= line), 0 if matches else -1)


class SearchLine(InputLine):
    """Searches the lines of a page. It posts Searched with all matches of the text, and what every InputLine posts."""

    class Searched(Message):
        """The search is over: `found` has all matches."""

        def __init__(self, found: Matches) -> None:
            self.found = found
            super().__init__()

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__("search this page", id=id)
        self.found = Matches()

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """Return what to search for, None for nothing."""
        return pattern_of(self.text) if self.is_on else None

    def open(self) -> None:
        """Show the line with its text selected, so that what the user types replaces it."""
        super().open()
        self.query_one(Input).select_all()

    def close(self) -> None:
        """Cancel the search, hide the line and forget the matches."""
        self.workers.cancel_node(self)
        super().close()
        self.found = Matches()

    def show(self, found: Matches) -> None:
        """Show how many matches there are."""
        self.found = found
        text = found.text if self.pattern else ""
        self.show_text(text)

    def step(self, step: int, line: int) -> None:
        """Make the next or previous match the current one, wrapping around; the first from `line` on if there is none yet."""
        count = len(self.found.matches)
        at = (self.found.at + step) % count if self.found.at >= 0 else first_from(self.found.matches, line)
        self.show(Matches(self.found.matches, at))

    @work(thread=True, exclusive=True, group="search")
    def search_in(self, texts: Sequence[str], *, line: int, is_moving: bool) -> None:
        """Search in a thread, cancelling the search before. With `is_moving`, the first match from `line` on is current."""
        worker, pattern = get_current_worker(), self.pattern
        try:
            matches = find_matches(texts, pattern, lambda: worker.is_cancelled) if pattern else []
        except Cancelled:
            return
        if not worker.is_cancelled:
            at = first_from(matches, line) if is_moving else -1
            self.post_message(self.Searched(Matches(matches, at)))

    def action_to_files(self) -> None:
        """Go from the input to the matches. Unlike in a filter, the text may be spaces alone, which can be searched for."""
        self.post_message(self.Entered())

    def key_down(self) -> None:
        """Go from the input to the matches when Down is pressed."""
        self.post_message(self.Entered())


class Pager(Vertical):
    """Shows the lines of a Page, the line of the search while it is open, and the status."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._searched_from = 0

    def compose(self) -> ComposeResult:
        yield FileLines(id="file-lines")
        yield SearchLine(id="file-search")
        yield FileStatus(id="file-status")

    @property
    def lines(self) -> FileLines:
        """Return the lines of the page."""
        return self.query_one(FileLines)

    @property
    def bar(self) -> SearchLine:
        """Return the input line of the search."""
        return self.query_one(SearchLine)

    @property
    def status(self) -> FileStatus:
        return self.query_one(FileStatus)

    @property
    def has_matches(self) -> bool:
        """Tell whether the search found anything."""
        return bool(self.bar.found.matches)

    def show(self, page: Page, *, top: int = 0, index: int = 0) -> None:
        """Show another page: from line `top` on or, if it has a cursor, with the cursor on the item `index`."""
        self.lines.show(page, top=top, index=index)
        self.status.show(page.status, is_cut=page.is_cut)
        self._search(is_moving=False)

    @on(FileLines.Scrolled)
    def _show_place(self) -> None:
        lines, seen = self.lines, self.lines.seen
        is_numbered = bool(seen) and not isinstance(lines.page, Sentences | Blame)
        place = f"{seen.start + 1:,}-{seen.stop:,} of {lines.count:,}" if is_numbered else ""
        self.status.show_place(f"column {lines.across + 1:,}  {place}".rstrip() if lines.across else place)

    def on_resize(self) -> None:
        """Search again: lines may wrap elsewhere now."""
        self.call_after_refresh(self._search, is_moving=False)

    # The search.

    def open_search(self) -> None:
        """Open the input line."""
        self._searched_from = self.lines.top
        self.bar.open()
        self.refresh_bindings()

    def close_search(self) -> None:
        """Close the input line and remove the marks."""
        self.bar.close()
        self.lines.mark(None, None)
        self._leave_search()

    def step(self, step: int) -> None:
        """Go to the next or previous match."""
        self.bar.step(step, self.lines.top)
        self._show_match()

    def _leave_search(self) -> None:
        self.screen.set_focus(self.lines)
        self.refresh_bindings()

    def _search(self, *, is_moving: bool) -> None:
        if self.bar.is_on:
            self.lines.mark(self.bar.pattern, None)
            self.bar.search_in(self.lines.page.texts, line=self._searched_from, is_moving=is_moving)

    def _show_match(self) -> None:
        here = self.bar.found.here
        self.lines.mark(self.bar.pattern, here)
        if here is not None and here.line < self.lines.count:
            self.lines.reveal(here)

    @on(InputLine.Typed)
    def _typed(self) -> None:
        self._search(is_moving=True)

    @on(InputLine.Entered)
    def _entered(self) -> None:
        if self.bar.pattern is None:
            self.close_search()
        else:
            self._leave_search()

    @on(SearchLine.Searched)
    def _searched(self, message: SearchLine.Searched) -> None:
        if self.bar.is_on:
            self.bar.show(message.found)
            self._show_match()
            self.refresh_bindings()
