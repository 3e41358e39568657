"""The line of the search in what is shown, and the search itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from layerscope.viewing.cancelling import Cancelled, IsCancelled, stop_if

MOST_MATCHES = 10_000
BATCH = 2_000
"""Lines between two looks at whether the search is still wanted."""


@dataclass(frozen=True, slots=True)
class Match:
    """A place in a line, in characters."""

    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """All matches, at most MOST_MATCHES; `at` is the index of the one that was gone to last, -1 for none."""

    matches: list[Match] = field(default_factory=list)
    at: int = -1

    @property
    def here(self) -> Match | None:
        """The match that was gone to."""
        return self.matches[self.at] if 0 <= self.at < len(self.matches) else None

    @property
    def text(self) -> str:
        """`3 of 12`."""
        more = "+" if len(self.matches) >= MOST_MATCHES else ""
        count = f"{len(self.matches):,}{more}"
        return f"{self.at + 1:,} of {count}" if self.at >= 0 else count if self.matches else "not found"


def pattern_of(text: str) -> re.Pattern[str] | None:
    """What is searched for, letter by letter; upper and lower case are one unless there is an upper-case letter."""
    return re.compile(re.escape(text), 0 if text.lower() != text else re.IGNORECASE) if text else None


def find_matches(texts: Sequence[str], pattern: re.Pattern[str], is_cancelled: IsCancelled) -> list[Match]:
    """From the first line to the last. Raises Cancelled."""
    matches: list[Match] = []
    for line, text in enumerate(texts):
        if not line % BATCH:
            stop_if(is_cancelled)
        matches += (Match(line, *found.span()) for found in pattern.finditer(text))
        if len(matches) >= MOST_MATCHES:
            break
    return matches[:MOST_MATCHES]


def first_from(matches: list[Match], line: int) -> int:
    """The index of the first match in or below a line, else of the first of all; -1 where there is none."""
    return next((index for index, match in enumerate(matches) if match.line >= line), 0 if matches else -1)


class SearchLine(Horizontal):
    """An input and how much was found. It posts Typed at each key, Searched with what was found, and Entered when the user
    goes to it.
    """

    class Typed(Message):
        """Other text is searched for."""

    class Entered(Message):
        """The text is as it is meant."""

    class Searched(Message):
        """`found` is all there is of the text."""

        def __init__(self, found: Found) -> None:
            self.found = found
            super().__init__()

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.found = Found()

    def compose(self) -> ComposeResult:
        """A sign, the input, the count."""
        yield Static("/", id="file-search-sign")
        yield Input(placeholder="search in what is shown", compact=True, id="file-search-text")
        yield Static("", id="file-search-count")

    @property
    def is_on(self) -> bool:
        """Whether it is shown."""
        return self.has_class("-on")

    @property
    def is_typing(self) -> bool:
        """Whether keys go into the input."""
        return self.is_on and self.query_one(Input).has_focus

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What is searched for."""
        return pattern_of(self.query_one(Input).value) if self.is_on else None

    def open(self) -> None:
        """Let the user type. The focus moves at once, so that keys that are waiting already arrive here."""
        self.add_class("-on")
        self.display = True
        box = self.query_one(Input)
        box.select_all()
        self.screen.set_focus(box)

    def close(self) -> None:
        """Away with it."""
        box = self.query_one(Input)
        with box.prevent(Input.Changed):
            box.value = ""
        self.workers.cancel_node(self)
        self.remove_class("-on")
        self.display = False
        self.show(Found())

    def show(self, found: Found) -> None:
        """Show how much was found."""
        self.found = found
        text = found.text if self.pattern else ""
        self.query_one("#file-search-count", Static).update(Content(text), layout=True)

    def step(self, step: int, line: int) -> None:
        """Go to the next match or the one before, round the ends; to the first from `line` on if one was at none yet."""
        count = len(self.found.matches)
        at = (self.found.at + step) % count if self.found.at >= 0 else first_from(self.found.matches, line)
        self.show(Found(self.found.matches, at))

    @work(thread=True, exclusive=True, group="search")
    def search_in(self, texts: Sequence[str], *, line: int, is_moving: bool) -> None:
        """Search in a thread; `exclusive` ends the one before. The match to go to is the first from `line` on."""
        worker, pattern = get_current_worker(), self.pattern
        try:
            matches = find_matches(texts, pattern, lambda: worker.is_cancelled) if pattern else []
        except Cancelled:
            return
        if not worker.is_cancelled:
            at = first_from(matches, line) if is_moving else -1
            self.post_message(self.Searched(Found(matches, at)))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed())

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered())

    def key_down(self) -> None:
        """From the input to what it found."""
        self.post_message(self.Entered())
