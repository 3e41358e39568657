"""The number fields of tar headers: octal, base-256 and PAX decimals."""

from __future__ import annotations

LARGEST = 2**63 - 1


def parse_field(field: bytes) -> int:
    """A number field of a header: octal digits between spaces and NULs, or GNU's base-256 when the top bit is set.

    Raises ValueError for anything else and for what does not fit 64 bits.
    """
    if field[0] & 0x80:
        return _base_256(field)
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not digits.isdigit():
        raise ValueError(f"{digits!r} is not an octal number")
    return _bounded(int(digits, 8))


def _base_256(field: bytes) -> int:
    """GNU tar's big-endian two's complement; bit 6 of the first byte is the sign."""
    value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    if field[0] & 0x40:
        value -= 1 << (8 * len(field) - 1)
    return _bounded(value)


def parse_decimal(text: bytes) -> int:
    """A PAX integer (pax, "Extended Header Keywords"). Raises ValueError."""
    if not text.removeprefix(b"-").isdigit() or len(text) > 20:
        raise ValueError(f"{text[:40]!r} is not a decimal number")
    return _bounded(int(text))


def parse_time(text: bytes) -> int:
    """A PAX time in seconds, its fraction rounded down. Raises ValueError."""
    whole, _, fraction = text.partition(b".")
    if fraction and not fraction.isdigit():
        raise ValueError(f"{text[:40]!r} is not a time")
    seconds = parse_decimal(whole or b"0")
    return seconds - 1 if whole.startswith(b"-") and fraction.strip(b"0") else seconds


def _bounded(value: int) -> int:
    if not -LARGEST <= value <= LARGEST:
        raise ValueError(f"{value} does not fit 64 bits")
    return value
