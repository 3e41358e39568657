"""Columns and color for text on a terminal or in a pipe."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.text import escape

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35"}
_PLAIN = str.maketrans({"…": "~", "·": "|", "→": ">", "≈": "~", "─": "-"})


@dataclass(frozen=True, slots=True)
class Style:
    """How text is written: its width in cells, with color or without, in ASCII alone or not."""

    width: int = 80
    has_color: bool = False
    is_ascii: bool = False

    def paint(self, text: str, *names: str) -> str:
        """`text` in a color or weight, if there is color."""
        if not self.has_color or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"

    def plain(self, text: str) -> str:
        """Our own signs (… · → ≈) in ASCII where only that will do."""
        return text.translate(_PLAIN) if self.is_ascii else text

    def name(self, name: str | bytes) -> str:
        """A name of the image, escaped so that it can be shown: in ASCII alone where only that will do."""
        shown = escape(name)
        return shown if not self.is_ascii or shown.isascii() else code_points(shown)


def code_points(text: str) -> str:
    r"""`text` with `\uNNNN` or `\UNNNNNNNN` for all that is not ASCII; `\xNN` is kept for bytes that are not UTF-8."""
    return "".join(character if character.isascii() else _code_point(ord(character)) for character in text)


def _code_point(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cells(text: str) -> int:
    """How many terminal cells printable text takes: two for wide characters, none for combining ones (Unicode UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(_character_cells(character) for character in text)


def _character_cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut_end(text: str, width: int, *, mark: str = "…") -> str:
    """`text` in at most `width` cells, its end replaced by a mark where it is longer."""
    if cells(text) <= width:
        return text
    return _start(text, max(width - cells(mark), 0)) + mark[: max(width, 0)]


def _start(text: str, room: int) -> str:
    """As much of the start of `text` as fits into `room` cells."""
    kept = ""
    for character in text:
        room -= _character_cells(character)
        if room < 0:
            break
        kept += character
    return kept


def cut_middle(text: str, width: int, *, mark: str = "…") -> str:
    """`text` in at most `width` cells, its middle replaced by a mark where it is longer: a path keeps its start and its
    name.
    """
    if cells(text) <= width:
        return text
    start = _start(text, max((width - 1) // 3, 0))
    end = _start(text[::-1], max(width - cells(start) - cells(mark), 0))
    return start + mark[: max(width, 0)] + end[::-1]


def wrapped(sentence: str, width: int, *, indent: str = "") -> Iterator[str]:
    """The lines of a sentence, broken between words, and inside a word that is longer than a line."""
    line = indent
    for word in sentence.split(" "):
        longer = f"{line} {word}" if line.strip() else line + word
        if cells(longer) <= width:
            line = longer
            continue
        if line.strip():
            yield line
        line = indent + word
        while cells(line) > width:
            piece = _start(line, width)
            yield piece
            line = indent + line[len(piece) :]
    yield line
