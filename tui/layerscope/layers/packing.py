"""Compresses layers, in bounded pieces: the same bytes give the same result with the same version of the library."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import zstandard

from layerscope.layers.compression import Compression

try:
    zlib: Any = importlib.import_module("zlib_ng.zlib_ng")
    GZIP_LIBRARY = f"zlib-ng {zlib.ZLIBNG_VERSION}"
except ImportError:  # no wheel for this machine
    zlib = importlib.import_module("zlib")
    GZIP_LIBRARY = f"zlib {zlib.ZLIB_RUNTIME_VERSION}"

GZIP_LEVEL, ZSTD_LEVEL = 6, 3
"""What Docker, BuildKit and skopeo use."""
GZIP_STREAM = 31
"""zlib's name for deflate with the header and the trailer of gzip: without a time and a name (RFC 1952, 2.3.1)."""
LEVELS = {Compression.GZIP: range(1, 10), Compression.ZSTD: range(1, 20), Compression.NONE: range(1)}
"""The levels that may be asked for."""


def pack(pieces: Iterator[bytes], compression: Compression, level: int | None = None) -> Iterator[bytes]:
    """Compress `pieces` as one gzip member or one zstd frame with a checksum; leave them alone for Compression.NONE.

    In one thread: with several, zstd's result is another.
    """
    if compression is Compression.NONE:
        yield from pieces
        return
    state: Any
    if compression is Compression.GZIP:
        state = zlib.compressobj(GZIP_LEVEL if level is None else level, zlib.DEFLATED, GZIP_STREAM)
    else:
        state = zstandard.ZstdCompressor(level=ZSTD_LEVEL if level is None else level, write_checksum=True).compressobj()
    for piece in pieces:
        if packed := state.compress(piece):
            yield packed
    yield state.flush()


def library_of(compression: Compression) -> str:
    """Name the library that compresses, with its version; empty where nothing is compressed."""
    if compression is Compression.GZIP:
        return GZIP_LIBRARY
    return f"zstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}" if compression is Compression.ZSTD else ""
