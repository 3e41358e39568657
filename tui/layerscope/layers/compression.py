"""Decompression in bounded pieces, with seek points at which it can restart."""

from __future__ import annotations

import importlib
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Protocol, cast

from layerscope.progress import ignore

try:
    zlib: Any = importlib.import_module("zlib_ng.zlib_ng")
except ImportError:  # no wheel for this machine: the standard library is slower and otherwise the same
    zlib = importlib.import_module("zlib")

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob, Feed, OnBytes, StoredBytes
from layerscope.layers.gzip_window import TRAILER, GzipWindow
from layerscope.layers.zstd_frames import Frame, frames_of, is_zstd_magic

PIECE = 256 * 1024
"""Bytes of output at a time: small enough to be hashed while still in the processor's cache."""
SEEK_DISTANCE = 16 << 20
"""Unpacked bytes between two seek points: about 2 MB of state per 600 MB layer."""
MAX_WINDOW = 512 << 20
"""The largest zstd window that gets memory; the format allows 3.75 TiB (RFC 8878, 3.1.1.1.2)."""
GENEROUS_UNPACKED = 16 << 30
GENEROUS_RATIO = 100
INFLATED = 1024 * 1024
"""The most bytes that one call of inflating returns: usually all output of 128 KiB of input, so that no input is left over to
be copied. This makes zlib-ng a fifth faster than pieces of 256 KiB.
"""
FIRST_INPUT = 8 * 1024
ZSTD_INPUT = 1024
"""Bytes handed at a time to a zstd decompressor whose output has no bound: a block of 4 bytes may unpack to 128 KiB (RFC
8878, 3.1.1.2), so this is 32 MiB at the worst.
"""
RAW = -15
"""zlib's name for deflate without a header and a trailer around it."""
GZIP_MAGIC = b"\x1f\x8b\x08"
XZ_MAGIC = b"\xfd7zXZ\0"
BZIP2_MAGIC, BZIP2_LEVELS = b"BZh", tuple(b"%d" % level for level in range(1, 10))
LARGEST_INPUT = 128 * 1024
_GZIP_CHECKS = ("incorrect data check", "incorrect length check")
"""zlib's messages when a member unpacks to its end, but not to what was packed (RFC 1952 2.3.1, CRC32 and ISIZE)."""
_ZSTD_CHECK = "match checksum"
CHECKSUM = 4
"""Bytes of a zstd frame's content checksum, its last (RFC 8878, 3.1.1)."""
XZ_INPUT, XZ_END = 4096, 1024
"""Bytes handed to an xz decompressor at a time, and how many bytes at the end it gets one by one: on an error it throws away
all output of that call, and the checksum of a block is close to the end.
"""
BZIP2_OUTPUT = 512
"""The most output that bzip2 is asked for at a time, in bytes: when a block's CRC is wrong, it throws away no more."""


class Compression(StrEnum):
    """How a blob is stored."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    XZ = "xz"
    BZIP2 = "bzip2"


@dataclass(frozen=True, slots=True, eq=False)
class SeekPoint:
    """A place at which unpacking can restart: its `unpacked` and `stored` offsets, and gzip's state there.

    `state` is a decompressor, or a GzipWindow; None where a new gzip member or zstd frame starts.
    """

    unpacked: int
    stored: int
    state: Any = None


Remember = Callable[[SeekPoint], None]


class Supply(Protocol):
    """Stored bytes as a decompressor reads them: at offsets that never go back."""

    size: int

    def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes from `start` on; fewer where they end."""


def compression_of(head: bytes) -> Compression:
    """Tell the compression from a blob's first four bytes (RFC 1952 2.3.1, RFC 8878 3.1.1 and 3.1.2), never from its name."""
    if head[:3] == GZIP_MAGIC:
        return Compression.GZIP
    if head[:4] == XZ_MAGIC[:4]:
        return Compression.XZ
    if head[:3] == BZIP2_MAGIC and head[3:4] in BZIP2_LEVELS:
        return Compression.BZIP2
    return Compression.ZSTD if is_zstd_magic(head[:4]) else Compression.NONE


