"""Columns and color for text on a terminal or in a pipe."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from layerscope.text import escape

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35"}
ASCII_SIGNS = str.maketrans(
    {
        **dict.fromkeys("─━═╌┄┈▁▔", "-"),
        **dict.fromkeys("│┃║▏▕▎▍╎┆┊▌▐", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛╔╗╚╝╋╶╴╵╷", "+"),
        **dict.fromkeys("█▉▊▋▀▄▇▆▅▃▂", "#"),
        **dict(zip("…·→⇒←↑↓≈▾▸▶▲▼◆•✓✗⭘°—░▒▓", "~|>=<^v~v>>****xxoo-.:+", strict=True)),
        "\N{BOX DRAWINGS LIGHT DIAGONAL UPPER RIGHT TO LOWER LEFT}": "/",
    }
)
"""Similar signs for our own where only ASCII can be shown, cell by cell."""


@dataclass(frozen=True, slots=True)
class Style:
    """How text is written: its width in cells, with or without color, and whether in ASCII alone."""

    width: int = 80
    has_color: bool = False
    is_ascii: bool = False

    def paint(self, text: str, *names: str) -> str:
        """Add color or weight to `text`, if colors are on."""
        if not self.has_color or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"

    def plain(self, text: str) -> str:
        """Replace our own signs (… · → ≈ █) by ASCII where only ASCII can be shown."""
        return text.translate(ASCII_SIGNS) if self.is_ascii else text

    def name(self, name: str | bytes) -> str:
        """Escape a name of the image so that it can be shown, in ASCII alone where necessary."""
        shown = escape(name)
        return shown if not self.is_ascii or shown.isascii() else code_points(shown)


def code_points(text: str) -> str:
    """Replace everything outside ASCII by `\\uNNNN` or `\\UNNNNNNNN`; `\\xNN` stays for bytes that are not UTF-8."""
    return "".join(character if character.isascii() else _code_point(ord(character)) for character in text)


def _code_point(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cells(text: str) -> int:
    """Count the terminal cells of `text` as the screen does (rich): two for wide characters, none for combining ones."""
    if text.isascii() and text.isprintable():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut_end(text: str, width: int, *, mark: str = "…") -> str:
    """Shorten `text` to `width` cells by replacing its end with a mark."""
    if cells(text) <= width:
        return text
    return _start(text, max(width - cells(mark), 0)) + mark[: max(width, 0)]


def _start(text: str, room: int) -> str:
    """Return as much of the start of `text` as fits into `room` cells."""
    return text[: max(bisect_right(range(len(text) + 1), room, key=lambda end: cells(text[:end])) - 1, 0)]


def _end(text: str, room: int) -> str:
    """Return as much of the end of `text` as fits into `room` cells, without combining characters of what does not."""
    first = bisect_left(range(len(text)), -room, key=lambda start: -cells(text[start:]))
    return text[next((start for start in range(first, len(text)) if cells(text[start])), len(text)) :]


def cut_middle(text: str, width: int, *, mark: str = "…") -> str:
    """Shorten `text` to `width` cells by replacing its middle with a mark: a path keeps its start and its name."""
    if cells(text) <= width:
        return text
    start = _start(text, max((width - 1) // 3, 0))
    return start + mark[: max(width, 0)] + _end(text, max(width - cells(start) - cells(mark), 0))


def without_shared_start(names: Sequence[str]) -> list[str]:
    """Shorten paths or names to the parts (between `/`) from the first that differs; the last part always stays.

    `/builds/7/app.tar` and `/builds/8/app.tar` become `7/app.tar` and `8/app.tar`.
    """
    parts = [name.split("/") for name in names]
    levels = zip(*(each[:-1] for each in parts), strict=False)
    shared = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
    return ["/".join(each[shared:]) for each in parts]


def wrapped(sentence: str, width: int, *, indent: str = "") -> Iterator[str]:
    """Break a sentence into lines between words, and inside a word that is longer than a line."""
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
