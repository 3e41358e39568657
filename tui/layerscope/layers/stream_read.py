"""A layer that passes by once, as part of a stream -> its table; what a map would give and a stream cannot is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from layerscope.layers.compression import compression_of, unpack_forward
from layerscope.layers.read import ReadLayer, read_pieces


class Passing(Protocol):
    """Bytes that pass by."""

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only where they end."""


OnPiece = Callable[[bytes], object]


def unseen(_piece: bytes) -> None:
    """The default for `on_unpacked`: nobody looks at the unpacked bytes."""


def read_passing(stream: Passing, *, size: int, on_unpacked: OnPiece = unseen) -> ReadLayer:
    """Read a stored layer of `size` bytes, plain or compressed, from the front of `stream`. Contents are hashed in passing.

    Which layer it is may not be known yet: problems name layer 0 until `numbered`. Damage does not raise; bytes after it are
    left in the stream. There are no seek points. `on_unpacked` is called with every unpacked byte, in pieces.
    """
    supply = _Forward(stream, size)
    compression = compression_of(supply.read(0, 4))
    return ReadLayer(read_pieces(_seen(unpack_forward(supply), on_unpacked)), compression)


def _seen(pieces: Iterator[bytes], on_piece: OnPiece) -> Iterator[bytes]:
    for piece in pieces:
        on_piece(piece)
        yield piece


def numbered(read: ReadLayer, layer: int) -> ReadLayer:
    """The same, now that its number is known."""
    if not read.table.problems:
        return read
    problems = tuple(replace(problem, layer=layer) for problem in read.table.problems)
    return replace(read, table=replace(read.table, problems=problems))


class _Forward:
    """A stream as the Supply of a decompressor: what was read beyond the last start is kept, for that is asked for again."""

    def __init__(self, stream: Passing, size: int) -> None:
        self.size = size
        self._stream = stream
        self._held = b""
        self._start = 0

    def read(self, start: int, size: int) -> bytes:
        """See Supply."""
        end = min(start + size, self.size)
        missing = end - self._start - len(self._held)
        if missing > 0:
            self._held = self._held[start - self._start :] + self._stream.read(missing)
            self._start = start
        return self._held[start - self._start : end - self._start]
