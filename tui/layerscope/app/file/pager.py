"""A page with its status line, and the search in it."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from layerscope.app.file.blame import Blame
from layerscope.app.file.file_lines import FileLines
from layerscope.app.file.header import FileStatus
from layerscope.app.file.pages import Page, Sentences
from layerscope.app.file.search import SearchLine
from layerscope.app.widgets.input_line import InputLine


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
        """Return the status line."""
        return self.query_one(FileStatus)

    @property
    def has_matches(self) -> bool:
        """Tell whether the search found anything."""
        return bool(self.bar.found.matches)

    def show(self, page: Page, *, top: int = 0, index: int = 0) -> None:
        """Show another page from line `top` on, or with the cursor on the item `index`."""
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
