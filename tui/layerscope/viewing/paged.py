"""A file of any size as rows that are read on demand: lines of text, or hex. Only a few stretches of it are held."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from threading import RLock
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer, IsCancelled, never_cancelled, stop_if
from layerscope.viewing.decoding import escaped_line
from layerscope.viewing.shown import HexLines

STRETCH = 256 << 10
"""Bytes that are read, decoded and dropped together."""
ROW = 2048
"""Bytes of a line of text in one row; the rest of a longer line is in the rows that follow."""
HELD = 12
"""Stretches held."""
LINE_END = ord("\n")
Tail = Callable[[int], Iterator[bytes]]
"""Yields a content in pieces from a byte number on."""
Told = Callable[[int], None]
"""Is told how many bytes were gone through."""


def untold(_done: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class FileStretch:
    """Where a stretch begins: its byte, its first row, the number of its line, from 1, and whether it begins that."""

    offset: int
    row: int
    line: int
    is_first: bool


@dataclass(frozen=True, slots=True)
class ShownRows:
    """The rows of a stretch, escaped; `lines` has the number of each row's line, `is_first` whether the row begins it."""

    texts: list[str]
    lines: list[int]
    is_first: list[bool]


class PagedFile:
    """A content of `size` bytes whose pieces `tail` yields from any byte on. `count` rows are known so far.

    May be used by several threads. What reads raises CorruptLayer, FileChanged, and Cancelled soon after it is told to stop.
    """

    is_text = False

    def __init__(self, size: int, tail: Tail) -> None:
        self.size = size
        self._tail = tail
        self._lock = RLock()
        self._held: OrderedDict[int, ShownRows] = OrderedDict()

    # What subclasses implement.

    @property
    def count(self) -> int:
        """Return how many rows are known."""
        raise NotImplementedError

    @property
    def reach(self) -> int:
        """Return how many bytes the known rows are of; `size` when all of them are known."""
        return self.size

    @property
    def lines(self) -> int:
        """Return how many lines are known to begin; in hex each row is one."""
        return self.count

    def stretch_of(self, row: int) -> int:
        """Return the number of the stretch that has a known row, the last for a row beyond."""
        raise NotImplementedError

    def stretches(self, first: int, is_cancelled: IsCancelled = never_cancelled) -> Iterator[tuple[int, bytes]]:
        """Yield the stretches from number `first` to the end of the file, with their bytes."""
        raise NotImplementedError

    def shown(self, number: int, content: bytes) -> ShownRows:
        """Return the rows of a stretch."""
        raise NotImplementedError

    def row_finder(self, number: int, content: bytes) -> Callable[[int], int]:
        """Return what gives the row of the byte at an index in a stretch; the index is negative for what is before it."""
        raise NotImplementedError

    def read_on(self, row: int, is_cancelled: IsCancelled, told: Told = untold) -> None:
        """Read until `row` is known, or the file ends; `told` has bytes of the file."""

    def row_of_line(self, line: int, is_cancelled: IsCancelled = never_cancelled) -> int:  # noqa: ARG002
        """Return the first row of a line, counted from 1, or the last row known."""
        return min(line, self.count) - 1

    # What they share.

    @property
    def is_complete(self) -> bool:
        """Tell whether all rows are known."""
        return self.reach >= self.size

    def rows(self, row: int) -> tuple[ShownRows, int] | None:
        """Return the held stretch of a row, and the place of the row in it; None if it has to be loaded first."""
        number = self.stretch_of(row)
        with self._lock:
            held = self._held.get(number)
        place = row - self.first_row(number)
        return (held, place) if held is not None and 0 <= place < len(held.texts) else None

    def first_row(self, number: int) -> int:
        """Return the first row of a stretch."""
        raise NotImplementedError

    def load(self, rows: range, is_cancelled: IsCancelled) -> None:
        """Have the stretches of `rows` held, as far as they are known."""
        if not self.count:
            return
        last = self.stretch_of(rows[-1])
        for number in range(self.stretch_of(rows[0]), last + 1):
            stop_if(is_cancelled)
            if number not in self._held:
                _, content = next(self.stretches(number, is_cancelled), (number, b""))
                self._hold(number, content)

    def _hold(self, number: int, content: bytes) -> None:
        shown = self.shown(number, content)
        with self._lock:
            self._held[number] = shown
            self._held.move_to_end(number)
            while len(self._held) > HELD:
                self._held.popitem(last=False)


