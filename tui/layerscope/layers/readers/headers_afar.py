"""Reads an uncompressed layer in a registry by fetching only its tar headers, where that is faster than the whole layer."""

from __future__ import annotations

from layerscope.layers.blob import StoredBytes
from layerscope.layers.compression import Compression, compression_of
from layerscope.layers.readers.blob import ReadLayer, walk_window
from layerscope.layers.tar.header_walk import MAX_EXTENDED, HeaderWalk
from layerscope.layers.tar.headers import BLOCK

WINDOW = 64 << 10
"""Bytes fetched at a time; more only where a header is longer."""
FIRST_HOPS, SPARED = 16, 256 << 10
"""After so many requests, each must have skipped so many bytes on average: a request takes as long as streaming some."""
LONGEST_REST = 1 << 20
"""Bytes after the end of the tar that are fetched to see whether anything is in them."""
UNFETCHED = "contents of this layer are compared by their sizes alone, for only its headers were fetched"


def read_by_headers(blob: StoredBytes, *, layer: int) -> ReadLayer | None:
    """Read a layer's table by fetching its tar headers in windows. Raises CorruptLayer.

    Returns None for a layer that is compressed or no tar, or whose files are too small for anything to be saved.
    """
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
    """Walk the headers to the end of the tar and return its offset; None if too little is skipped, or a header is cut off."""
    position = hops = fetched = 0
    length = WINDOW
    while position < blob.size and not walk.is_done:
        if hops >= FIRST_HOPS and position - fetched < hops * SPARED:
            return None
        window = blob.read(position, length)
        if not hops and compression_of(window[:4]) is not Compression.NONE:
            return None
        following = walk_window(walk, window, position, blob.size)
        hops, fetched = hops + 1, fetched + len(window)
        if following == position and not walk.is_done:
            if length > MAX_EXTENDED or position + length >= blob.size:
                return position if blob.size - position <= 2 * BLOCK else None
            length *= 4
            continue
        position, length = following, WINDOW
    return position
