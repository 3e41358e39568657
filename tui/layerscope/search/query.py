"""Parses the filter into conditions: unfinished terms are ignored, wrong ones give a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, cast, get_args

from layerscope.errors import UsageError
from layerscope.search.patterns import exact, fuzzy, glob, is_glob, is_open_glob, regex
from layerscope.search.terms import Comparison, Condition, Is, Query, Size, Text, Touched, Word
from layerscope.units import parse_size

WORDS: Final[tuple[Word, ...]] = get_args(Word)
_COMPARISON = re.compile(r"[<>]=?")
_LAYERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_HALF_TYPED_LAYERS = re.compile(r"([0-9]{1,9}-)?")
_MOST_BYTES = (1 << 63) - 1


def parse(text: str) -> Query:
    r"""Parse a filter; never raises.

    Terms are separated by spaces (`\ ` and `"a b"` hold one) and must all match; `!` before one negates it. `*.pyc` is a glob
    for the name, or with a slash in it for the whole path; `/regex/` is searched in the path; `>10M`, `<=1KiB` compare the size
    of a file; `is:` and one of WORDS, `layer:3`, `layer:3-5`. Anything else is letters that a name has in this order (a path,
    if there is a slash), and after `'` a part of it; their case counts if there is an upper-case letter.
    """
    conditions, problems = [], []
    for word, is_finished in _terms(text):
        try:
            condition = _condition(word, is_finished=is_finished)
        except UsageError as error:
            problems.append(str(error))
            continue
        if condition is not None:
            conditions.append(condition)
    return Query(tuple(conditions), problems[0] if problems else "")


def _terms(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the terms, and whether each one is finished: something follows it."""
    term, is_quoted, is_escaped = "", False, False
    for letter in text:
        if is_escaped:
            term, is_escaped = term + (letter if letter in ' "' else "\\" + letter), False
        elif letter == "\\":
            is_escaped = True
        elif letter == '"':
            is_quoted = not is_quoted
        elif letter == " " and not is_quoted:
            yield term, True
            term = ""
        else:
            term += letter
    yield term + "\\" * is_escaped, False


def _condition(word: str, *, is_finished: bool) -> Condition | None:
    """Return the condition of a term; None while it is unfinished. Raises UsageError for an invalid one."""
    is_negated = word.startswith("!")
    test = _test(word.removeprefix("!"), is_finished=is_finished)
    return None if test is None else Condition(test, is_negated)


def _test(word: str, *, is_finished: bool) -> Text | Size | Is | Touched | None:
    if not word:
        return None
    if word.startswith("is:"):
        return _is(word.removeprefix("is:"), is_finished=is_finished)
    if word.startswith("layer:"):
        return _touched(word.removeprefix("layer:"), is_finished=is_finished)
    if word[0] in "<>":
        return _size(word)
    return _text(word, is_finished=is_finished)


def _is(value: str, *, is_finished: bool) -> Is | None:
    if value in WORDS:
        return Is(value)
    if not value or (not is_finished and any(word.startswith(value) for word in WORDS)):
        return None
    raise UsageError(f"is:{value} is unknown; allowed: {', '.join('is:' + word for word in WORDS)}")


def _touched(value: str, *, is_finished: bool) -> Touched | None:
    match = _LAYERS.fullmatch(value)
    if match:
        first, last = int(match[1]), int(match[2] or match[1])
        if 1 <= first <= last:
            return Touched(first, last)
    # The second number may be the beginning of a bigger one.
    if not value or (not is_finished and (_HALF_TYPED_LAYERS.fullmatch(value) or (match and match[2] and match[1] != "0"))):
        return None
    raise UsageError(f"layer:{value} names no layers; write layer:3, or layer:3-5")


def _size(word: str) -> Size | None:
    comparison = _COMPARISON.match(word)
    value = word[comparison.end() :] if comparison else ""
    if not comparison or value in ("", "."):
        return None
    content_bytes = parse_size(value)
    if content_bytes is None:
        raise UsageError(f"{word} is not a size; write it as >10M, or <=1.5GiB")
    return Size(cast(Comparison, comparison[0]), min(content_bytes, _MOST_BYTES))


def _text(word: str, *, is_finished: bool) -> Text | None:
    if word[0] == "'":
        return exact(word[1:]) if len(word) > 1 else None
    if word[0] == "/":
        return _path_or_regex(word, is_finished=is_finished)
    return _glob_or_fuzzy(word, is_finished=is_finished)


def _path_or_regex(word: str, *, is_finished: bool) -> Text | None:
    """Tell a path from a regular expression: `/etc/passwd` is a path until a slash ends it; `/etc` may become either."""
    if len(word) > 2 and word.endswith("/"):
        return regex(word)
    if len(word) > 2 and (is_finished or "/" in word[1:]):
        return _glob_or_fuzzy(word, is_finished=is_finished)
    return None


def _glob_or_fuzzy(word: str, *, is_finished: bool) -> Text | None:
    if not is_glob(word):
        return fuzzy(word)
    return None if is_open_glob(word) and not is_finished else glob(word)
