"""Contents of a layer's files, read on demand where they lie or from the nearest seek point."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import xxhash

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob, StoredBytes
from layerscope.layers.compression import PIECE, Compression, SeekPoint, unpack
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.table import SparseMap

LARGEST_SPARSE = 4 << 30
"""Sparse files up to this size are hashed, holes and all; a few bytes of a tar can claim 16 TiB of them."""
SMALL = 1 << 20
"""Contents up to this size are hashed in one piece."""
HOLE = bytes(PIECE)
"""What `pieces` gives for each whole PIECE of a sparse file's hole: this very object, so that a writer can leave it a hole."""


Stretch = tuple[int, int, int]
"""An entry's number in its layer, and its columns `content_offset` and `size`."""


class LayerContent(Protocol):
    """Access to the bytes of a layer's files.

    `compression` is how the layer is stored; `plain` the blob in which every file's content lies uncompressed and in one
    piece, None where there is no such blob on this machine.
    """

    @property
    def compression(self) -> Compression:
        """Return how the layer is stored."""

    @property
    def plain(self) -> Blob | None:
        """Return the blob in which contents lie uncompressed at their offsets; None if there is none."""

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:
        """Yield the content of entry number `entry` in pieces of at most 256 KiB; holes of sparse files are zeros.

        `offset` and `size` are the entry's columns. Raises CorruptLayer when the bytes end before the content does.
        """

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Yield several contents, each as an entry's number and its `pieces`; read these before asking for the next."""

    def tail(self, stretch: Stretch, start: int) -> Iterator[bytes]:
        """Yield one content as `pieces` does, but from its byte number `start` on, from 0."""

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        """Return the xxh3_128 of the content of entry number `entry`. Raises CorruptLayer like `pieces`."""

    def digests(self, stretches: Sequence[Stretch]) -> list[bytes]:
        """Return the `digest` of several contents, in the given order, which should be that in which they are stored.

        Raises CorruptLayer like `pieces`.
        """


def digest_of(pieces: Iterable[bytes]) -> bytes:
    """Return the xxh3_128 of a content that comes in pieces."""
    state = xxhash.xxh3_128()
    for piece in pieces:
        state.update(piece)
    return state.digest()


def refuse_large_sparse(size: int) -> None:
    """Raise CorruptLayer for a sparse file that is too large to be read through, holes and all."""
    if size > LARGEST_SPARSE:
        raise CorruptLayer(f"a sparse file of {size} bytes, most of them a hole, is not read through")


