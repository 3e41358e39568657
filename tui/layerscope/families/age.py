"""The age of an image in words."""

from __future__ import annotations

from datetime import UTC, datetime

_STEPS = (("year", 365 * 86400), ("month", 30 * 86400), ("week", 7 * 86400), ("day", 86400), ("hour", 3600), ("min", 60))
OLDEST = 150 * 365 * 86400
"""The oldest time taken for a build's: reproducible builds state 1970, or year 1."""


def age_text(created: str, now: float) -> str:
    """Return, for example, `3 days` for an RFC 3339 time; empty if it is invalid or not a build's time."""
    try:
        moment = datetime.fromisoformat(created[:19]).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return ""
    seconds = now - moment
    if moment <= 86400 or seconds < 0 or seconds > OLDEST:
        return ""
    for word, length in _STEPS:
        count = int(seconds // length)
        if count >= (1 if word in ("day", "hour", "min") else 2):
            return f"{count} {word}" + ("s" if count > 1 else "")
    return "now"
