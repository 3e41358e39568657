"""Parses the number fields of tar headers (octal, base-256 and PAX decimals) as Go's archive/tar does.

Octal fields are also parsed a whole column at a time.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

LARGEST = 2**63 - 1
_DECIMAL = re.compile(rb"[+-]?[0-9]+")
Words = npt.NDArray[np.uint64]
Parsed = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]
DIGIT_BITS = np.uint64(0xF8F8F8F8F8F8F8F8)
DIGITS = np.uint64(0x3030303030303030)


def parse_field(field: bytes) -> int:
    """Parse a number field: octal digits between spaces and NULs, or GNU's base-256 when the top bit is set.

    Raises ValueError for anything else and for what does not fit 64 bits.
    """
    return _base_256(field) if field[0] & 0x80 else parse_octal(field)


def parse_octal(field: bytes) -> int:
    """Parse octal digits between spaces and NULs; what follows a NUL is ignored, and no digits are 0. Raises ValueError."""
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not digits:
        return 0
    if not digits.isdigit():
        raise ValueError(f"{digits!r} is not an octal number")
    return _bounded(int(digits, 8))


def _base_256(field: bytes) -> int:
    """Parse GNU tar's big-endian two's complement; bit 6 of the first byte is the sign."""
    value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    if field[0] & 0x40:
        value -= 1 << (8 * len(field) - 1)
    return _bounded(value)


def parse_decimal(text: bytes) -> int:
    """Parse a PAX integer (pax, "Extended Header Keywords"). Raises ValueError."""
    sign, digits = text[:1], text.lstrip(b"+-").lstrip(b"0")
    if not _DECIMAL.fullmatch(text) or len(digits) > 20:
        raise ValueError(f"{text[:40]!r} is not a decimal number")
    return _bounded(-int(digits or b"0") if sign == b"-" else int(digits or b"0"))


def parse_time(text: bytes) -> int:
    """Parse a PAX time in seconds; its fraction of up to nine digits is rounded down. Raises ValueError."""
    whole, _, fraction = text.partition(b".")
    if fraction and not fraction.isdigit():
        raise ValueError(f"{text[:40]!r} is not a time")
    seconds = parse_decimal(whole)
    return seconds - 1 if whole.startswith(b"-") and fraction[:9].strip(b"0") else seconds


def _bounded(value: int) -> int:
    if not -LARGEST - 1 <= value <= LARGEST:
        raise ValueError(f"{value} does not fit 64 bits")
    return value


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
    """Parse 12-byte fields, given as their first 8 bytes (uint64) and last 4 (uint32); return values and which are plain.

    Plain is eleven digits and a terminator.
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
