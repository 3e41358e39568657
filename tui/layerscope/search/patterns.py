"""Globs, regular expressions and plain words as `Text`, with the substrings they require, so that few names are examined."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

from layerscope.errors import UsageError
from layerscope.limits import PATTERN_BYTES
from layerscope.search.globs import GLOB_TOKEN, compile_glob
from layerscope.search.terms import Text

_REGEX_TOKEN = re.compile(rb"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_HARD = re.compile(rb"[|{]|\(\?|\\[0-9x]")
"""Parts of a regular expression from which no required text is derived: alternatives, counts, extensions, numbers."""
_ANYWHERE, _DEEP = b"/**/", re.compile(rb"/|\*\*")
_MOST_PIECES, _LONGEST_PIECE = 8, 16
_SPECIAL = b"\\[](){}.^$|?*+"


def raw(text: str) -> bytes:
    """Encode text as the bytes of a name."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def fuzzy(word: str) -> Text:
    """Match the letters of `word` one after the other, with anything between them."""
    letters = word.lstrip("/")
    return _plain(letters, tuple(map(raw, _folded(letters))), is_path="/" in word)


def exact(word: str) -> Text:
    """Match the word itself, anywhere; it may include the slash before a path, which stored paths lack."""
    if word.startswith("/"):
        flags = re.IGNORECASE if _is_folded(word) else 0
        text = _plain(word.lstrip("/"), (raw(_folded(word.lstrip("/"))),), is_path=True)
        return replace(text, pieces=tuple(filter(None, text.pieces)), word=re.compile(re.escape(raw(word)), flags))
    return _plain(word, (raw(_folded(word)),), is_path="/" in word)


def _plain(word: str, pieces: tuple[bytes, ...], *, is_path: bool) -> Text:
    return Text(pieces, raw(_folded(word)), is_path=is_path, is_folded=_is_folded(word))


def _is_folded(word: str) -> bool:
    return not any(letter.isupper() for letter in word)


def _folded(word: str) -> str:
    """Convert ASCII letters to lower case; names are bytes, so no other letters have a case, and lengths stay the same."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in word) if _is_folded(word) else word


def is_glob(word: str) -> bool:
    """Tell whether a word has a wildcard or a complete set."""
    return GLOB_TOKEN.search(raw(word)) is not None


def is_open_glob(word: str) -> bool:
    """Tell whether the last set of a glob is still being typed."""
    return b"[" in GLOB_TOKEN.split(raw(word))[-1]


def glob(word: str) -> Text:
    """Match a glob with the last component, or, if it has a slash, with the whole path. Raises UsageError for an invalid
    set.
    """
    pattern, is_path = raw(word), "/" in word
    rooted = b"/" + pattern if is_path and not pattern.startswith(b"/") else pattern
    if rooted.startswith(_ANYWHERE) and not _DEEP.search(rooted, len(_ANYWHERE)):
        rooted, is_path = rooted.removeprefix(_ANYWHERE), False  # `**/*.pem` restricts only the last component
    tokens = GLOB_TOKEN.split(rooted)
    # `a/**/b` fits `a/b`: the slash before is there in any case, the one after only with something between.
    runs = b"\0".join(b"/\0" if token == b"/**/" else b"" if index % 2 else token for index, token in enumerate(tokens))
    first, *others = _joined(runs)
    if is_path:
        first = first.removeprefix(b"/")
    pieces = [piece for piece in (first, *others) if piece]
    at_start, at_end = bool(first), bool(others and others[-1])
    few = _few(pieces, at_end=at_end)
    is_simple = set(tokens[1::2]) == {b"**" if is_path else b"*"} and few == pieces
    try:
        automaton = None if is_simple else compile_glob(rooted, is_path=is_path)
    except ValueError as error:
        raise UsageError(f"the pattern {word!r} cannot be read: {error}") from error
    return Text(tuple(few), is_path=is_path, at_start=at_start, at_end=at_end, glob=automaton)


def _few(pieces: list[bytes], *, at_end: bool) -> list[bytes]:
    """Choose a few short substrings that every name with all of `pieces` contains, so that searching stays cheap."""
    last = [pieces[-1][-_LONGEST_PIECE:]] if at_end else []
    others = pieces[: len(pieces) - len(last)][: _MOST_PIECES - len(last)]
    return [piece[:_LONGEST_PIECE] for piece in others] + last


def _joined(runs: bytes) -> list[bytes]:
    """Return the literal runs between wildcards, with empty ones at the ends for wildcards there."""
    first, *others = runs.replace(b"\0/\0", b"/\0").split(b"\0")
    return [first, *filter(None, others[:-1]), *others[-1:]]


def regex(word: str) -> Text:
    """Match the regular expression between two slashes. Raises UsageError when it is invalid."""
    source = raw(word[1:-1])
    if len(source) > PATTERN_BYTES:
        raise UsageError(f"a pattern of {len(source)} bytes is longer than the {PATTERN_BYTES} allowed: shorten it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `[[` will mean something else one day
            re.compile(source, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"the pattern {word!r} cannot be read: {error}") from error
    piece = required_literal(source).lstrip(b"/")[:_LONGEST_PIECE]
    return Text((piece,) if piece else (), is_path=True, regex=source)


def pattern_text(pattern: str) -> Text:
    """Parse `/regex/`, or anything else as a glob. Raises UsageError for an invalid pattern."""
    is_regex = len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/")
    return regex(pattern) if is_regex else glob(pattern)


def required_literal(source: bytes) -> bytes:
    """Return the longest substring that every match of a regular expression contains; empty when that is hard to tell."""
    if _HARD.search(source):
        return b""
    runs, depth = [b""], 0
    for token in _REGEX_TOKEN.findall(source):
        if token in (b"(", b")"):
            depth += 1 if token == b"(" else -1
        if token in (b"?", b"*"):
            runs[-1] = runs[-1][:-1]
        letter = _letter(token)
        if letter and depth == 0:
            runs[-1] += letter
        else:
            runs.append(b"")
    return max(runs, key=len)


def _letter(token: bytes) -> bytes:
    """Return the one byte that a token of a regular expression stands for; empty for any other token."""
    if len(token) == 2 and not token[1:].isalnum():
        return token[1:]
    return token if len(token) == 1 and token not in _SPECIAL else b""
