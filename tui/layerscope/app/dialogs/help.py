"""All keys, the marks of the tree, and what the filter understands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from layerscope.app.keys.bindings import back
from layerscope.app.keys.table import Key, Place
from layerscope.app.widgets.footer import key_text
from layerscope.app.widgets.lines import Lines
from layerscope.report.style import wrapped

LABEL = 18
MARKS = (
    ("+ ~ -", "added, changed, removed by the layers whose changes are shown"),
    ("!", "a file of which a layer carries bytes that no container sees"),
    ("~12", "after a directory: 12 changes below it"),
    ("size, bar", "of a directory all below it, each content once; the bar is its share of the directory around it"),
    ("◆", "the marked layer"),
)
FILTERS = (
    ("conf", "fuzzy: names with c, o, n, f in this order; with a / in it, paths"),
    ("'conf", "names that hold exactly this"),
    ("*.pyc  /usr/**", "a glob, of names or, with a /, of paths"),
    ("/\\.so$/", "a regular expression, searched in paths"),
    (">10M  <1k", "files by size; kB, MB, KiB, MiB"),
    ("is:added", "added, changed, wasted; dir, file, link, exec"),
    ("is:removed", "all that is not there any more, by whichever layer"),
    ("layer:3", "touched by layer 3; layer:3-5"),
    ("!is:wasted", "not; a space between two means and"),
)

Line = tuple[str, str, str]
"""What stands at the left and at the right of a line, and the colour of it."""


class HelpScreen(ModalScreen[None]):
    """A list to scroll through; any of the keys that opened it closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [back(), Binding("q,question_mark,f1", "app.back", "Close", show=False)]

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """The list in a frame."""
        yield HelpLines(self._keys, id="help")

    def on_mount(self) -> None:
        """Its title."""
        self.query_one(HelpLines).border_title = "Keys and marks"
        self.query_one(HelpLines).border_subtitle = "esc closes"


class HelpLines(Lines):
    """The lines of the help."""

    has_cursor = False

    def __init__(self, keys: Sequence[Key], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._keys = keys
        self._texts: list[Line] = []

    def fit(self) -> None:
        """Wrap to the width."""
        self._texts = list(_fitted(help_lines(self._keys), self.room))
        self.set_count(len(self._texts))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        """Keys in colour, then what they do."""
        left, right, colour = self._texts[line]
        return [Segment(f" {left:<{LABEL}} ", self.ink(colour)), Segment(right)]


def help_lines(keys: Sequence[Key]) -> Iterator[Line]:
    """Headings, keys by place, marks, filters. The place of the first key comes first."""
    for place in dict.fromkeys([*(key.place for key in keys[:1]), *Place]):
        yield place.value, "", "head"
        for key in keys:
            if key.place is place:
                yield "  ".join(key_text(each) for each in key.keys.split(",")), key.description, "key"
        yield "", "", "dim"
    for heading, rows in (("Marks", MARKS), ("Filter", FILTERS)):
        yield heading, "", "head"
        for left, right in rows:
            yield left, right, "key"
        yield "", "", "dim"


def _fitted(lines: Iterator[Line], room: int) -> Iterator[Line]:
    for left, right, colour in lines:
        for index, piece in enumerate(wrapped(right, max(room - LABEL - 3, 10))):
            yield left if index == 0 else "", piece, colour
