"""Reading for a page of a file that is read on demand: what is in sight, on to a line or the end, and the search."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable

from textual import work
from textual.containers import Vertical
from textual.message import Message
from textual.worker import get_current_worker

from layerscope.app.file.paged_page import AROUND
from layerscope.errors import Cancelled, FileChanged, IsCancelled, LayerscopeError
from layerscope.units import size_text
from layerscope.viewing.paged import PagedFile, Told
from layerscope.viewing.paged_search import PagedSearch

PACE = 0.1
"""Seconds between two messages on how far it is."""
Journey = Callable[[IsCancelled, Told], int | None]
"""Goes through a file, telling how many bytes it has gone through, and returns the row where it ends."""


class PagedReader(Vertical):
    """Reads in threads: one for what is in sight, one for what goes through the file, which can be stopped."""

    class Loaded(Message):
        """Rows of `file` were read; `error` is a sentence if that failed."""

        def __init__(self, file: PagedFile, error: str) -> None:
            self.file, self.error = file, error
            super().__init__()

    class WentOn(Message):
        """The journey number `journey` has gone through `done` bytes of `file`."""

        def __init__(self, file: PagedFile, journey: int, done: int) -> None:
            self.file, self.journey, self.done = file, journey, done
            super().__init__()

        @property
        def text(self) -> str:
            """Return how far it is: `1.20 GB of 4.00 GB`."""
            return f"{size_text(self.done)} of {size_text(self.file.size)}"

    class Arrived(WentOn):
        """The journey is over: at `row`, else nowhere in all of the file, unless it `was_stopped`; `error` is a sentence."""

        row: int | None = None
        was_stopped: bool = False
        error: str = ""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._is_loading = self.is_going_through = self.is_searching = False
        self._journey = 0

    def load(self, file: PagedFile, seen: range) -> None:
        """Read what is in sight and around it, unless rows are being read."""
        if not self._is_loading:
            self._is_loading = True
            self._load(file, seen)

    def has_loaded(self) -> None:
        """Let the next rows be read."""
        self._is_loading = False

    def is_current(self, message: WentOn) -> bool:
        """Tell whether a message is of the journey that was begun last."""
        return message.journey == self._journey

    def stop(self) -> None:
        """Stop going through the file; Arrived says how far it was."""
        self.workers.cancel_group(self, "through")
        self.is_going_through = False

    def go_to_line(self, file: PagedFile, line: int) -> None:
        """Read on to a line, counted from 1; to the end for 0."""

        def journey(is_cancelled: IsCancelled, told: Told) -> int:
            while not file.is_complete and not 0 < line <= file.lines:
                file.read_on(file.count + line - file.lines - 1 if line else sys.maxsize, is_cancelled, told)
            return file.row_of_line(line, is_cancelled) if line else file.count - 1

        self._begin(file, journey, is_search=False)

    def search(self, file: PagedFile, text: str, pattern: re.Pattern[str], row: int, *, is_forward: bool) -> None:
        """Search from a row on, or backward from the one before it."""

        def journey(is_cancelled: IsCancelled, told: Told) -> int | None:
            search = PagedSearch(file, text, pattern, is_cancelled, told)
            return search.forward(row) if is_forward else search.backward(row)

        self._begin(file, journey, is_search=True)

    def _begin(self, file: PagedFile, journey: Journey, *, is_search: bool) -> None:
        self._journey += 1
        self.is_going_through, self.is_searching = True, is_search
        self._go_through(file, journey, self._journey)

    @work(thread=True, group="load")
    def _load(self, file: PagedFile, seen: range) -> None:
        worker, error = get_current_worker(), ""
        try:
            file.read_on(seen.stop + 2 * AROUND, lambda: worker.is_cancelled)
            file.load(range(max(seen.start - AROUND, 0), seen.stop + AROUND), lambda: worker.is_cancelled)
        except Cancelled:
            return
        except LayerscopeError as failed:
            error = _sentence(failed)
        self.post_message(self.Loaded(file, error))

    @work(thread=True, exclusive=True, group="through")
    def _go_through(self, file: PagedFile, journey: Journey, number: int) -> None:
        worker, arrived = get_current_worker(), self.Arrived(file, number, 0)
        told_at = time.monotonic()

        def told(done: int) -> None:
            nonlocal told_at
            arrived.done = done
            if time.monotonic() - told_at >= PACE:
                told_at = time.monotonic()
                self.post_message(self.WentOn(file, number, done))

        try:
            arrived.row = journey(lambda: worker.is_cancelled, told)
            if arrived.row is not None:
                file.load(range(arrived.row, arrived.row + 1), lambda: worker.is_cancelled)
        except Cancelled:
            arrived.was_stopped = True
        except LayerscopeError as failed:
            arrived.error = _sentence(failed)
        self.post_message(arrived)


def _sentence(error: LayerscopeError) -> str:
    return f"{error.what_happened}; r reads it again" if isinstance(error, FileChanged) else str(error)
