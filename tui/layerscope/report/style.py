"""Columns and colour for text on a terminal or in a pipe."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35"}
_PLAIN = str.maketrans({"…": "~", "·": "|", "→": ">", "≈": "~", "─": "-"})


@dataclass(frozen=True, slots=True)
class Style:
    """How text is written: its width in cells, with colour or without, in ASCII alone or not."""

    width: int = 80
    has_colour: bool = False
    is_ascii: bool = False

    def paint(self, text: str, *names: str) -> str:
        """`text` in a colour or weight, if there is colour."""
        if not self.has_colour or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"

    def plain(self, text: str) -> str:
        """Our own signs (… · → ≈) in ASCII where only that will do; names are never changed by it."""
        return text.translate(_PLAIN) if self.is_ascii else text


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
    room = max(width - cells(mark), 0)
    kept = ""
    for character in text:
        room -= _character_cells(character)
        if room < 0:
            break
        kept += character
    return kept + mark[:width]


def cut_middle(text: str, width: int, *, mark: str = "…") -> str:
    """`text` in at most `width` cells, its middle replaced by a mark where it is longer: a path keeps its start and its
    name.
    """
    if cells(text) <= width:
        return text
    left = max((width - 1) // 3, 0)
    start = cut_end(text, left, mark="")
    reversed_end = cut_end(text[::-1], width - cells(start) - cells(mark), mark="")
    return start + mark + reversed_end[::-1]