def unpack(
    blob: StoredBytes,
    *,
    start: SeekPoint | None = None,
    remember: Remember = ignore,
    on_bytes: OnBytes = ignore,
    compression: Compression | None = None,
) -> Iterator[bytes]:
    """Yield the unpacked bytes of `blob` from `start` on, in pieces of at most PIECE bytes.

    `remember` is called with a seek point every SEEK_DISTANCE bytes, `on_bytes` with the number of stored bytes just consumed.
    If the `compression` is not given, the first bytes tell it.
    All members and frames are read, up to the blob's end. Raises CorruptLayer, with the stored offset in its sentence, after
    the last piece that could be read; also when the blob unpacks to more than a bomb's worth (`unpacked_limit`).
    """
    start = start or SeekPoint(0, 0)
    compression = compression or compression_of(blob.read(0, 4))
    feed = Feed(blob, on_bytes)
    if compression in (Compression.XZ, Compression.BZIP2):
        return _limited(_unpack_rare(feed, compression), blob.size, 0)
    if compression is Compression.ZSTD and not isinstance(blob, Blob):  # walking the frames first would fetch all of them
        return _limited(_unzstd_forward(feed, start.stored), blob.size, start.unpacked)
    pieces = {Compression.NONE: _copy, Compression.GZIP: _gunzip, Compression.ZSTD: _unzstd}[compression]
    return _limited(pieces(feed, start, remember), blob.size, start.unpacked)


def unpack_forward(supply: Supply, *, remember: Remember = ignore) -> Iterator[bytes]:
    """Yield the unpacked bytes of a stream that can be read only once, in bounded pieces. Raises CorruptLayer as `unpack` does.

    Damage to zstd shows when it is reached.
    """
    compression = compression_of(supply.read(0, 4))
    if compression is Compression.ZSTD:
        return _limited(_unzstd_forward(supply, remember=remember), supply.size, 0)
    if compression in (Compression.XZ, Compression.BZIP2):
        return _limited(_unpack_rare(supply, compression), supply.size, 0)
    pieces = _copy if compression is Compression.NONE else _gunzip
    return _limited(pieces(supply, SeekPoint(0, 0), remember), supply.size, 0)


def unpacked_limit(stored_bytes: int) -> int:
    """Return the most that a blob of this size may unpack to, in bytes: 16 GiB or a hundred times its size, whichever is more.

    Real layers stay under a ratio of 50. LAYERSCOPE_MAX_UNPACKED (bytes) replaces the limit.
    """
    own = os.environ.get("LAYERSCOPE_MAX_UNPACKED", "")
    return int(own) if own.isdecimal() else max(GENEROUS_UNPACKED, GENEROUS_RATIO * stored_bytes)


def unpacked_guess(blob: Blob) -> int:
    """Estimate the bytes a compressed blob unpacks to, to balance work: gzip's last member states them (RFC 1952 2.3.1)."""
    stated = int.from_bytes(blob.read(max(blob.size - 4, 0), 4), "little")
    is_likely = compression_of(blob.read(0, 4)) is Compression.GZIP and stated >= blob.size
    return stated if is_likely else 3 * blob.size


def _limited(pieces: Iterator[bytes], stored_bytes: int, done: int) -> Iterator[bytes]:
    limit = unpacked_limit(stored_bytes)
    for piece in pieces:
        done += len(piece)
        if done > limit:
            raise CorruptLayer(
                f"its {stored_bytes} stored bytes unpack to more than {limit} (set LAYERSCOPE_MAX_UNPACKED to allow more)"
            )
        yield piece


def _copy(feed: Supply, start: SeekPoint, _remember: Remember) -> Iterator[bytes]:
    for offset in range(start.stored, feed.size, PIECE):
        piece = feed.read(offset, PIECE)
        if not piece:  # a manifest may state any size, and each further step would read nothing
            return
        yield piece


def _gunzip(feed: Supply, start: SeekPoint, remember: Remember) -> Iterator[bytes]:
    """Yield the unpacked bytes of every member of a gzip blob (RFC 1952 2.2); eStargz writes one member per file."""
    stored, unpacked, state = start.stored, start.unpacked, start.state
    while state is not None or _another_member(feed, stored):
        member = _Member(feed, stored, unpacked, state, remember)
        yield from member.pieces()
        stored, unpacked, state = member.stored, member.unpacked, None


def _another_member(feed: Supply, stored: int) -> bool:
    """Tell whether a member starts at `stored`. Zeros up to the end are padding, as for gzip(1)."""
    head = feed.read(stored, len(GZIP_MAGIC))
    if head == GZIP_MAGIC:
        return True
    while stored < feed.size:
        if feed.read(stored, PIECE).strip(b"\0"):
            raise CorruptLayer(f"not valid gzip: bytes that are no gzip member follow at stored offset {stored}")
        stored += PIECE
    return False


