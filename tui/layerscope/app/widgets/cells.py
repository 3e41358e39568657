"""Text in terminal cells, as Textual counts them, and figures in columns."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from layerscope.units import bar, size_text

SIZE = 8
"""Cells of a size: `12.3 MB` and `1000 MB` fit."""


def fitted(text: str, width: int, *, mark: str = "…") -> str:
    """`text` in exactly `width` cells: its end cut and marked where it is longer, spaces where it is shorter."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, max(width - cell_len(mark), 0)) + mark, width)


def size_cell(size: int, *, zero: str = "") -> str:
    """A size, right-aligned on its unit so that figures can be compared: `12.3 MB`, `  12  B`; `zero` for none at all."""
    if not size:
        return f"{zero:>{SIZE}}"
    number, _, unit = size_text(size).partition(" ")
    return f"{number:>{SIZE - 3}} {unit:>2}"


def bar_cell(size: int, largest: int, width: int, *, is_ascii: bool = False) -> str:
    """A bar of `width` cells for a share of the largest."""
    return f"{bar(size / largest if largest else 0.0, width, is_ascii=is_ascii):{width}}"