def skipped(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield what follows the first `count` bytes of a content that comes in pieces."""
    for piece in pieces:
        if len(piece) > count:
            yield piece[count:]
        count = max(count - len(piece), 0)


class UnmappedContent:
    """What all contents have in common that do not lie plain in a blob here: each is read in pieces, also to be hashed."""

    __slots__ = ()

    @property
    def plain(self) -> Blob | None:
        """Return None: there is no such blob."""
        return None

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:
        raise NotImplementedError

    def tail(self, stretch: Stretch, start: int) -> Iterator[bytes]:
        """Yield a content from byte `start` on; what is before it is read, too."""
        return skipped(self.pieces(*stretch), start)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        return digest_of(self.pieces(entry, offset, size))

    def digests(self, stretches: Sequence[Stretch]) -> list[bytes]:
        return [self.digest(*stretch) for stretch in stretches]


@dataclass(frozen=True, slots=True, eq=False)
class BlobContent:
    """Contents of a layer read from its stored bytes; unpacks no further than the file asked for."""

    blob: StoredBytes
    compression: Compression
    seek_points: tuple[SeekPoint, ...]
    sparse: dict[int, SparseMap]

    @classmethod
    def of(cls, blob: Blob, read: ReadLayer) -> BlobContent:
        """Return the content of a layer that was read from `blob`."""
        return cls(blob, read.compression, read.seek_points, read.table.sparse)

    @property
    def plain(self) -> Blob | None:
        """Return the stored bytes themselves, where they are not compressed and hold no sparse file."""
        return self.blob if self.compression is Compression.NONE and not self.sparse and isinstance(self.blob, Blob) else None

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:
        """Yield the content of entry number `entry` in pieces of at most 256 KiB; holes of sparse files are zeros.

        `offset` and `size` are the entry's columns. Raises CorruptLayer when the bytes end before the content does.
        """
        return self._content(_UnpackedReader(self), entry, offset, size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Yield several contents, each as an entry's number and its `pieces`; read these before asking for the next.

        In the order of their offsets this is one pass forward, which jumps to a seek point where one lies ahead: 50,000 small
        files of a gzip layer cost as much as unpacking that layer once.
        """
        forward = _UnpackedReader(self)
        for entry, offset, size in wanted:
            yield entry, self._content(forward, entry, offset, size)

    def tail(self, stretch: Stretch, start: int) -> Iterator[bytes]:
        """Yield a content from byte `start` on, from the nearest seek point; a sparse file is read from its beginning."""
        entry, offset, size = stretch
        if entry in self.sparse:
            return skipped(self.pieces(entry, offset, size), start)
        return _UnpackedReader(self).read(offset + start, size - start)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        """Return the xxh3_128 of the content of entry number `entry`. Raises CorruptLayer like `pieces`."""
        if self.compression is Compression.NONE and size <= SMALL and entry not in self.sparse:
            return xxhash.xxh3_128_digest(self.blob.read(offset, size))
        if entry in self.sparse:
            refuse_large_sparse(size)
        return digest_of(self.pieces(entry, offset, size))

    def digests(self, stretches: Sequence[Stretch]) -> list[bytes]:
        """Return the `digest` of several contents, in the given order; 1 us each of those that are whole in `plain`.

        Raises CorruptLayer like `pieces`.
        """
        if self.plain is None:
            return [self.digest(*stretch) for stretch in stretches]
        assert isinstance(self.blob, Blob), "what is plain is on this machine"
        digest, start, source = xxhash.xxh3_128_digest, self.blob.start, self.blob.source
        found = [
            digest(source.read(start + offset, size)) if size <= SMALL else self.digest(entry, offset, size)
            for entry, offset, size in stretches
        ]
        source.check()
        return found

    def _content(self, forward: _UnpackedReader, entry: int, offset: int, size: int) -> Iterator[bytes]:
        sparse = self.sparse.get(entry)
        return forward.read(offset, size) if sparse is None else _expanded(forward, sparse, offset, size)


class _UnpackedReader:
    """Reads ranges of the unpacked tar, cheaply as long as each range lies after the one before.

    `_position` is the offset reached so far, `_held` the piece that was unpacked last, which ends there.
    """

    def __init__(self, content: BlobContent) -> None:
        self._blob, self._compression, self._points = content.blob, content.compression, content.seek_points
        self._pieces: Iterator[bytes] = iter(())
        self._position = -1
        self._held = b""

    def read(self, offset: int, size: int) -> Iterator[bytes]:
        """Yield `size` bytes from `offset` on. Raises CorruptLayer when they end early."""
        left = size
        for piece in self._plain(offset, size) if self._compression is Compression.NONE else self._unpacked(offset, size):
            yield piece
            left -= len(piece)
        if left > 0:
            raise CorruptLayer(f"the content at offset {offset} ends {left} bytes early")

    def _plain(self, offset: int, size: int) -> Iterator[bytes]:
        for start in range(offset, min(offset + size, self._blob.size), PIECE):
            yield self._blob.read(start, min(PIECE, offset + size - start))

    def _unpacked(self, offset: int, size: int) -> Iterator[bytes]:
        if not size:
            return
        self._open_near(offset)
        while size and (self._position > offset or self._advance()):
            start = offset - self._position + len(self._held)
            piece = self._held[start : start + size]
            offset, size = offset + len(piece), size - len(piece)
            if piece:
                yield piece

    def _open_near(self, offset: int) -> None:
        """Unpack from the nearest seek point before `offset`, if `offset` was passed, or if that point is ahead; else go on."""
        nearest = bisect_right(self._points, offset, key=lambda point: point.unpacked) - 1
        start = self._points[nearest] if nearest >= 0 else SeekPoint(0, 0)
        is_behind = offset < self._position - len(self._held)
        if is_behind or start.unpacked > self._position:
            pieces = unpack(self._blob, start=start, compression=self._compression)
            self._pieces, self._position, self._held = pieces, start.unpacked, b""

    def _advance(self) -> bool:
        self._held = next(self._pieces, b"")
        self._position += len(self._held)
        return bool(self._held)


def _expanded(forward: _UnpackedReader, sparse: SparseMap, offset: int, size: int) -> Iterator[bytes]:
    """Yield a sparse file's content: its data runs, with zeros for its holes (GNU tar manual, "Sparse Formats")."""
    position = 0
    for start, length in sparse.runs:
        yield from _zeros(start - position)
        yield from forward.read(offset, length)
        offset += length
        position = start + length
    yield from _zeros(size - position)


def _zeros(count: int) -> Iterator[bytes]:
    while count >= PIECE:
        yield HOLE
        count -= PIECE
    if count > 0:
        yield bytes(count)
