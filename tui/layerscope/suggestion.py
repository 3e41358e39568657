"""Suggestions after typing mistakes."""

from __future__ import annotations

from collections.abc import Iterable

from layerscope.text import escape


def nearest(word: str, choices: Iterable[str], *, most: int = 1, likeness: float = 0.6) -> list[str]:
    """Return at most `most` of the choices that are like `word`, the most alike first; letter case does not count.

    `likeness` is the least ratio of difflib's SequenceMatcher.
    """
    from difflib import get_close_matches

    by_spelling = {choice.lower(): choice for choice in choices}
    return [by_spelling[near] for near in get_close_matches(word.lower(), by_spelling, n=most, cutoff=likeness)]


def did_you_mean(near: Iterable[str]) -> str:
    """Return the end of a sentence: "; did you mean `a` or `b`?", or nothing if there is nothing near. Escapes the names."""
    names = " or ".join(f"`{escape(name)}`" for name in near)
    return f"; did you mean {names}?" if names else ""


def suggestion(word: str, choices: Iterable[str]) -> str:
    """Return the end of a sentence that complains about `word`: "; did you mean `x`?", or nothing."""
    return did_you_mean(nearest(word, choices))
