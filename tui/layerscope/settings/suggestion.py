"""Suggestions after typing mistakes."""

from __future__ import annotations

from collections.abc import Iterable


def suggestion(word: str, choices: Iterable[str]) -> str:
    """Return the end of an error sentence about `word`: "; did you mean `x`?" with the nearest choice, or nothing."""
    from difflib import get_close_matches

    by_spelling = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), by_spelling, n=1)
    return f"; did you mean `{by_spelling[near[0]]}`?" if near else ""