class PagedHex(PagedFile):
    """A file in lines of hex, `width` bytes each, whose number is known at once."""

    def __init__(self, size: int, tail: Tail, *, width: int = 16) -> None:
        super().__init__(size, tail)
        self.width = width

    def of_width(self, width: int) -> PagedHex:
        """Return the same file in lines of another width."""
        return self if width == self.width else PagedHex(self.size, self._tail, width=width)

    @property
    def count(self) -> int:
        return -(-self.size // self.width)

    def stretch_of(self, row: int) -> int:
        return min(max(row, 0), self.count - 1) * self.width // STRETCH

    def first_row(self, number: int) -> int:
        return number * STRETCH // self.width

    def stretches(self, first: int, is_cancelled: IsCancelled = never_cancelled) -> Iterator[tuple[int, bytes]]:
        reader = _ForwardReader(self._tail, first * STRETCH)
        for number in range(first, -(-self.size // STRETCH)):
            yield number, reader.read(min(STRETCH, self.size - number * STRETCH), is_cancelled)

    def shown(self, number: int, content: bytes) -> ShownRows:
        lines = HexLines(content, self.width, start=number * STRETCH)
        first = self.first_row(number)
        return ShownRows(lines[:], list(range(first + 1, first + 1 + len(lines))), [True] * len(lines))

    def row_finder(self, number: int, content: bytes) -> Callable[[int], int]:  # noqa: ARG002
        return lambda index: (number * STRETCH + index) // self.width


class PagedText(PagedFile):
    """A text in lines, which are counted from its beginning as far as it was read; `codec` is its encoding."""

    is_text = True

    def __init__(self, size: int, tail: Tail, *, codec: str) -> None:
        super().__init__(size, tail)
        self.codec = codec
        self._unit = np.dtype({"utf-16-le": "<u2", "utf-16-be": ">u2"}.get(codec, "u1"))
        self._end = "\n".encode(codec)
        self._starts = [FileStretch(0, 0, 1, is_first=True)]
        """Those of all stretches that were read, and of the next."""
        self._ahead = _ForwardReader(tail, 0)

    @property
    def count(self) -> int:
        return self._starts[-1].row

    @property
    def reach(self) -> int:
        return self._starts[-1].offset

    @property
    def lines(self) -> int:
        last = self._starts[-1]
        return last.line - last.is_first

    def stretch_of(self, row: int) -> int:
        found = bisect_right(self._starts, row, key=lambda start: start.row) - 1
        return min(found, max(len(self._starts) - 2, 0))

    def first_row(self, number: int) -> int:
        return self._starts[number].row

    def stretches(self, first: int, is_cancelled: IsCancelled = never_cancelled) -> Iterator[tuple[int, bytes]]:
        number, reader = first, _ForwardReader(self._tail, self._starts[first].offset)
        while number + 1 < len(self._starts) or not self.is_complete:
            with self._lock:
                content = b"" if number + 1 < len(self._starts) else self._read_stretch(is_cancelled)
            if not content:
                reader.go(self._starts[number].offset)
                content = reader.read(self._starts[number + 1].offset - reader.position, is_cancelled)
            yield number, content
            number += 1

    def read_on(self, row: int, is_cancelled: IsCancelled, told: Told = untold) -> None:
        while self.count <= row and not self.is_complete:
            with self._lock:
                number, content = len(self._starts) - 1, self._read_stretch(is_cancelled)
            if self.count > row or self.is_complete:
                self._hold(number, content)
            told(self.reach)

    def row_of_line(self, line: int, is_cancelled: IsCancelled = never_cancelled) -> int:
        found = bisect_right(self._starts, line - 1, key=lambda start: start.line - start.is_first) - 1
        number = min(found, len(self._starts) - 2)
        first = self.first_row(max(number, 0))
        self.load(range(first, first + 1), is_cancelled)
        held = self.rows(first)
        return first + bisect_left(held[0].lines, line) if held and line <= self.lines else self.count - 1

    def shown(self, number: int, content: bytes) -> ShownRows:
        start = self._starts[number]
        begins = [*self._row_starts(content).tolist(), len(content)]
        pieces = [content[begin:end] for begin, end in pairwise(begins)]
        is_ended = [piece.endswith(self._end) for piece in pieces]
        texts = [self._text(piece) for piece in pieces]
        if not number:
            texts[0] = texts[0].removeprefix("\\ufeff")
        lines = list(accumulate(is_ended[:-1], initial=start.line))
        return ShownRows(texts, lines, [start.is_first, *is_ended[:-1]])

    def row_finder(self, number: int, content: bytes) -> Callable[[int], int]:
        begins, first = self._row_starts(content), self.first_row(number)
        return lambda index: first - 1 + int(np.searchsorted(begins, index, side="right"))

    def _text(self, piece: bytes) -> str:
        text = piece.decode(self.codec, "surrogateescape" if self.codec == "utf-8" else "replace")
        return escaped_line(text[:-1].removesuffix("\r") if text.endswith("\n") else text)

    def _read_stretch(self, is_cancelled: IsCancelled) -> bytes:
        """Read the next stretch, which ends where a row does, and keep where the one after it begins."""
        start = self._starts[-1]
        self._ahead.go(start.offset)
        size = min(STRETCH, self.size - start.offset)
        content = self._ahead.peek(size, is_cancelled)
        begins = self._row_starts(content)
        count, is_last = len(begins), start.offset + size >= self.size
        if not is_last:
            count -= 1
            content = content[: int(begins[-1])]
        lines = int(np.count_nonzero(self._units(content) == LINE_END))
        is_first = is_last or content.endswith(self._end)
        line = start.line + lines + (is_last and not content.endswith(self._end))
        self._starts.append(FileStretch(start.offset + len(content), start.row + count, line, is_first))
        return content

    def _units(self, content: bytes) -> np.ndarray[tuple[int], np.dtype[np.unsignedinteger[Any]]]:
        return np.frombuffer(content, self._unit, len(content) // self._unit.itemsize)

    def _row_starts(self, content: bytes) -> npt.NDArray[np.int64]:
        """Return the index of the first byte of each row: the lines' first bytes, and each ROW bytes of a longer line."""
        units, width = self._units(content), self._unit.itemsize
        begins = np.concatenate(([0], np.flatnonzero(units == LINE_END) + 1)) * width
        begins = begins[begins < len(content)]
        lengths = np.diff(begins, append=len(content))
        if lengths.max(initial=0) <= ROW:
            return begins
        counts = np.maximum(-(-(lengths - width) // ROW), 1)
        rows = np.repeat(begins, counts)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows += nth * ROW
        if self.codec == "utf-8":
            for _ in range(3):
                rows -= (nth > 0) & (units[rows] & 0xC0 == 0x80)
        return rows


class _ForwardReader:
    """Reads a content from `position` on; what was read before something failed, or was stopped, is not lost."""

    def __init__(self, tail: Tail, position: int) -> None:
        self.position = position
        self._tail = tail
        self._pieces: Iterator[bytes] | None = None
        self._read = bytearray()

    def go(self, position: int) -> None:
        """Go on from another position; at no cost where that is within what was looked at."""
        ahead = position - self.position
        if 0 <= ahead <= len(self._read):
            del self._read[:ahead]
        else:
            self._pieces, self._read = None, bytearray()
        self.position = position

    def peek(self, size: int, is_cancelled: IsCancelled) -> bytes:
        """Return the next `size` bytes without going on. Raises CorruptLayer when there are fewer."""
        if self._pieces is None:
            self._pieces = self._tail(self.position + len(self._read))
        try:
            while len(self._read) < size and (piece := next(self._pieces, b"")):
                self._read += piece
                stop_if(is_cancelled)
        except Exception:
            self._pieces = None
            raise
        if len(self._read) < size:
            raise CorruptLayer(f"its content ends {size - len(self._read)} bytes early")
        return bytes(memoryview(self._read)[:size])

    def read(self, size: int, is_cancelled: IsCancelled) -> bytes:
        """Return the next `size` bytes. Raises CorruptLayer when there are fewer."""
        content = self.peek(size, is_cancelled)
        self.go(self.position + size)
        return content
