"""A plain tar of which single parts can be had -> its table, by hopping from header to header; None where that does not pay."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.errors import NotCompared
from layerscope.layers.blob import StoredBytes
from layerscope.layers.compression import Compression, compression_of
from layerscope.layers.content import BlobContent
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.tar.header_walk import MAX_EXTENDED, HeaderWalk
from layerscope.layers.tar.headers import BLOCK

WINDOW = 64 << 10
"""Bytes fetched at a time; more only where a header is longer."""
FIRST_HOPS, SPARED = 16, 256 << 10
"""After some hops, each has to have spared so many bytes on average: a request takes as long as some of them in a stream."""
LONGEST_REST = 1 << 20
"""Bytes after the end of the tar that are fetched to see whether anything is in them."""
UNFETCHED = "contents of this layer are compared by their sizes alone, for only its headers were fetched"


@dataclass(frozen=True, slots=True, eq=False)
class FarContent(BlobContent):
    """Contents of a plain layer that are fetched when they are wanted, but not to be compared."""

    def digest(self, entry: int, offset: int, size: int) -> bytes:  # noqa: ARG002
        """Raises NotCompared."""
        raise NotCompared(UNFETCHED)


def read_by_headers(blob: StoredBytes, *, layer: int) -> ReadLayer | None:
    """Read a layer's headers in windows. None for what is no plain tar, or has too many small files. Raises CorruptLayer."""
    walk = HeaderWalk(layer)
    position = _hop(walk, blob)
    if position is None:
        return None
    if not walk.is_done:
        walk.end(position, blob.read(position, 2 * BLOCK) if position < blob.size else b"", blob.size)
    elif blob.size - position > LONGEST_REST:
        return None
    elif position < blob.size:
        walk.pass_rest(blob.read(position, blob.size - position))
    walk.flush()
    return ReadLayer(walk.table(unpacked_bytes=blob.size), Compression.NONE)


def _hop(walk: HeaderWalk, blob: StoredBytes) -> int | None:
    """Walk to the end of the tar and return where that is; None where it does not pay, or nothing can be read."""
    position = hops = fetched = 0
    length = WINDOW
    while position < blob.size and not walk.is_done:
        if hops >= FIRST_HOPS and position - fetched < hops * SPARED:
            return None
        window = blob.read(position, length)
        if not hops and compression_of(window[:4]) is not Compression.NONE:
            return None
        following = _walk_window(walk, window, position)
        hops, fetched = hops + 1, fetched + len(window)
        if following == position and not walk.is_done:
            if length > MAX_EXTENDED or position + length >= blob.size:
                return position if blob.size - position <= 2 * BLOCK else None
            length *= 4
            continue
        walk.keep_whole(following, blob.size)
        position, length = following, WINDOW
    return position


def _walk_window(walk: HeaderWalk, window: bytes, start: int) -> int:
    """Take the headers of a window that begins at the offset `start` with one; return the offset of the next after them."""
    position, before = 0, -1
    while position != before and position < len(window) and not walk.is_done:
        before = position
        position = walk.advance(window, position, len(window), len(window), start)
        walk.flush_when_full()
    return start + position
