"""Finds where a block of deflate starts in the middle of a gzip member, so that unpacking can restart there without its state.

Decompressors do not tell where blocks end. So every bit is tried that could begin a block, and one is believed if unpacking
from there gives what unpacking from before gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.layers.compression import RAW, SeekPoint, zlib
from layerscope.layers.gzip_window import WINDOW, GzipWindow

STEP = 32 << 10
"""Bytes searched at a time: about as long as a block that zlib writes."""
CHECKED = 66 << 10
"""Bytes after a place that are unpacked to check it: more than the longest stored block."""
LOOK = 384 << 10
"""Bytes in which a block is looked for, CHECKED included."""
MOST_UNPACKED = 16 << 20
"""Unpacked bytes beyond which a search is given up: what is packed that well needs no place to restart."""
_TRIED = 512
_HEADER_BITS, _LENGTH_BITS, _LENGTHS = 17, 3, 19
_MOST_CODES = 29
"""The highest counts of literal and of distance codes in a block's header (RFC 1951, 3.2.7, less 257 and 1)."""
_COMPLETE = 1 << 7

Longs = npt.NDArray[np.int64]


def find_block(point: SeekPoint, following: bytes, before: bytes) -> SeekPoint | None:
    """Return a seek point with a GzipWindow at the first block after `point`, whose state is a decompressor in a gzip member.

    `following` are the stored bytes from there on, `before` the last unpacked bytes before, at most WINDOW of them.
    Returns None if no block starts there.
    """
    for bit in _starts(following):
        stored = -(-bit // 8)
        if stored + CHECKED > len(following):
            return None
        head = _unpacked(point.state.copy(), following[:stored])
        whole = _unpacked(point.state.copy(), following[: stored + CHECKED])
        if head is None or whole is None:
            return None
        window = GzipWindow(-bit % 8, (before + head)[-WINDOW:])
        if whole == head + (_unpacked_from(window, following, bit, CHECKED) or b""):
            return SeekPoint(point.unpacked + len(head), point.stored + bit // 8, window)
    return None


def _unpacked(state: Any, data: bytes) -> bytes | None:
    """Return what `data` unpacks to; None if that is too much."""
    content: bytes = state.decompress(data, MOST_UNPACKED)
    return None if state.unconsumed_tail else content


def _unpacked_from(window: GzipWindow, data: bytes, bit: int, length: int) -> bytes | None:
    """Return what the bytes of a block that starts at `bit` unpack to; None if they are no block, or if that is too much."""
    stored = -(-bit // 8)
    with suppress(zlib.error):
        state = zlib.decompressobj(RAW, zdict=bytes(window.window))
        state.decompress(window.lead(data[bit // 8]))
        return _unpacked(state, data[stored : stored + length])
    return None


def _starts(data: bytes) -> Iterator[int]:
    """Yield the bits at which a block may start, in order: one with codes of its own, or a stored one."""
    for first in range(0, len(data), STEP):
        part = data[first : first + STEP + _TRIED]
        found = np.concatenate([_coded_starts(part), _stored_starts(part)])
        for bit in np.unique(found[found < 8 * STEP]).tolist():
            if _unpacked_from(GzipWindow(-bit % 8, bytes(WINDOW)), part, bit, _TRIED) is not None:
                yield 8 * first + bit


def _coded_starts(data: bytes) -> Longs:
    """Return the bits that begin a header with complete code lengths (RFC 1951, 3.2.7) of a block that is not the last."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    count = max(len(bits) - _HEADER_BITS - _LENGTH_BITS * _LENGTHS, 0)
    found = np.flatnonzero((bits[:count] == 0) & (bits[1 : count + 1] == 0) & (bits[2 : count + 2] == 1))
    found = found[(_field(bits, found + 3, 5) <= _MOST_CODES) & (_field(bits, found + 8, 5) <= _MOST_CODES)]
    lengths = 4 + _field(bits, found + 13, 4)
    total = np.zeros(len(found), np.int64)
    for number in range(_LENGTHS):
        length = _field(bits, found + _HEADER_BITS + _LENGTH_BITS * number, _LENGTH_BITS) * (number < lengths)
        total += np.where(length > 0, _COMPLETE >> length, 0)
    chosen: Longs = found[total == _COMPLETE]
    return chosen


def _field(bits: npt.NDArray[np.uint8], at: Longs, width: int) -> Longs:
    """Return the numbers of `width` bits that begin at the bits `at`, lowest bit first."""
    value = np.zeros(len(at), np.int64)
    for number in range(width):
        value |= bits[at + number].astype(np.int64) << number
    return value


def _stored_starts(data: bytes) -> Longs:
    """Return the last possible bits of headers of stored blocks: before a length and its complement (RFC 1951, 3.2.4).

    The byte before the length must be zero, so that the header is not that of a last block.
    """
    raw = np.frombuffer(data, np.uint8)
    if len(raw) <= 4:
        return np.zeros(0, np.int64)
    is_length = (raw[1:-3] ^ raw[3:-1] == 0xFF) & (raw[2:-2] ^ raw[4:] == 0xFF) & (raw[:-4] == 0)
    return 8 * (np.flatnonzero(is_length) + 1) - 3
