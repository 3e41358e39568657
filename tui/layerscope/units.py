"""Formatting and parsing of sizes, percentages, counts and times."""

from __future__ import annotations

import re
import time
from decimal import Decimal

PARTS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
LONGEST_SIZE = 40
"""The longest text, in characters, that `parse_size` accepts."""
_SIZE = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)\s*(?:([kmgtpe])(i)?)?b?", re.IGNORECASE)
_POWERS = " kmgtpe"
GOOD, FAIR = 0.95, 0.8
"""The efficiencies from which an image has little to gain, and from which it is not bad."""


def size_text(size: int) -> str:
    """Format bytes in decimal units with three digits, as docker prints them: `1.02 GB`, `315 MB`, `12 B`."""
    if abs(size) < 1000:
        return f"{size} B"
    value, unit = float(size), 0
    while abs(value) >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {UNITS[unit]}"


def growth_text(grown: int) -> str:
    """Format a change of size: `+1.20 MB`, `-3 B`, `+0 B`."""
    return f"{'+' if grown >= 0 else ''}{size_text(grown)}"


def parse_size(text: str) -> int | None:
    """Parse `20MB` and `300k` (decimal, as Docker prints them), `1.5 GiB` (binary) or a plain number of bytes, in any case.

    Returns None for anything else. The number may be larger than 64 bits hold.
    """
    match = _SIZE.fullmatch(text.strip()) if len(text) <= LONGEST_SIZE else None
    if match is None:
        return None
    return int(Decimal(match[1]) * (1024 if match[3] else 1000) ** _POWERS.index((match[2] or " ").lower()))


def percent_text(share: float) -> str:
    """Format a share as a percentage that never rounds up to 100% or down to 0%: `62.8%`, `99.9%`."""
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    return f"{min(max(100 * share, 0.1), 99.9):.1f}%"


def efficiency_grade(efficiency: float) -> str:
    """Return the color of an efficiency, by the name of a change: `added` from 95%, `modified` from 80%, else `removed`."""
    return "added" if efficiency >= GOOD else "modified" if efficiency >= FAIR else "removed"


def efficiency_word(efficiency: float) -> str:
    """Return its grade in a word, for where there is no color: `good`, `fair` or `poor`."""
    return {"added": "good", "modified": "fair", "removed": "poor"}[efficiency_grade(efficiency)]


def count_text(count: int, noun: str) -> str:
    """Format a count with its noun: `1 file`, `1,802 files`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def bar(share: float, width: int, *, is_ascii: bool = False) -> str:
    """Draw a bar of at most `width` cells for a share from 0 to 1, in eighths of a cell; `#` in ASCII."""
    share = min(max(share, 0.0), 1.0)
    if is_ascii:
        return "#" * max(round(share * width), int(share > 0))
    eighths = max(round(share * width * 8), int(share > 0))
    return "█" * (eighths // 8) + PARTS[eighths % 8]


def utc_text(mtime: int, form: str = "%Y-%m-%d %H:%M") -> str:
    """Format seconds since 1970 in UTC, so that reports are the same everywhere; as a number if no date can be made of them."""
    try:
        return time.strftime(form, time.gmtime(mtime))
    except (OverflowError, ValueError, OSError):
        return str(mtime)
