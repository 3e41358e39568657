"""Text fitted to terminal cells, as Textual counts them, and figures in columns."""

from __future__ import annotations

from rich.cells import set_cell_size

from layerscope.units import bar, size_text
from layerscope.wording.style import cells

SIZE = 8
"""Cells of a size: `12.3 MB` and `1000 MB` fit."""
TWISTY = {True: "▾ ", False: "▸ "}
"""The sign before what can be unfolded, by whether it is."""


def fitted(text: str, width: int, *, mark: str = "…") -> str:
    """Return `text` in exactly `width` cells: cut and marked where it is longer, padded where it is shorter."""
    if width <= 0:
        return ""
    if cells(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, max(width - cells(mark), 0)) + mark, width)


def size_cell(size: int, *, zero: str = "") -> str:
    """Return a size right-aligned on its unit, such as `12.3 MB` and `  12  B`; `zero` for no bytes."""
    if not size:
        return f"{zero:>{SIZE}}"
    number, _, unit = size_text(size).partition(" ")
    return f"{number:>{SIZE - 3}} {unit:>2}"


def bar_cell(size: int, largest: int, width: int, *, is_ascii: bool = False) -> str:
    """Return a bar of `width` cells for the share of `size` in `largest`."""
    return f"{bar(size / largest if largest else 0.0, width, is_ascii=is_ascii):{width}}"
