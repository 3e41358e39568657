"""The page of a file that is read on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, overload

from layerscope.app.file.pages import HEX_ROOM, Page, Piece
from layerscope.viewing.paged import PagedFile, PagedHex

if TYPE_CHECKING:
    from layerscope.app.file.highlight import ColorSpan

AROUND = 500
"""Rows before and after those in sight that are read, too."""
NUMBER_ROOM = 7
GOES_ON = ">"
WAITING = "…"


@dataclass(frozen=True, slots=True, eq=False)
class PagedTexts(Sequence[str]):
    """The rows of a file that are known so far; those that have to be loaded are `…`."""

    file: PagedFile

    def __len__(self) -> int:
        return self.file.count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        held = self.file.rows(index)
        return held[0].texts[held[1]] if held else WAITING


@dataclass(frozen=True, eq=False)
class PagedPage(Page):
    """A file that is read on demand. A line longer than a row goes on in the next ones, which have `>` for its number."""

    file: PagedFile = field(kw_only=True)

    @classmethod
    def of(cls, file: PagedFile, status: str) -> PagedPage:
        """Make a page of a file."""
        return cls(PagedTexts(file), status, file=file)

    def at(self, room: int) -> Page:
        if not isinstance(self.file, PagedHex):
            return self
        file = self.file.of_width(16 if room >= HEX_ROOM else 8)
        return self if file is self.file else replace(self, texts=PagedTexts(file), file=file)

    def gutter(self, line: int, room: int) -> list[Piece]:  # noqa: ARG002
        if not self.file.is_text:
            return []
        held = self.file.rows(line)
        number = "" if held is None else f"{held[0].lines[held[1]]}" if held[0].is_first[held[1]] else GOES_ON
        return [(f"{number:>{max(len(str(self.file.count)), NUMBER_ROOM)}} ", "comment")]

    def spans(self, line: int) -> Sequence[ColorSpan]:  # noqa: ARG002
        return () if self.file.is_text else ((0, 8, "comment"),)

    def place(self, seen: range) -> str:
        """Say which lines are in sight, of how many; `+` where the end was not read yet."""
        first, last = self.file.rows(seen[0]), self.file.rows(seen[-1])
        lines = (first[0].lines[first[1]], last[0].lines[last[1]]) if first and last else (seen[0] + 1, seen[-1] + 1)
        return f"{lines[0]:,}-{lines[1]:,} of {self.file.lines:,}{'' if self.file.is_complete else '+'}"

    def line_text(self, row: int) -> str:
        """Return which line, or which bytes, a row is of."""
        if isinstance(self.file, PagedHex):
            return f"byte 0x{row * self.file.width:x}"
        held = self.file.rows(row)
        return f"line {held[0].lines[held[1]]:,}" if held else f"row {row + 1:,}"

    def is_missing(self, seen: range) -> bool:
        """Tell whether rows in sight, or soon in sight, are to be read."""
        if not self.file.is_complete and seen.stop + AROUND > self.file.count:
            return True
        last = self.file.count - 1
        around = (seen.start, seen.stop - 1, max(seen.start - AROUND, 0), min(seen.stop + AROUND, last))
        return bool(seen) and any(self.file.rows(row) is None for row in around)
