"""Parses a filter into conditions: words, globs, regular expressions, and tests of columns such as size or kind.

Unfinished terms are ignored, wrong ones give a sentence. A pattern comes with the substrings that it requires, so that few
names are examined.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, cast, get_args

from layerscope.errors import UsageError
from layerscope.limits import PATTERN_BYTES
from layerscope.search.globs import GLOB_TOKEN, Glob, compile_glob
from layerscope.units import parse_size

_COMPARISON = re.compile(r"[<>]=?")
_LAYERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_HALF_TYPED_LAYERS = re.compile(r"([0-9]{1,9}-)?")
_MOST_BYTES = (1 << 63) - 1
Comparison = Literal[">", ">=", "<", "<="]
Word = Literal["added", "modified", "changed", "removed", "wasted", "link", "dir", "file", "exec"]
WORDS: Final[tuple[Word, ...]] = get_args(Word)
_REGEX_TOKEN = re.compile(rb"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_HARD = re.compile(rb"[|{]|\(\?|\\[0-9x]")
"""Syntax of regular expressions that is too hard to derive a required text from: alternatives, counts, extensions, numbers."""
_ANYWHERE, _DEEP = b"/**/", re.compile(rb"/|\*\*")
_MOST_PIECES, _LONGEST_PIECE = 8, 16
_SPECIAL = b"\\[](){}.^$|?*+"


@dataclass(frozen=True, slots=True)
class Text:
    """A test for text: `pieces` follow each other in a name, or with `is_path` in a path without its leading slash.

    `is_folded`: case does not count, and the pieces are lower-case. `at_start` and `at_end`: the first piece must be at the
    start, the last at the end. `literal` is what was typed, to rank hits; empty for patterns. With a `glob`, `regex` or `word`
    the pieces are only a necessary condition: a glob must then match all of the name or path, a regular expression is searched
    in "/" and the path, and so is `word`, an escaped literal that cannot take long.
    """

    pieces: tuple[bytes, ...]
    literal: bytes = b""
    is_path: bool = False
    is_folded: bool = False
    at_start: bool = False
    at_end: bool = False
    glob: Glob | None = None
    regex: bytes = b""
    word: re.Pattern[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """A test for files whose content is larger or smaller than `content_bytes`."""

    comparison: Comparison
    content_bytes: int


@dataclass(frozen=True, slots=True)
class Is:
    """A test for a change, a kind or a property of a node, named by `word`.

    `changed` is another word for `modified`; `removed` is everything that no longer exists.
    """

    word: Word


@dataclass(frozen=True, slots=True)
class Touched:
    """A test for paths that one of the layers `first` to `last` wrote or removed."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A test, or with `is_negated` its opposite."""

    test: Text | Size | Is | Touched
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold. `problem` is a sentence about the first invalid term, which is ignored."""

    conditions: tuple[Condition, ...] = ()
    problem: str = ""


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
            test = _test(word.removeprefix("!"), is_finished=is_finished)
        except UsageError as error:
            problems.append(str(error))
            continue
        if test is not None:
            conditions.append(Condition(test, is_negated=word.startswith("!")))
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


def _test(word: str, *, is_finished: bool) -> Text | Size | Is | Touched | None:
    """Return the test of a term; None while it is unfinished. Raises UsageError for an invalid one."""
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
        # `/etc/passwd` is a path until a slash ends it; `/etc` may become a path or a regular expression.
        if len(word) > 2 and word.endswith("/"):
            return regex(word)
        if len(word) <= 2 or not (is_finished or "/" in word[1:]):
            return None
    return _glob_or_fuzzy(word, is_finished=is_finished)


def _glob_or_fuzzy(word: str, *, is_finished: bool) -> Text | None:
    if not is_glob(word):
        return fuzzy(word)
    return None if is_open_glob(word) and not is_finished else glob(word)


def raw(text: str) -> bytes:
    """Encode text as the bytes of a file name; surrogates become the bytes that they escape."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def fuzzy(word: str) -> Text:
    """Return the test for names that have the letters of `word` one after the other, with anything between them."""
    letters = word.lstrip("/")
    return _plain(letters, tuple(map(raw, _folded(letters))), is_path="/" in word)


def exact(word: str) -> Text:
    """Return the test for names that contain `word`; it may begin with the slash before a path, which stored paths lack."""
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
    """Return the test of a glob, for the last component of a path or, if it has a slash, for the whole path.

    Raises UsageError for an invalid set.
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
    """Split `runs` at NULs, which stand for wildcards, into the literal text between them.

    The first or last text is empty if there is a wildcard at that end; other empty ones are left out.
    """
    first, *others = runs.replace(b"\0/\0", b"/\0").split(b"\0")
    return [first, *filter(None, others[:-1]), *others[-1:]]


def regex(word: str) -> Text:
    """Return the test of the regular expression between the two slashes of `word`. Raises UsageError when it is invalid."""
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
    """Return the test of a regular expression, `/regex/`, or of a glob, anything else. Raises UsageError if it is invalid."""
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
