"""Pages that the file screen shows line by line: sentences, text, hex, an archive's members, a diff, a path's versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from layerscope.app.file.highlight import ColorSpan
from layerscope.app.file.path_history import VersionFacts
from layerscope.viewing.shown import HexLines
from layerscope.viewing.unified import DiffLine
from layerscope.wording.findings import WASTED_MARK
from layerscope.wording.style import cells, wrapped

Piece = tuple[str, str]
"""Text, and the name of its color (empty for none)."""
HEX_ROOM = 78
"""Cells of a line of hex with 16 bytes."""
NUMBERS_ROOM = 60
"""The width, in cells, from which a diff has line numbers."""
MARKS = 3
"""Cells of the marks before a version."""


@dataclass(frozen=True, eq=False)
class Page:
    """Plain lines, escaped. `status` describes them as a whole; `is_cut` says that there is more than is shown."""

    texts: Sequence[str] = field(default=(), repr=False)
    status: str = ""
    is_cut: bool = False
    has_cursor: ClassVar[bool] = False
    step: ClassVar[int] = 1
    """How many lines an item takes that the cursor can be on."""

    def at(self, room: int) -> Page:  # noqa: ARG002
        """Return the page wrapped to lines of `room` cells."""
        return self

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        """Return what stands before a line and does not scroll sideways."""
        return []

    def color(self, line: int) -> str:  # noqa: ARG002
        """Return the color of a line, empty for the default."""
        return ""

    def spans(self, line: int) -> Sequence[ColorSpan]:  # noqa: ARG002
        """Return the highlighted spans of a line."""
        return ()


@dataclass(frozen=True, eq=False)
class Sentences(Page):
    """Sentences in place of content, wrapped."""

    sentences: tuple[str, ...] = ()
    style: str = ""

    def at(self, room: int) -> Page:
        lines = [line for each in self.sentences for line in wrapped(each, max(room - 2, 8))]
        return replace(self, texts=lines)

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        return [(" ", "")]

    def color(self, line: int) -> str:  # noqa: ARG002
        return self.style


@dataclass(frozen=True, eq=False)
class SourceText(Page):
    """Numbered lines in a language. `colored` has the highlighted spans of each line, or is empty."""

    language: str = ""
    colored: Sequence[tuple[ColorSpan, ...]] = field(default=(), repr=False)

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        return [(f"{line + 1:>{_digits(len(self.texts))}} ", "comment")]

    def spans(self, line: int) -> Sequence[ColorSpan]:
        return self.colored[line] if line < len(self.colored) else ()


@dataclass(frozen=True, eq=False)
class Hex(Page):
    """A hex dump of 16 bytes a line, 8 where it is narrow."""

    content: bytes = field(default=b"", repr=False)

    def at(self, room: int) -> Page:
        return replace(self, texts=HexLines(self.content, 16 if room >= HEX_ROOM else 8))

    def spans(self, line: int) -> Sequence[ColorSpan]:  # noqa: ARG002
        return ((0, 8, "comment"),)


@dataclass(frozen=True, eq=False)
class Difference(Page):
    """The lines of a diff, each with `+`, `-` or nothing before it."""

    lines: Sequence[DiffLine] = field(default=(), repr=False)
    source: Sequence[DiffLine] = field(default=(), repr=False)
    """`lines` before notes were wrapped."""
    digits: int = 3

    @classmethod
    def of(cls, lines: Sequence[DiffLine], status: str) -> Difference:
        """Make a page of the lines of a diff."""
        last = max((number for line in lines for number in (line.old_number, line.new_number) if number), default=1)
        return cls([line.text for line in lines], status, lines=lines, source=lines, digits=_digits(last))

    def at(self, room: int) -> Page:
        lines = [part for line in self.source for part in (_wrapped(line, room) if line.kind == "note" else [line])]
        return replace(self, texts=[line.text for line in lines], lines=lines)

    def gutter(self, line: int, room: int) -> list[Piece]:
        """Return the mark, with the line numbers of both sides where there is room."""
        shown = self.lines[line]
        if shown.kind in ("note", "header"):
            return [(" ", "")]
        mark = {"added": "+", "removed": "-"}.get(shown.kind, " ")
        signs: list[Piece] = [(f"{mark} ", shown.kind if mark != " " else "")]
        if room < NUMBERS_ROOM:
            return signs
        numbers = f"{shown.old_number or '':>{self.digits}} {shown.new_number or '':>{self.digits}} "
        return [(numbers, "comment"), *signs]

    def color(self, line: int) -> str:
        return {"added": "added", "removed": "removed", "header": "head", "note": "modified"}.get(self.lines[line].kind, "")


@dataclass(frozen=True, eq=False)
class Blame(Page):
    """Draws two lines for each version: its change and attributes, and the instruction of its layer."""

    facts: Sequence[VersionFacts] = ()
    has_cursor: ClassVar[bool] = True
    step: ClassVar[int] = 2

    def at(self, room: int) -> Page:
        """Choose the columns that fit: first, what ended a version moves to its second line; then dates go, then owners."""
        for columns in _COLUMNS:
            owner = max((cells(each.owner) for each in self.facts), default=0) + 1 if columns.has_owner else 0
            heads = [_version_line(each, columns, owner) for each in self.facts]
            if max(map(cells, heads), default=0) <= room - MARKS:
                break
        texts = []
        for facts, head in zip(self.facts, heads, strict=True):
            ending = f"{_ending(facts)} · " if facts.buried_by and not columns.has_ending else ""
            texts += [head, f"      {ending}{facts.instruction or '(the history does not say what made it)'}"]
        return replace(self, texts=texts)

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        """Draw the mark of the change, and `!` for wasted content."""
        facts = self.facts[line // 2]
        return (
            [("   ", "")] if line % 2 else [(f" {facts.mark}", facts.word), (WASTED_MARK if facts.is_wasted else " ", "wasted")]
        )

    def color(self, line: int) -> str:
        return "dim" if line % 2 else self.facts[line // 2].word


def _wrapped(line: DiffLine, room: int) -> list[DiffLine]:
    return [replace(line, text=text) for text in wrapped(line.text, max(room - 2, 8))]


def _digits(number: int) -> int:
    return max(len(str(number)), 3)


@dataclass(frozen=True, slots=True)
class _VersionColumns:
    """Which optional columns the first line of a version has."""

    has_ending: bool = False
    has_date: bool = False
    has_owner: bool = False


_COLUMNS = (
    _VersionColumns(has_ending=True, has_date=True, has_owner=True),
    _VersionColumns(has_date=True, has_owner=True),
    _VersionColumns(has_owner=True),
    _VersionColumns(),
)


def _version_line(facts: VersionFacts, columns: _VersionColumns, owner: int) -> str:
    text = f" layer {facts.layer:<3} {facts.word:<8}"
    if facts.mode:
        shown = (facts.owner or "-") if owner else ""
        text += f" {facts.mode} {shown:<{owner}}{facts.size:>8}" + (f"  {facts.date}" if columns.has_date else "")
    text += f"  -> {facts.link}" if facts.link else ""
    return text + (f"  ({_ending(facts)})" if columns.has_ending and facts.buried_by else "")


def _ending(facts: VersionFacts) -> str:
    until = f"until layer {facts.buried_by}"
    if facts.buried_by == facts.layer:
        until = "shadowed: the same layer holds the path again"
    return f"{until}{', wasted' if facts.is_wasted else ''}"
