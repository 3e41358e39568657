"""What fonts draw with gaps, blocks and lines of terminals, as shapes of SVG that fill their cells exactly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

CELL, LINE = 8.4, 18
"""The width and the height of a cell, in dots."""
SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}
UP, RIGHT = "▁▂▃▄▅▆▇", "▏▎▍▌▋▊▉"
"""Eighths of a cell, from one to seven: from its bottom, and from its left."""
REST = {"▀": (0, 0, 1, 1 / 2), "▔": (0, 0, 1, 1 / 8), "▐": (1 / 2, 0, 1 / 2, 1), "▕": (7 / 8, 0, 1 / 8, 1), "█": (0, 0, 1, 1)}
BLOCKS = frozenset((*SHADES, *UP, *RIGHT, *REST))
STROKES = {"─": "lr", "│": "tb", "┌": "rb", "┐": "lb", "└": "rt", "┘": "lt", "├": "trb", "┤": "tlb", "┬": "lrb", "┴": "lrt"}
STROKES |= {"┼": "lrtb", "╭": "rb", "╮": "lb", "╰": "rt", "╯": "lt"}
"""To which sides of its cell a line leads: left, right, top, bottom."""
MIDDLE = LINE / 2 + 0.5

Place = tuple[float, float, float, float]
"""Left, top, width and height, in cells."""


def kind_of(letter: str) -> str:
    """`block`, `stroke`, or `text` for what a font draws well."""
    return "block" if letter in BLOCKS else "stroke" if letter in STROKES else "text"


def box(place: Place, look: str) -> str:
    """A rectangle."""
    x, y, width, height = place
    written = f'x="{x * CELL:g}" width="{width * CELL:g}"' + (f' y="{y * LINE:g}"' if y else "")
    return f'<rect {written} height="{height * LINE:g}" {look}/>'


def blocks(text: str, column: int) -> Iterator[tuple[Place, float]]:
    """The boxes of block elements side by side, each with its opacity."""
    for letter, letters in groupby(text):
        count = len(list(letters))
        x, y, width, height = _part(letter)
        opacity = SHADES.get(letter, 1)
        if width == 1:
            yield (column, y, count, height), opacity
        else:
            for step in range(count):
                yield (column + step + x, y, width, height), opacity
        column += count


def _part(letter: str) -> Place:
    if letter in UP:
        part = (UP.index(letter) + 1) / 8
        return 0, 1 - part, 1, part
    return (0, 0, (RIGHT.index(letter) + 1) / 8, 1) if letter in RIGHT else REST.get(letter, REST["█"])


def strokes(text: str, column: int) -> str:
    """The path of box-drawing characters side by side."""
    parts = []
    for letter, letters in groupby(text):
        count = len(list(letters))
        if letter == "─":
            parts.append(f"M{column * CELL:g} {MIDDLE:g}h{count * CELL:g}")
        else:
            parts += [_stroke(letter, (column + step) * CELL) for step in range(count)]
        column += count
    return "".join(parts)


def _stroke(letter: str, x: float) -> str:
    middle = x + CELL / 2
    ends = {"l": (x, MIDDLE), "r": (x + CELL, MIDDLE), "t": (middle, 0), "b": (middle, LINE)}
    return "".join(f"M{middle:g} {MIDDLE:g}L{ends[side][0]:g} {ends[side][1]:g}" for side in STROKES[letter])
