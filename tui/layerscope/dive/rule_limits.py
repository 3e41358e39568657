"""The three rules of dive's own gate: their names, their defaults, and their limits as dive 0.13.1 reads them."""

from __future__ import annotations

import re

from layerscope.errors import BadSettings
from layerscope.text import escape

DISABLED = "disabled"
DEFAULTS = {"lowestEfficiency": "0.9", "highestWastedBytes": DISABLED, "highestUserWastedPercent": "0.1"}
DIVE_KEYS = tuple(DEFAULTS)
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SIZE = re.compile(r"([0-9.,]*)(.*)", re.DOTALL)
_UNSIGNED = 1 << 64
_LONGEST = 40


def dive_limit(key: str, text: str) -> float | int | None:
    """Parse the limit of one of DIVE_KEYS: a share, bytes for `highestWastedBytes`, or None where it is disabled.

    Raises BadSettings.
    """
    if text == DISABLED:  # measured: only the word, so written, disables a rule
        return None
    try:
        return _bytes(text) if key == "highestWastedBytes" else _share(text)
    except BadSettings as error:
        raise BadSettings(f"`{key}`: {error}") from error


def _share(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise BadSettings(f"`{escape(text[:_LONGEST])}` is not a ratio from 0 to 1, nor `{DISABLED}`")
    share = float(text)
    if not 0 <= share <= 1:
        raise BadSettings(f"`{escape(text[:_LONGEST])}` is outside of 0 to 1, which dive refuses, too")
    return share


def _bytes(text: str) -> int:
    """Parse a size: `20MB` is decimal, `20MiB` binary; case does not count, nor do commas in the number."""
    match = _SIZE.fullmatch(text)
    number, unit = (match[1].replace(",", ""), match[2].strip().lower()) if match else ("", "")
    powers = {"": 0, "b": 0} | {letter + end: power for power, letter in enumerate("kmgtpe", 1) for end in ("", "b", "i", "ib")}
    if not NUMBER.fullmatch(number) or unit not in powers:
        raise BadSettings(f"`{escape(text[:_LONGEST])}` is not a size such as 20MB, nor `{DISABLED}`")
    size = float(number) * float((1024 if "i" in unit else 1000) ** powers[unit])
    if size >= _UNSIGNED:
        raise BadSettings(f"`{escape(text[:_LONGEST])}` is more bytes than can be counted")
    return int(size)
