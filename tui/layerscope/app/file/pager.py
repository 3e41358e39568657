"""The pager of the file screen: the lines of a page, the search in them, and the status line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from textual import on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Input
from textual.worker import get_current_worker

from layerscope.app.file.file_lines import FileLines
from layerscope.app.file.header import FileStatus
from layerscope.app.file.paged_page import PagedPage
from layerscope.app.file.paged_reader import PagedReader
from layerscope.app.file.pages import Blame, Page, Sentences
from layerscope.app.widgets.input_line import InputLine
from layerscope.errors import Cancelled, IsCancelled, stop_if
from layerscope.viewing.paged import PagedFile

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
    """All matches, at most MOST_MATCHES; `at` is the index of the current one, -1 for none.

    `note` is shown in place of a count.
    """

    matches: list[Match] = field(default_factory=list)
    at: int = -1
    note: str = ""

    @property
    def here(self) -> Match | None:
        return self.matches[self.at] if 0 <= self.at < len(self.matches) else None

    @property
    def text(self) -> str:
        """Return the count as shown: `3 of 12`."""
        if self.note:
            return self.note
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
        super().__init__("search this file", id=id)
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
        self.show(Matches(self.found.matches, at, "" if self.found.matches else self.found.note))

    @work(thread=True, exclusive=True, group="search")
    def search_in(self, page: Page, *, line: int, is_moving: bool) -> None:
        """Search in a thread, cancelling the search before. With `is_moving`, the first match from `line` on is current."""
        worker, pattern = get_current_worker(), self.pattern
        try:
            matches = find_matches(page.texts, pattern, lambda: worker.is_cancelled) if pattern else []
        except Cancelled:
            return
        if not worker.is_cancelled:
            at = first_from(matches, line) if is_moving else -1
            note = "not found in what is shown" if page.is_cut and not matches else ""
            self.post_message(self.Searched(Matches(matches, at, note)))

    def action_to_files(self) -> None:
        """Go from the input to the matches. Unlike in a filter, the text may be spaces alone, which can be searched for."""
        self.post_message(self.Entered())

    def key_down(self) -> None:
        """Go from the input to the matches when Down is pressed."""
        self.post_message(self.Entered())


class Pager(PagedReader):
    """Shows the lines of a Page, the line of the search while it is open, and the status."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._searched_from = 0
        self._row, self._is_forward = 0, True

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
        """Tell whether the search found anything, or can be asked for more."""
        return bool(self.bar.found.matches) or (self.file is not None and self.bar.pattern is not None)

    @property
    def file(self) -> PagedFile | None:
        """Return the file that is read on demand, None where the page has all there is to show."""
        page = self.lines.page
        return page.file if isinstance(page, PagedPage) else None

    def show(self, page: Page, *, top: int = 0, index: int = 0) -> None:
        """Show another page: from line `top` on or, if it has a cursor, with the cursor on the item `index`."""
        self.stop()
        self.lines.show(page, top=top, index=index)
        self.status.show(page.status, is_cut=page.is_cut)
        self._search(is_moving=False)

    @on(FileLines.Scrolled)
    def _show_place(self) -> None:
        lines, seen = self.lines, self.lines.seen
        if isinstance(lines.page, PagedPage) and seen:
            self._show_status(lines.page.place(seen))
            if lines.page.is_missing(seen):
                self.load(lines.page.file, seen)
            return
        is_numbered = bool(seen) and not isinstance(lines.page, Sentences | Blame)
        place = f"{seen.start + 1:,}-{seen.stop:,} of {lines.count:,}" if is_numbered else ""
        self._show_status(place)

    def _show_status(self, place: str) -> None:
        across = self.lines.across
        self.status.show_place(f"column {across + 1:,}  {place}".rstrip() if across else place)

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
        self.stop()
        self.bar.close()
        self.lines.mark(None, None)
        self._leave_search()

    def step(self, step: int) -> None:
        """Go to the next or previous match."""
        if self.file is None:
            self.bar.step(step, self.lines.top)
            self._show_match()
        elif self.bar.pattern is not None:
            self._step_through(self.file, self.bar.pattern, step)

    def _leave_search(self) -> None:
        self.screen.set_focus(self.lines)
        self.refresh_bindings()

    def _search(self, *, is_moving: bool) -> None:
        if self.bar.is_on:
            self.lines.mark(self.bar.pattern, None)
            if self.file is None:
                self.bar.search_in(self.lines.page, line=self._searched_from, is_moving=is_moving)
            elif is_moving:
                self._search_file(self.file, self._searched_from)

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

    # A file that is read on demand.

    def _search_file(self, file: PagedFile, row: int, *, is_forward: bool = True) -> None:
        self.bar.show(Matches())
        self.bar.show_text("")
        self._row, self._is_forward = row, is_forward
        if self.bar.pattern is None:
            self.stop()
        else:
            self.search(file, self.bar.text, self.bar.pattern, row, is_forward=is_forward)

    def _step_through(self, file: PagedFile, pattern: re.Pattern[str], step: int) -> None:
        """Go to a match of the same row, else search on in the file."""
        here = self.bar.found.here or Match(self.lines.top, -1, -1)
        held = file.rows(here.line)
        found = list(pattern.finditer(held[0].texts[held[1]])) if held else []
        starts = [match for match in found if (match.start() > here.start if step > 0 else match.start() < here.start)]
        if starts:
            self._arrive(Match(here.line, *starts[0 if step > 0 else -1].span()))
        else:
            self._search_file(file, here.line + (step > 0), is_forward=step > 0)

    def _arrive(self, match: Match) -> None:
        page = self.lines.page
        assert isinstance(page, PagedPage)
        is_around = match.line < self._row if self._is_forward else match.line >= self._row
        wrapped = ("; went on from the " + ("beginning" if self._is_forward else "end")) if is_around else ""
        self.bar.show(Matches([match], 0, page.line_text(match.line) + wrapped))
        self._show_match()

    @on(FileLines.EndWanted)
    def _go_to_end(self, message: FileLines.EndWanted) -> None:
        if self.file is not None:
            self.go_to_line(self.file, message.line)

    @on(PagedReader.Loaded)
    def _loaded(self, message: PagedReader.Loaded) -> None:
        self.has_loaded()
        if message.file is self.file:
            self.lines.grow()
            if message.error:
                self.status.show(message.error, is_cut=True)
                return
        self._show_place()

    @on(PagedReader.WentOn)
    def _went_on(self, message: PagedReader.WentOn) -> None:
        if self.is_current(message) and self.is_going_through and message.file is self.file:
            if self.is_searching:
                self.bar.show_text(f"searched {message.text}, Esc stops")
            else:
                self.status.show_place(f"read {message.text}, Esc stops")

    @on(PagedReader.Arrived)
    def _arrived(self, message: PagedReader.Arrived) -> None:
        message.stop()
        if not self.is_current(message) or message.file is not self.file:
            return
        self.is_going_through = False
        self.lines.grow()
        sentence = message.error or (f"stopped: {'searched' if self.is_searching else 'read'} {message.text}")
        if not self.is_searching:
            if message.row is None:
                self.status.show(f"{sentence} · {self.lines.page.status}", is_cut=False)
            else:
                self.lines.scroll_to_line(message.row)
                self._show_place()
        elif message.row is not None:
            self._found_row(message.file, message.row)
        elif self.bar.is_on:
            self.bar.show(Matches(note=sentence if message.was_stopped or message.error else "not found"))
        self.refresh_bindings()

    def _found_row(self, file: PagedFile, row: int) -> None:
        held, pattern = file.rows(row), self.bar.pattern
        found = list(pattern.finditer(held[0].texts[held[1]])) if held and pattern else []
        self._arrive(Match(row, *found[0 if self._is_forward else -1].span()) if found else Match(row, 0, 0))
