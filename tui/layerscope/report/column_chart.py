"""A chart of columns over time as SVG in a page: each column has two parts, a title, and a label below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layerscope.report.verdict.html import shown
from layerscope.units import size_text
from layerscope.wording.style import cut_end

WIDTH, HEIGHT, LEFT, TOP, BELOW = 1000, 300, 64, 8, 96
"""The chart in units of its viewBox: its plot of HEIGHT has room for figures on the left and for names below."""
NARROWEST, WIDEST = 12, 60
"""The least width of a column's place, for a chart of more columns is wider and scrolls; and the greatest of a column."""
LABELS, LONGEST_LABEL = 5, 16
STYLE = """
.chart { display: block; min-width: 100%; height: auto; }
.chart text { fill: var(--faint); font: 11px var(--mono); }
.chart line { stroke: var(--edge); }
rect.base, i.base { fill: var(--live); background: var(--live); }
rect.own, i.own { fill: var(--accent); background: var(--accent); }
.chart g:hover rect { opacity: 0.75; }
.legend i.base, .legend i.own { display: inline-block; width: 26px; height: 12px; border-radius: 3px; margin-right: 7px;
  vertical-align: -1px; }
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what the mouse over it tells, its label, its bytes, and how many of them are the lower part."""

    title: str
    label: str
    size: int
    lower: int = 0


def column_chart(columns: Sequence[Column], aria: str) -> str:
    """Return the chart, which scrolls where it is wider than the page."""
    largest = max((column.size for column in columns), default=0)
    plot = max(WIDTH - LEFT, NARROWEST * len(columns))
    step = plot / max(len(columns), 1)
    drawn = "\n".join(_column(column, largest, LEFT + number * step, step) for number, column in enumerate(columns))
    size = f'viewBox="0 0 {LEFT + plot} {TOP + HEIGHT + BELOW}"' + (f' width="{LEFT + plot}"' if plot > WIDTH else "")
    return (
        f'<div class="scroll"><svg class="chart" {size} role="img" aria-label="{shown(aria)}">\n'
        f"{''.join(_grid(largest, LEFT + plot))}\n{drawn}\n</svg></div>"
    )


def _grid(largest: int, right: float) -> Iterator[str]:
    """Yield a line with its size at each round number of bytes, five or six at most."""
    if not largest:
        return
    power = 10 ** max(len(str(largest)) - 2, 0)
    step = next(power * factor for factor in (1, 2, 5, 10, 20, 50) if largest / (power * factor) <= LABELS)
    for size in range(0, largest + 1, step):
        y = TOP + HEIGHT * (1 - size / largest)
        yield f'<line x1="{LEFT}" x2="{right:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{size_text(size)}</text>'


def _column(column: Column, largest: int, x: float, step: float) -> str:
    scale = HEIGHT / largest if largest else 0.0
    size, lower = column.size * scale, column.lower * scale
    width, bottom = max(min(step * 0.72, WIDEST), 1), TOP + HEIGHT
    x += (step - width) / 2
    middle = x + width / 2 + 4
    return (
        f"<g><title>{shown(column.title)}</title>"
        f'<rect class="own" x="{x:.1f}" y="{bottom - size:.1f}" width="{width:.1f}" height="{max(size - lower, 0):.1f}"/>'
        f'<rect class="base" x="{x:.1f}" y="{bottom - lower:.1f}" width="{width:.1f}" height="{lower:.1f}"/>'
        f'<text x="{middle:.1f}" y="{bottom + 12}" text-anchor="end" transform="rotate(-55 {middle:.1f} {bottom + 12})">'
        f"{shown(cut_end(column.label, LONGEST_LABEL))}</text></g>"
    )
