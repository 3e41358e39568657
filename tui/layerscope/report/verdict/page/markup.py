"""HTML from text: everything is escaped here, and nowhere else."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layerscope.text import escape

_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: its text, a number to sort it by (None: by its text), and how it looks (`mono`: a name,
    `says`: a sentence, `lost`, ...).

    `markup` stands before the text and is HTML of ours.
    """

    text: str
    value: float | None = None
    look: str = ""
    markup: str = ""


def shown(text: str | bytes) -> str:
    """Escape text for content and for attributes in quotes."""
    return html.escape(escape(text))


def sentence(text: str) -> str:
    """Escape a sentence; what it quotes in backticks becomes code."""
    return _QUOTED.sub(r"<code>\1</code>", shown(text))


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, more: int = 0) -> str:
    """Build a table. Columns whose head starts with `#` hold figures; `more` rows are reported as left out."""
    names = "".join(_head(head) for head in heads)
    body = "\n".join(_row(row) for row in rows)
    foot = f'<tfoot><tr><td colspan="{len(heads)}">and {more:,} more</td></tr></tfoot>' if more > 0 else ""
    return (
        f'<div class="scroll"><table><caption>{sentence(caption)}</caption>\n<thead><tr>{names}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>{foot}</table></div>"
    )


def _head(head: str) -> str:
    figures = ' class="figure"' if head.startswith("#") else ""
    name = shown(head.removeprefix("#"))
    return f'<th scope="col"{figures}>{name}</th>'


def _row(cells: Sequence[Cell]) -> str:
    return f"<tr>{''.join(_cell(cell) for cell in cells)}</tr>"


def _cell(cell: Cell) -> str:
    look = " ".join(filter(None, ("figure" if cell.value is not None else "", cell.look)))
    value = f' data-value="{cell.value!r}"' if cell.value is not None else ""
    looks = f' class="{look}"' if look else ""
    text = sentence(cell.text) if cell.look == "says" else shown(cell.text)
    return f"<td{looks}{value}>{cell.markup}{text}</td>"


def bar(live: float, wasted: float) -> str:
    """Draw a bar for shares from 0 to 1, by attributes, because the page's policy allows no inline styles."""
    solid, lost = round(1000 * live), round(1000 * wasted)
    return (
        '<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="live" width="{solid}" height="10"/><rect class="waste" x="{solid}" width="{lost}" height="10"/></svg>'
    )
