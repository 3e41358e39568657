"""Searching a file of any size for a text, forward and backward from any row, all around."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge

from layerscope.errors import IsCancelled
from layerscope.viewing.paged import STRETCH, PagedFile, PagedHex, PagedText, Told

STRIDE = 64
"""Stretches that a search backward reads at once, forward: an unpacked stream cannot be read the other way."""
_HEX_PAIRS = re.compile(r"[0-9a-fA-F]{2}( ?[0-9a-fA-F]{2})+")


@dataclass(frozen=True, slots=True)
class PagedSearch:
    """A search of `file` for a literal text, ignoring case unless it has an upper-case letter, as `pattern` does in shown rows.

    In hex, pairs of digits also mean bytes. The methods return the row where a match begins, None after all was searched;
    `told` is told how many bytes were. They raise CorruptLayer, FileChanged and Cancelled.
    """

    file: PagedFile
    text: str
    pattern: re.Pattern[str]
    is_cancelled: IsCancelled
    told: Told

    def forward(self, row: int) -> int | None:
        """Return the first row from `row` on, else the first from the beginning of the file."""
        done, start = 0, self.file.stretch_of(row)
        for first, last, least in ((start, None, row), (0, start, 0)):
            for rows, size in self._matches(first, last):
                hit = next((each for each in rows if each >= least), None)
                if hit is not None:
                    return hit
                done += size
                self.told(min(done, self.file.size))
        return None

    def backward(self, row: int) -> int | None:
        """Return the last row before `row`, else the last of the file, which is read to its end for that."""
        start = self.file.stretch_of(row)
        hit = self._last(0, start, row, 0)
        if hit is None:
            before = start * STRETCH
            self.file.read_on(sys.maxsize, self.is_cancelled)
            hit = self._last(start, self.file.stretch_of(self.file.count), sys.maxsize, before)
        return hit

    def _last(self, first: int, last: int, below: int, done: int) -> int | None:
        """Return the last row below `below` that stretches number `first` to `last` have; `done` bytes were searched before."""
        for end in range(last, first - 1, -STRIDE):
            hit = None
            for rows, size in self._matches(max(end - STRIDE + 1, first), end):
                hit = max((each for each in rows if each < below), default=hit)
                done += size
                self.told(min(done, self.file.size))
            if hit is not None:
                return hit
        return None

    def _matches(self, first: int, last: int | None) -> Iterator[tuple[Iterator[int], int]]:
        """Yield the rows of matches that each stretch has, ascending, and its size; also of one that began before it."""
        before = b""
        for number, content in self.file.stretches(first, self.is_cancelled):
            if self._is_as_shown(content):
                yield self._shown_rows(number, content), len(content)
            else:
                yield self._rows(number, before + content, len(before)), len(content)
            if number == last:
                return
            before = content[1 - self._longest :] if self._longest > 1 else b""

    def _is_as_shown(self, content: bytes) -> bool:
        """Tell whether a stretch is searched as it is shown: where the text may not be there in the same bytes."""
        if not isinstance(self.file, PagedText):
            return False
        is_plain = self.text.isascii() and "\\" not in self.text and not self.file.codec.startswith("utf-16")
        return not is_plain or (" " in self.text and b"\t" in content)

    def _shown_rows(self, number: int, content: bytes) -> Iterator[int]:
        first = self.file.first_row(number)
        return (first + at for at, text in enumerate(self.file.shown(number, content).texts) if self.pattern.search(text))

    def _rows(self, number: int, content: bytes, ahead: int) -> Iterator[int]:
        row_of = self.file.row_finder(number, content[ahead:])
        lowered = content.lower() if self.pattern.flags & re.IGNORECASE else content
        found = [_places(content if is_exact else lowered, wanted) for wanted, is_exact in self._wanted]
        return (row_of(place - ahead) for place in merge(*found))

    @property
    def _longest(self) -> int:
        return max(len(wanted) for wanted, _ in self._wanted)

    @property
    def _wanted(self) -> list[tuple[bytes, bool]]:
        """Return the bytes to look for; True for those whose letter case counts whatever the pattern says."""
        wanted = [(self.text.encode(), False)]
        if isinstance(self.file, PagedHex) and _HEX_PAIRS.fullmatch(self.text):
            wanted.append((bytes.fromhex(self.text), True))
        return wanted


def _places(content: bytes, wanted: bytes) -> Iterator[int]:
    place = content.find(wanted)
    while place >= 0:
        yield place
        place = content.find(wanted, place + 1)