class _Member:
    """One gzip member being decompressed; `stored` and `unpacked` are the offsets reached so far."""

    def __init__(self, feed: Supply, stored: int, unpacked: int, state: Any, remember: Remember) -> None:
        self._feed, self.stored, self.unpacked = feed, stored, unpacked
        self._is_resumed, self._is_raw = state is not None, isinstance(state, GzipWindow)
        self._state = self._primed(state) if self._is_raw else state.copy() if self._is_resumed else zlib.decompressobj(31)
        self._remember = remember
        self._next_point = unpacked - unpacked % SEEK_DISTANCE + SEEK_DISTANCE

    def _primed(self, window: GzipWindow) -> Any:
        """Return a decompressor that continues from a window, and pass the byte that only some bits are left of."""
        state = zlib.decompressobj(RAW, zdict=bytes(window.window))
        first = self._feed.read(self.stored, 1) if window.bits else b""
        self.stored += len(first)
        try:
            state.decompress(window.lead(first[0] if first else 0))
        except zlib.error as error:
            raise CorruptLayer(f"no block of gzip starts at stored offset {self.stored}: {error}") from error
        return state

    def pieces(self) -> Iterator[bytes]:
        # Input grows from small to large: what follows a member's end is copied by zlib, which costs with a member per file.
        state, tail, length = self._state, b"", FIRST_INPUT
        before = state.copy() if self._is_resumed else None
        while not state.eof:
            data = tail or self._feed.read(self.stored, length)
            try:
                piece: bytes = state.decompress(data, INFLATED)
            except zlib.error as error:
                yield from self._up_to_error(before or zlib.decompressobj(31), data, error)
            tail = b"" if state.eof else state.unconsumed_tail  # after the end, zlib has what follows in both places
            self.stored += len(data) - len(tail) - len(state.unused_data)
            length = min(2 * length, LARGEST_INPUT)
            if piece:
                self.unpacked += len(piece)
                yield piece
            elif not data and not state.eof:
                raise CorruptLayer(f"truncated gzip: the bytes end at stored offset {self.stored}, inside a member")
            if self.unpacked >= self._next_point and not state.eof and self._remember is not ignore:
                self._remember(SeekPoint(self.unpacked, self.stored, state.copy()))
                self._next_point = self.unpacked + SEEK_DISTANCE
            before = None if state.eof else state.copy()
        self.stored += TRAILER * self._is_raw

    def _up_to_error(self, state: Any, data: bytes, error: Exception) -> Iterator[bytes]:
        """Yield the output that zlib dropped when it met `error` in `data`, by inflating again from `state` byte by byte.

        Always raises CorruptLayer after that.
        """
        piece, length = b"", 0
        with suppress(zlib.error):
            for length in range(len(data)):
                piece += state.decompress(data[length : length + 1], INFLATED)
        if piece:
            yield piece
        stored = self.stored + length
        if any(check in str(error) for check in _GZIP_CHECKS):
            raise CorruptLayer(_wrong_checksum(Compression.GZIP, stored)) from error
        raise CorruptLayer(f"not valid gzip near stored offset {stored}: {error}") from error


def _wrong_checksum(compression: Compression, stored: int) -> str:
    return f"the {compression} checksum before stored offset {stored} is wrong: what unpacks up to there is not what was packed"


class _Source:
    """A feed's bytes from `start` to `end` as a file object, which zstandard's stream_reader needs."""

    def __init__(self, feed: Feed, start: int, end: int) -> None:
        self._feed, self._offset, self._end = feed, start, end

    def read(self, size: int = -1) -> bytes:
        data = self._feed.read(self._offset, min(size, self._end - self._offset))
        self._offset += len(data)
        return data


def _unzstd(feed: Feed, start: SeekPoint, remember: Remember) -> Iterator[bytes]:
    """Yield the unpacked bytes of every frame of a zstd blob.

    Walks the frames first, because zstandard takes a truncated blob for a whole one.
    """
    walk = frames_of(feed.again())
    _remember_frames(walk.frames, remember)
    wide = next((frame for frame in walk.frames if frame.window > MAX_WINDOW), None)
    if wide:
        raise CorruptLayer(f"the zstd frame at stored offset {wide.stored} asks for a window of {wide.window} bytes")
    ends = [frame.stored for frame in walk.frames if frame.stored > start.stored]
    yield from _zstd_pieces(feed, start.stored, [*ends, walk.end])
    if walk.damage:
        raise CorruptLayer(walk.damage)


def _zstd_pieces(feed: Feed, start: int, ends: list[int]) -> Iterator[bytes]:
    """Yield the unpacked bytes of the frames from stored offset `start` on; `ends` is the stored offset after each of them."""
    if start >= ends[-1]:
        return
    import zstandard  # 9 ms that only zstd blobs need to pay for

    buffer, done = bytearray(PIECE), 0
    try:
        with zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(
            cast("BinaryIO", _Source(feed, start, ends[-1])), read_size=LARGEST_INPUT, read_across_frames=True
        ) as reader:
            while length := reader.readinto(buffer):
                done += length
                yield bytes(memoryview(buffer)[:length])
    except zstandard.ZstdError as error:
        # It throws away what it unpacked before the error, up to a piece: once more from the start, in small steps.
        yield from _without_first(_unzstd_forward(feed.again(), start, ends), done)
        raise CorruptLayer(f"not valid zstd after stored offset {start}: {error}") from error


