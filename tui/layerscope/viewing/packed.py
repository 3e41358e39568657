"""Unpacks a compressed file inside an image, with bounds on memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol

from layerscope.errors import CorruptLayer, IsCancelled, stop_if
from layerscope.layers.blob import Blob
from layerscope.layers.compression import Compression, compression_of, unpack

INPUT = 64 << 10
OUTPUT = 256 << 10
MOST_MEMORY = 128 << 20
"""Memory that xz may take to unpack; `xz -9` takes 65 MiB, the format allows 4 GiB."""
_MAGICS = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}


class Decompressor(Protocol):
    """The interface that bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def packing_of(head: bytes) -> str:
    """Return `gzip`, `zstd`, `bzip2`, `xz` or an empty string, from the first bytes."""
    compression = compression_of(head[:4])
    if compression is not Compression.NONE:
        return compression.value
    return next((name for magic, name in _MAGICS.items() if head.startswith(magic)), "")


def unpacked(content: bytes, packing: str) -> Iterator[bytes]:
    """Yield the unpacked bytes of `content` in pieces of at most 1 MiB. Raises CorruptLayer after the last good piece."""
    if packing == "bzip2":
        from bz2 import BZ2Decompressor

        return _unpacked_by(BZ2Decompressor, content)
    if packing == "xz":
        from lzma import FORMAT_XZ, LZMADecompressor

        return _unpacked_by(partial(LZMADecompressor, FORMAT_XZ, memlimit=MOST_MEMORY), content)
    return unpack(Blob.of_bytes(content))


class Unpacked:
    """The unpacked bytes of a file that may be damaged: they end at the damage, which `damage` then describes."""

    def __init__(self, content: bytes, packing: str) -> None:
        self.damage = ""
        self._content, self._packing = content, packing

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from unpacked(self._content, self._packing)
        except CorruptLayer as error:
            self.damage = str(error)


def _unpacked_by(new: Callable[[], Decompressor], content: bytes) -> Iterator[bytes]:
    """Unpack `content`, which may be several compressed streams in a row; zeros between and after them are padding."""
    position = 0
    while position < len(content):
        stream = new()
        while not stream.eof:
            data = content[position : position + INPUT] if stream.needs_input else b""
            position += len(data)
            if stream.needs_input and not data:
                raise CorruptLayer("truncated")
            piece = _next_piece(stream, data)
            if piece:
                yield piece
        position -= len(stream.unused_data)
        while content[position : position + 1] == b"\0":
            position += 1


def _next_piece(stream: Decompressor, data: bytes) -> bytes:
    from lzma import LZMAError

    try:
        return stream.decompress(data, OUTPUT)
    except (LZMAError, OSError, EOFError, ValueError) as error:
        raise CorruptLayer(str(error)) from error


class BoundedPieces:
    """An iterator over pieces up to `limit` bytes in all; `is_cut` then says whether there were more.

    Raises Cancelled between two pieces.
    """

    def __init__(self, pieces: Iterable[bytes], limit: int, is_cancelled: IsCancelled) -> None:
        self.is_cut = False
        self.length = 0
        self._pieces, self._limit, self._is_cancelled = pieces, limit, is_cancelled

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            stop_if(self._is_cancelled)
            room = self._limit - self.length
            self.is_cut = len(piece) > room
            if room and piece:
                self.length += min(len(piece), room)
                yield piece[:room]
            if self.is_cut:
                return
