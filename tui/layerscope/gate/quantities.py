"""Parses and formats limits and figures: sizes, shares, counts and growth (`20MB`, `1.5GiB`, `5%`, `0.05`, `5MB or 2%`).

A figure and its limit never look equal as text where the numbers differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from layerscope.errors import BadSettings
from layerscope.gate.verdict import RuleResult, Unit
from layerscope.text import did_you_mean, escape
from layerscope.units import parse_size, size_text

MOST_BYTES = (1 << 63) - 1
MOST_COUNT = 1_000_000
_POWERS = " kmgtpe"
_NUMBER = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_COUNT = re.compile(r"[0-9]+")
_LONGEST = 40
_SIZES = "a size such as 20MB, 1.5GiB or 300k"
_SHARES = "a share from 0 to 1 such as 0.05, or a percentage such as 5%"


@dataclass(frozen=True, slots=True)
class Growth:
    """How much growth is allowed: a number of bytes or a share of the former size, whichever is greater."""

    size: int = 0
    share: float = 0.0

    def allowed(self, before: int) -> int:
        """Return the allowed growth in bytes for something that had `before` bytes."""
        return max(self.size, int(Decimal(str(self.share)) * before))

    def __str__(self) -> str:
        parts = [bare_size(self.size)] if self.size or not self.share else []
        return " or ".join([*parts, *([_percent(self.share)] if self.share else [])])


Quantity = int | float | Growth | str
"""What a rule's limit may be: bytes or a count, a share, growth, or the name of a file."""


def size_of(written: object) -> int:
    """Parse a size in bytes: `20MB`, `300k` are decimal, `1.5GiB` is binary, a mere number counts bytes. Raises BadSettings."""
    if isinstance(written, int) and not isinstance(written, bool) and 0 <= written <= MOST_BYTES:
        return written
    size = parse_size(written) if isinstance(written, str) else None
    if size is None:
        raise BadSettings(f"{_shown(written)} is not {_SIZES}")
    if size > MOST_BYTES:
        raise BadSettings(f"{_shown(written)} is more bytes than any image has")
    return size


def share_of(written: object) -> float:
    """Parse a share, `0.05` or `5%`, as a number from 0 to 1. Raises BadSettings, also for NaN and infinity."""
    text = str(written).strip() if isinstance(written, str | int | float) and not isinstance(written, bool) else ""
    number = text.removesuffix("%").rstrip()
    if len(text) > _LONGEST or not _NUMBER.fullmatch(number):
        raise BadSettings(f"{_shown(written)} is not {_SHARES}")
    share = float(Decimal(number) / 100 if text.endswith("%") else Decimal(number))
    if share > 1:
        meant = did_you_mean([f"{number}%"] if not text.endswith("%") and share <= 100 else [])
        raise BadSettings(f"{_shown(written)} is more than 100%{meant}")
    return share


def count_of(written: object) -> int:
    """Parse a whole number. Raises BadSettings."""
    if isinstance(written, str) and len(written) <= _LONGEST and _COUNT.fullmatch(written.strip()):
        written = int(written)
    if not isinstance(written, int) or isinstance(written, bool) or not 0 <= written <= MOST_COUNT:
        raise BadSettings(f"{_shown(written)} is not a number such as 20")
    return written


def growth_of(written: object) -> Growth:
    """Parse `5MB`, `2%` or `5MB or 2%` (the greater wins); each may have a leading plus. Raises BadSettings."""
    if not isinstance(written, str):
        return Growth(size=size_of(written))
    size, share = None, None
    for part in re.split(r"\s+or\s+|\s*,\s*", written.strip().lower()):
        bare = part.removeprefix("+").strip()
        if bare.endswith("%") and share is None:
            share = share_of(bare)
        elif not bare.endswith("%") and size is None:
            size = size_of(bare)
        else:
            raise BadSettings(f"{_shown(written)} is not a growth such as 5MB, 2%, or 5MB or 2%")
    return Growth(size or 0, share or 0.0)


def text_of(quantity: Quantity) -> str:
    """Format a quantity for a file, exactly: reading it gives the same value again."""
    if isinstance(quantity, Growth | str):
        return str(quantity)
    return repr(quantity)


def bare_size(size: int) -> str:
    """Format a size as `5MB` or `1.2GB` where that is exact, else as a plain number of bytes."""
    for power in range(6, 0, -1):
        if size >= 1000**power and 10 * size % 1000**power == 0:
            number = f"{Decimal(size) / 1000**power:f}".removesuffix(".0")
            return f"{number}{'k' if power == 1 else _POWERS[power].upper()}B"
    return str(size)


def _percent(share: float) -> str:
    return f"{Decimal(str(share)) * 100:f}".rstrip("0").rstrip(".") + "%" if share else "0%"


def _shown(written: object) -> str:
    text = str(written)
    if isinstance(written, bool):
        text = text.lower()
    return f"`{escape(text if len(text) <= _LONGEST else text[:_LONGEST] + '...')}`"


def size_and_bytes(size: int) -> str:
    """Format a size as `20.0 MB (19,999,999 bytes)`, for places where the rounded size alone would hide a difference."""
    return f"{size_text(size)} ({size:,} bytes)"


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put `name` in front of the sentence of a BadSettings raised inside the block."""
    try:
        yield
    except BadSettings as error:
        raise BadSettings(f"{name}: {error}") from error


_MOST_DIGITS = 12


def figure_text(value: float, unit: Unit, *, digits: int = 1) -> str:
    """Format a figure: `383 MB`, `62.8%`, `10`."""
    if unit is Unit.BYTES:
        return size_text(int(value))
    return f"{100 * value:.{digits}f}%" if unit is Unit.SHARE else f"{int(value):,}"


def exact_text(value: float, unit: Unit) -> str:
    """Format a figure exactly: sizes to the last byte, shares with 12 digits."""
    return f"{int(value):,} B" if unit is Unit.BYTES else figure_text(value, unit, digits=_MOST_DIGITS)


def measured_and_limit(result: RuleResult) -> tuple[str, str]:
    """Format a result's figure and limit with as many digits as it takes to tell them apart; an estimate gets a ≈ in front."""
    measured, limit, unit = result.measured, result.limit, result.unit
    pair = figure_text(measured, unit), figure_text(limit, unit)
    digits = 2
    while measured != limit and pair[0] == pair[1] and unit is Unit.SHARE and digits <= _MOST_DIGITS:
        pair = figure_text(measured, unit, digits=digits), figure_text(limit, unit, digits=digits)
        digits += 1
    if measured != limit and pair[0] == pair[1]:
        pair = exact_text(measured, unit), exact_text(limit, unit)
    return f"≈{pair[0]}" if result.is_estimate else pair[0], pair[1]


def margin_text(result: RuleResult) -> str:
    """Format how far inside (+) or beyond (-) the limit a figure is: `+1.20 MB`, `-27.2%` (percentage points), `0`."""
    margin, unit = result.margin, result.unit
    if unit is not Unit.SHARE:
        return ("+" if margin > 0 else "") + figure_text(margin, unit)
    digits = 1
    while margin and digits < _MOST_DIGITS and not float(f"{100 * margin:.{digits}f}"):
        digits += 1
    return f"{100 * margin:+.{digits}f}%" if margin else "0%"
