"""Escapes text from images, so that no control character reaches a terminal, a log or a report.

Also suggests words after typing mistakes.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain

_UNUSUAL = re.compile(r"[^ -~]")
_ALL_BUT_LAYOUT = re.compile(r"[^\n\t]+")
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories that are escaped: control, format (bidi, zero width), unassigned, private, surrogate, line separator."""

NOT_ON = frozenset({"", "0", "false", "no", "off"})
"""Values of an environment variable that mean no."""


def escape(text: str | bytes) -> str:
    r"""Escape what could act on a terminal or is invisible; everything else in `text` stays.

    `\xNN` is always one byte: an ASCII control character, or a byte that is not UTF-8 (also as a `surrogateescape` character).
    `\uNNNN` and `\UNNNNNNNN` are code points: C1 controls, bidi and zero-width characters, separators, unassigned and private
    ones, other lone surrogates. A backslash stays as it is, so the result is for reading, not for parsing.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if not _UNUSUAL.search(text):
        return text
    return _UNUSUAL.sub(_escape_one, text)


def _escape_one(match: re.Match[str]) -> str:
    character = match[0]
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:  # PEP 383: U+DC80 and up stand for bytes that could not be decoded
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def harmless_text(pieces: Iterable[bytes]) -> Iterator[str]:
    """Decode the pieces of a file, and escape control characters except line ends and tabs. A character may span pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for piece in chain(pieces, [b""]):
        text = decoder.decode(piece, final=not piece)
        yield _ALL_BUT_LAYOUT.sub(lambda match: escape(match[0]), text)


def utf8_text(text: str) -> str:
    """Escape what UTF-8 and so JSON cannot carry: lone surrogates, which come from arguments that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


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
