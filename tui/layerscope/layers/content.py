"""The content of one file of a layer, read again after the table was made: from the map, or from the nearest seek point."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import xxhash

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob
from layerscope.layers.compression import PIECE, Compression, SeekPoint, unpack
from layerscope.layers.read import ReadLayer
from layerscope.layers.table import SparseMap

SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class LayerContent:
    """Gives the bytes of a layer's files; nothing is unpacked further than the file at hand."""

    blob: Blob
    compression: Compression
    seek_points: tuple[SeekPoint, ...]
    sparse: dict[int, SparseMap]

    @classmethod
    def of(cls, blob: Blob, read: ReadLayer) -> LayerContent:
        """The content of a layer that was read from `blob`."""
        return cls(blob, read.compression, read.seek_points, read.table.sparse)

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:
        """The content of the layer's entry number `entry`, in pieces of at most 256 KiB; holes of sparse files are zeros.

        `offset` and `size` are the entry's columns. Raises CorruptLayer when the bytes end before the content does.
        """
        sparse = self.sparse.get(entry)
        return self._stored(offset, size) if sparse is None else self._expanded(sparse, offset, size)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        """xxh3_128 of a content. Raises CorruptLayer like `pieces`."""
        if self.compression is Compression.NONE and size <= SMALL and entry not in self.sparse:
            return xxhash.xxh3_128_digest(self.blob.read(offset, size))
        state = xxhash.xxh3_128()
        for piece in self.pieces(entry, offset, size):
            state.update(piece)
        return state.digest()

    def _stored(self, offset: int, size: int) -> Iterator[bytes]:
        left = size
        for piece in self._unpacked_from(offset) if size else ():
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return
        if left > 0:
            raise CorruptLayer(f"the content at offset {offset} ends {left} bytes early")

    def _unpacked_from(self, offset: int) -> Iterator[bytes]:
        if self.compression is Compression.NONE:
            for start in range(offset, self.blob.size, PIECE):
                yield self.blob.read(start, PIECE)
                self.blob.forget(start, start + PIECE)
            return
        nearest = bisect_right(self.seek_points, offset, key=lambda point: point.unpacked) - 1
        start = self.seek_points[nearest] if nearest >= 0 else SeekPoint(0, 0)
        skip = offset - start.unpacked
        for piece in unpack(self.blob, start=start):
            if skip < len(piece):
                yield piece[skip:]
            skip = max(0, skip - len(piece))

    def _expanded(self, sparse: SparseMap, offset: int, size: int) -> Iterator[bytes]:
        """The data runs with zeros between them (GNU tar manual, "Sparse Formats")."""
        stored = self._stored(offset, sum(length for _, length in sparse.runs))
        position, held = 0, b""
        for start, length in sparse.runs:
            yield from _zeros(start - position)
            position = start + length
            left = length
            while left:
                held = held or next(stored)
                yield held[:left]
                held, left = held[left:], left - len(held[:left])
        yield from _zeros(size - position)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, PIECE))
        count -= PIECE
