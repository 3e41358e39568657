"""Text as roff for man(7): escaped so that a reader sees, and copies, exactly what was written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

# Bare, "-" is a hyphen, "'" and "`" are typographic quotes, "^" and "~" accents: not what was typed, and is copied.
_ESCAPES = {"\\": r"\(rs", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
_CODE = re.compile(r"`([^`\n]+)`")
WIDTH = 72


def escaped(text: str) -> str:
    """Escape text without line ends, which may then be a line or a part of one."""
    return _no_request("".join(_ESCAPES.get(each) or (each if each.isascii() else rf"\[u{ord(each):04X}]") for each in text))


def _no_request(line: str) -> str:
    return rf"\&{line}" if line.startswith(".") else line  # a dot in front would make it a request


def bold(text: str) -> str:
    """Return text in bold."""
    return rf"\fB{escaped(text)}\fR"


def italic(text: str) -> str:
    """Return text in italics, as what a user replaces."""
    return rf"\fI{escaped(text)}\fR"


def section(title: str) -> str:
    """Return the head of a section."""
    return f'.SH "{escaped(title.upper())}"'


def prose(text: str) -> list[str]:
    """Return the lines of a paragraph to be filled, what stands in `backticks` in bold."""
    wrapped = textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
    pieces = _CODE.split(wrapped.replace("\n", "\0"))  # code may go on in the next line
    shown = [bold(piece) if number % 2 else escaped(piece) for number, piece in enumerate(pieces)]
    return [_no_request(line) for line in "".join(shown).split("\0")]


def verbatim(lines: Iterable[str]) -> list[str]:
    """Return lines that are shown as they are, an empty one as an empty one."""
    return [".nf", *(escaped(line.rstrip()) or r"\&" for line in lines), ".fi"]


def item(head: str, text: str) -> list[str]:
    """Return one item of a list: its head, which is roff, and what it means."""
    return [".TP", head, *prose(text)]
