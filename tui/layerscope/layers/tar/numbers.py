"""The number fields of tar headers: octal, base-256 and PAX decimals, each as Go's archive/tar reads it."""

from __future__ import annotations

import re

LARGEST = 2**63 - 1
_DECIMAL = re.compile(rb"[+-]?[0-9]+")


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
