"""What the view of a file can show, line by line: sentences, text, hex, an archive's members, a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from layerscope.app.widgets.highlight import Span
from layerscope.report.style import wrapped
from layerscope.viewing.hexdump import HexLines
from layerscope.viewing.unified import DiffLine

Piece = tuple[str, str]
"""Text, and the name of its colour (empty for none)."""

HEX_ROOM = 78
"""Cells of a line of hex with 16 bytes."""
NUMBERS_ROOM = 60
"""Cells from which a difference has line numbers."""


@dataclass(frozen=True, eq=False)
class Page:
    """`texts` are the lines, escaped; `status` is said of them as a whole; `is_cut`: that is not all there is."""

    texts: Sequence[str] = field(default=(), repr=False)
    status: str = ""
    is_cut: bool = False
    has_cursor: ClassVar[bool] = False
    step: ClassVar[int] = 1
    """Lines of one thing that the cursor can be on."""

    def at(self, room: int) -> Page:  # noqa: ARG002
        """The page for lines of `room` cells."""
        return self

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        """What stands before a line and is not scrolled sideways."""
        return []

    def colour(self, line: int) -> str:  # noqa: ARG002
        """The colour of a line."""
        return ""

    def spans(self, line: int) -> Sequence[Span]:  # noqa: ARG002
        """Stretches of a line in colours of their own."""
        return ()


@dataclass(frozen=True, eq=False)
class Sentences(Page):
    """Sentences instead of content, wrapped."""

    sentences: tuple[str, ...] = ()
    ink: str = ""

    def at(self, room: int) -> Page:
        """Wrap."""
        lines = [line for each in self.sentences for line in wrapped(each, max(room - 2, 8))]
        return replace(self, texts=lines)

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        """Some air."""
        return [(" ", "")]

    def colour(self, line: int) -> str:  # noqa: ARG002
        """One for all."""
        return self.ink


@dataclass(frozen=True, eq=False)
class Text(Page):
    """Numbered lines in a language; `coloured` has the spans of each, or is empty."""

    language: str = ""
    coloured: Sequence[tuple[Span, ...]] = field(default=(), repr=False)

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        """The number."""
        return [(f"{line + 1:>{_digits(len(self.texts))}} ", "comment")]

    def spans(self, line: int) -> Sequence[Span]:
        """Comments, strings, keywords."""
        return self.coloured[line] if line < len(self.coloured) else ()


@dataclass(frozen=True, eq=False)
class Hex(Page):
    """A hex dump, of 8 bytes a line where there is no room for 16."""

    content: bytes = field(default=b"", repr=False)

    def at(self, room: int) -> Page:
        """Choose the width."""
        return replace(self, texts=HexLines(self.content, 16 if room >= HEX_ROOM else 8))

    def spans(self, line: int) -> Sequence[Span]:  # noqa: ARG002
        """The offset is dimmed."""
        return ((0, 8, "comment"),)


@dataclass(frozen=True, eq=False)
class Difference(Page):
    """The lines of a difference, each with `+`, `-` or nothing before it."""

    lines: Sequence[DiffLine] = field(default=(), repr=False)
    source: Sequence[DiffLine] = field(default=(), repr=False)
    """`lines` before notes were wrapped."""
    digits: int = 3

    @classmethod
    def of(cls, lines: Sequence[DiffLine], status: str) -> Difference:
        """A page of them."""
        last = max((number for line in lines for number in (line.old_number, line.new_number) if number), default=1)
        return cls([line.text for line in lines], status, lines=lines, source=lines, digits=_digits(last))

    def at(self, room: int) -> Page:
        """Wrap the notes."""
        lines = [part for line in self.source for part in (_wrapped(line, room) if line.kind == "note" else [line])]
        return replace(self, texts=[line.text for line in lines], lines=lines)

    def gutter(self, line: int, room: int) -> list[Piece]:
        """The numbers on both sides, where there is room for them, and the mark."""
        shown = self.lines[line]
        if shown.kind in ("note", "header"):
            return [(" ", "")]
        mark = {"added": "+", "removed": "-"}.get(shown.kind, " ")
        signs: list[Piece] = [(f"{mark} ", shown.kind if mark != " " else "")]
        if room < NUMBERS_ROOM:
            return signs
        numbers = f"{shown.old_number or '':>{self.digits}} {shown.new_number or '':>{self.digits}} "
        return [(numbers, "comment"), *signs]

    def colour(self, line: int) -> str:
        """Added and removed lines, notes and heads."""
        return {"added": "added", "removed": "removed", "header": "head", "note": "modified"}.get(self.lines[line].kind, "")


def _wrapped(line: DiffLine, room: int) -> list[DiffLine]:
    return [replace(line, text=text) for text in wrapped(line.text, max(room - 2, 8))]


def _digits(number: int) -> int:
    return max(len(str(number)), 3)
