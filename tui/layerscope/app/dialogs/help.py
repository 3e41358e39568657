"""The help: all keys, the marks of the tree, and the terms of the filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from layerscope.app.keys.bindings import back
from layerscope.app.keys.table import KeyAction, KeyContext
from layerscope.app.widgets.footer import key_text
from layerscope.app.widgets.lines import Lines
from layerscope.wording.style import wrapped

LABEL = 18
MARKS = (
    ("+ ~ -", "added, modified, removed by the layers whose changes are shown"),
    ("!", "wasted: a layer carries bytes of this file that no container sees"),
    ("~12", "after a directory: 12 changes below it"),
    ("size, bar", "everything below a directory, each content once; the bar is the share of the parent directory"),
    ("◆", "the marked layer"),
)
FILTERS = (
    ("conf", "fuzzy: names with c, o, n, f in this order; with a /, paths"),
    ("'conf", "names that contain exactly this"),
    ("*.pyc  /usr/**", "a glob for names or, with a /, for paths"),
    ("/\\.so$/", "a regular expression for paths"),
    (">10M  <1k", "files by size; kB, MB, KiB, MiB"),
    ("is:added", "added, modified, wasted; dir, file, link, exec"),
    ("is:removed", "no longer there, whichever layer removed it"),
    ("layer:3", "touched by layer 3; layer:3-5 for a range"),
    ("!is:wasted", "`!` means not; a space between two means and"),
)

HelpLine = tuple[str, str, str]
"""The left and right text of a line, and its color."""


class HelpScreen(ModalScreen[None]):
    """A list to scroll through. The keys that open it also close it."""

    BINDINGS: ClassVar[list[BindingType]] = [back(), Binding("q,question_mark,f1", "app.back", "Close", show=False)]

    def __init__(self, keys: Sequence[KeyAction]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        yield HelpLines(self._keys, id="help")

    def on_mount(self) -> None:
        self.query_one(HelpLines).border_title = "Keys and marks"
        self.query_one(HelpLines).border_subtitle = "esc closes"


class HelpLines(Lines):
    """Draws the help, wrapped to the width."""

    def __init__(self, keys: Sequence[KeyAction], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._keys = keys
        self._texts: list[HelpLine] = []

    def fit(self) -> None:
        self._texts = list(_fitted(help_lines(self._keys), self.room))
        self.set_count(len(self._texts))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        left, right, color = self._texts[line]
        return [Segment(f" {left:<{LABEL}} ", self.style(color)), Segment(right)]


def help_lines(keys: Sequence[KeyAction]) -> Iterator[HelpLine]:
    """Yield the keys by context, that of the first key first, then marks and filter terms."""
    for place in dict.fromkeys([*(key.context for key in keys[:1]), *KeyContext]):
        yield place.value, "", "head"
        for key in keys:
            if key.context is place:
                yield "  ".join(key_text(each) for each in key.keys.split(",")), key.description, "key"
        yield "", "", "dim"
    for heading, rows in (("Marks", MARKS), ("Filter", FILTERS)):
        yield heading, "", "head"
        for left, right in rows:
            yield left, right, "key"
        yield "", "", "dim"


def _fitted(lines: Iterator[HelpLine], room: int) -> Iterator[HelpLine]:
    for left, right, color in lines:
        for index, piece in enumerate(wrapped(right, max(room - LABEL - 3, 10))):
            yield left if index == 0 else "", piece, color
