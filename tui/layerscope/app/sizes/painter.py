"""Painting the boxes of a treemap with block characters: whole cells of color, halves at the edges, and names where they fit.

A line of boxes is half a character high. Each box ends with a gap: the right half of its last column, and its last line. So no
character has parts of two boxes, and one color on the ground is enough for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from layerscope.sizes.boxes import Box
from layerscope.sizes.colors import Shading
from layerscope.units import size_text
from layerscope.wording.style import cells, cut_end

Texts = npt.NDArray[np.object_]
Numbers = npt.NDArray[np.int32]

FILLS, SOLID = "░▒▓", "█"
"""What boxes are filled with where a terminal has few colors or none; `SOLID` is for the box under the cursor."""
HATCH = "\N{BOX DRAWINGS LIGHT DIAGONAL UPPER RIGHT TO LOWER LEFT}"
"""What fills the part of a box that is wasted."""
RULE = "─"
"""What follows the name of a divided box where it cannot have a ground of its own."""
ANSI_HUES = ("blue", "cyan", "green", "yellow", "bright_blue", "bright_cyan", "bright_green", "bright_yellow")
SHORTEST = 5
"""The fewest cells of a name that is cut."""
_EDGES = {(1, 1, 1): "▌", (1, 0, 0): "▀", (1, 0, 1): "▘", (0, 1, 0): "▄", (0, 1, 1): "▖"}
"""The character of an edge: whether its upper half and its lower half are of the box, and whether it ends the box's columns."""
_ASCII_EDGES = {(1, 1, 1): "|", (1, 0, 0): "_", (1, 0, 1): "|", (0, 1, 0): " ", (0, 1, 1): " "}


@dataclass(frozen=True, slots=True)
class Palette:
    """The colors of a map. `shading` is None where boxes are told apart by `FILLS`, as in 16 colors and without any.

    `text` is the style of names, `lost` that of what is wasted, `cursor` that of the box under the cursor.
    """

    shading: Shading | None
    text: Style
    lost: Style
    cursor: Style
    is_ascii: bool = False

    def fill(self, box: Box, *, is_chosen: bool) -> tuple[str, Style, Style]:
        """Return what fills a box: a character, its style, and the style of the box's edges."""
        if self.shading is not None:
            ground = Color.from_rgb(*self.shading.rgb(box.hue, box.depth, is_rest=box.is_rest))
            if is_chosen and self.cursor.bgcolor is not None:
                ground = self.cursor.bgcolor
            return " ", Style(bgcolor=ground), Style(color=ground)
        style = Style(color=self.cursor.bgcolor if is_chosen else ANSI_HUES[box.hue % len(ANSI_HUES)])
        text = SOLID if is_chosen else RULE if box.head else FILLS[(box.hue + box.depth) % len(FILLS)]
        return text, style, style

    def name(self, box: Box, *, is_chosen: bool) -> Style:
        """Return the style of a box's name."""
        if self.shading is None:
            return self.text + Style(bold=is_chosen or bool(box.head))
        _, ground, _ = self.fill(box, is_chosen=is_chosen)
        return ground + (Style(color=self.cursor.color, bold=True) if is_chosen else self.text + Style(bold=bool(box.head)))


class Canvas:
    """A grid of characters, each with the number of its style. The characters of a name are put over the boxes."""

    def __init__(self, width: int, height: int, ground: Style) -> None:
        self.width, self.height = width, height
        self._texts: Texts = np.full((height, width), " ", np.object_)
        self._looks: Numbers = np.zeros((height, width), np.int32)
        self._styles = [ground]

    def look(self, style: Style) -> int:
        """Return the number of a style."""
        self._styles.append(style)
        return len(self._styles) - 1

    def fill(self, rows: slice, columns: slice, text: str, look: int) -> None:
        """Fill a rectangle with one character."""
        self._texts[rows, columns] = text
        self._looks[rows, columns] = look

    def write(self, row: int, column: int, text: str, look: int) -> None:
        """Write a text, whose characters may be wide or combine with the one before."""
        at = column
        for character in text:
            width = cells(character)
            if not width:
                self._texts[row, at - 1] += character
                continue
            self._texts[row, at] = character
            self._texts[row, at + 1 : at + width] = ""
            at += width
        self._looks[row, column:at] = look

    def segments(self, row: int) -> list[Segment]:
        """Return a row, a segment for each run of one style."""
        looks = self._looks[row]
        starts = [0, *(np.flatnonzero(np.diff(looks)) + 1).tolist()]
        ends = [*starts[1:], self.width]
        texts = self._texts[row]
        return [Segment("".join(texts[start:end]), self._styles[looks[start]]) for start, end in zip(starts, ends, strict=True)]


def paint(boxes: Sequence[Box], names: Sequence[str], palette: Palette, chosen: int, size: tuple[int, int]) -> Canvas:
    """Paint boxes on a canvas of `size`, columns and rows of characters. `chosen` is the index of the cursor's box."""
    canvas = Canvas(*size, Style())
    # A box at a time: there are no more than the screen has room for.
    for index, (box, name) in enumerate(zip(boxes, names, strict=True)):
        is_chosen = index == chosen
        _paint_box(canvas, box, palette, is_chosen=is_chosen)
        _write_name(canvas, box, name, canvas.look(palette.name(box, is_chosen=is_chosen)))
    return canvas


def _paint_box(canvas: Canvas, box: Box, palette: Palette, *, is_chosen: bool) -> None:
    text, inner, edge = palette.fill(box, is_chosen=is_chosen)
    edges = _ASCII_EDGES if palette.is_ascii else _EDGES
    inside, outline = canvas.look(inner), canvas.look(edge)
    bottom = box.top + box.head if box.head else box.bottom - 1
    columns, last = slice(box.left, box.right - 1), slice(box.right - 1, box.right)
    first_row, end_row = (box.top + 1) // 2, bottom // 2
    canvas.fill(slice(first_row, end_row), columns, text, inside)
    canvas.fill(slice(first_row, end_row), last, edges[1, 1, 1], outline)
    if box.top % 2:
        canvas.fill(slice(box.top // 2, first_row), columns, edges[0, 1, 0], outline)
        canvas.fill(slice(box.top // 2, first_row), last, edges[0, 1, 1], outline)
    if bottom % 2:
        canvas.fill(slice(end_row, end_row + 1), columns, edges[1, 0, 0], outline)
        canvas.fill(slice(end_row, end_row + 1), last, edges[1, 0, 1], outline)
    lost = round((end_row - first_row) * box.wasted / box.size)
    if lost and not box.head:
        canvas.fill(slice(end_row - lost, end_row), columns, HATCH, canvas.look(inner + palette.lost))


def _write_name(canvas: Canvas, box: Box, name: str, look: int) -> None:
    """Write the name on the first whole row, and the size behind it, or below it where there is another row."""
    row, end = (box.top + 1) // 2, (box.bottom - 1) // 2
    room = box.right - box.left - 2
    if row >= end or room < min(SHORTEST, cells(name)):
        return
    size, left = size_text(box.size), box.left + (1 if room > 2 * SHORTEST else 0)
    room -= left - box.left
    is_beside = cells(name) + len(size) + 2 <= room
    canvas.write(row, left, cut_end(f"{name}  {size}" if is_beside else name, room), look)
    if not is_beside and not box.head and end - row > 1 and len(size) <= room:
        canvas.write(row + 1, left, size, look)