def _without_first(pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
    """Yield the pieces without their first `length` bytes."""
    for piece in pieces:
        if len(piece) > length:
            yield piece[length:]
        length = max(0, length - len(piece))


def _remember_frames(frames: list[Frame], remember: Remember) -> None:
    """Record starts of frames, at least 1 MiB apart, as seek points, up to the first frame that does not state its size.

    zstd:chunked has a frame per file.
    """
    unpacked = last = 0
    for frame in frames:
        if unpacked >= last + SEEK_DISTANCE // 16:
            remember(SeekPoint(unpacked, frame.stored))
            last = unpacked
        if frame.unpacked is None:
            return
        unpacked += frame.unpacked


def _unzstd_forward(
    supply: Supply, stored: int = 0, ends: list[int] | None = None, *, remember: Remember = ignore
) -> Iterator[bytes]:
    """Yield the unpacked bytes of every zstd frame, and check that each is complete, which `stream_reader` does not.

    `ends` are the stored offsets at which frames end (by default only the supply's end). There the checksum is fed in a call of
    its own: when it is wrong, zstandard throws away all output of the same call.
    """
    import zstandard

    ends = ends or [supply.size]
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    unpacked = last = 0
    while stored < ends[-1] and (head := supply.read(stored, 4)):
        if unpacked >= last + SEEK_DISTANCE // 16:
            remember(SeekPoint(unpacked, stored))
            last = unpacked
        if not is_zstd_magic(head):
            raise CorruptLayer(f"not valid zstd: no frame starts at stored offset {stored}")
        start, frame = stored, decompressor.decompressobj()
        end = ends[min(bisect_right(ends, start), len(ends) - 1)]
        while not frame.eof:
            left = end - stored
            data = supply.read(stored, min(ZSTD_INPUT, left - CHECKSUM if left > CHECKSUM else max(left, 0)))
            if not data:
                raise CorruptLayer(f"truncated zstd: the frame at stored offset {start} is cut at {stored}")
            try:
                piece = frame.decompress(data)
            except zstandard.ZstdError as error:
                text = f"not valid zstd after stored offset {stored}: {error}"
                is_check = _ZSTD_CHECK in str(error)
                raise CorruptLayer(_wrong_checksum(Compression.ZSTD, stored + len(data)) if is_check else text) from error
            stored += len(data) - len(frame.unused_data)
            unpacked += len(piece)
            yield from (piece[at : at + PIECE] for at in range(0, len(piece), PIECE))


def _unpack_rare(supply: Supply, compression: Compression) -> Iterator[bytes]:
    """Yield the unpacked bytes of every stream of an xz or bzip2 blob; engines read such layers, but nobody pushes them.

    There are no seek points. Zeros up to the end are padding (the .xz file format, 2.2).
    """
    stored = 0
    while stored < supply.size:
        if compression_of(supply.read(stored, 4)) is not compression:
            yield from _zeros_to_the_end(supply, stored, compression)
            return
        stream = _rare_decompressor(compression)
        while not stream.eof:
            data = supply.read(stored, _rare_input(supply, stored, compression)) if stream.needs_input else b""
            if not data and stream.needs_input:
                raise CorruptLayer(f"truncated {compression}: the bytes end at stored offset {stored}, inside a stream")
            try:
                piece: bytes = stream.decompress(data, BZIP2_OUTPUT if compression is Compression.BZIP2 else INFLATED)
            except (OSError, EOFError, ValueError, _lzma_error()) as error:
                reason = f"not valid {compression} near stored offset {stored}: {error}"
                # Four bytes may lie: what does not even start as it should is perhaps no stream at all.
                raise CorruptLayer(reason if stored else f"{reason}; and no tar header at offset 0") from error
            stored += len(data)
            if piece:
                yield piece
        stored -= len(stream.unused_data)


def _rare_input(supply: Supply, stored: int, compression: Compression) -> int:
    """Return how many stored bytes to hand to an xz or bzip2 decompressor next."""
    if compression is Compression.BZIP2:
        return LARGEST_INPUT
    left = supply.size - stored
    return 1 if left <= XZ_END else min(XZ_INPUT, left - XZ_END)


def _rare_decompressor(compression: Compression) -> Any:
    if compression is Compression.BZIP2:
        import bz2

        return bz2.BZ2Decompressor()
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW)


def _lzma_error() -> type[Exception]:
    import lzma

    return lzma.LZMAError


def _zeros_to_the_end(supply: Supply, stored: int, compression: Compression) -> Iterator[bytes]:
    for start in range(stored, supply.size, PIECE):
        if supply.read(start, PIECE).strip(b"\0"):
            raise CorruptLayer(f"not valid {compression}: bytes that are no stream of it follow at stored offset {stored}")
    yield from ()
