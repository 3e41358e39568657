"""The search in a page, and the input line for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from textual import work
from textual.message import Message
from textual.widgets import Input
from textual.worker import get_current_worker

from layerscope.app.widgets.input_line import InputLine
from layerscope.errors import Cancelled, IsCancelled, stop_if

MOST_MATCHES = 10_000
BATCH = 2_000
"""Lines to search between two checks for cancellation."""


@dataclass(frozen=True, slots=True)
class Match:
    """A place in a line, in characters."""

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
        """Return the current match."""
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
        """The search is over."""

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
        """Let the user type a text in place of the one before."""
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
        """Go to what was found. A text of spaces alone can be searched for, too."""
        self.post_message(self.Entered())

    def key_down(self) -> None:
        """Go from the input to what it found."""
        self.post_message(self.Entered())
