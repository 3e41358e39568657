"""The HTML page of a repository's tags: a chart of their sizes, what grew most, and a table. It runs no script at all."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.families.tag_series import LayerGrowth, TagGrowth, TagSeries
from layerscope.report.tag_sizes import (
    TagReport,
    base_sentence,
    change_text,
    date_text,
    growth_cell,
    growth_title,
    series_notes,
    series_sentence,
    telling_changes,
)
from layerscope.report.verdict.html import Cell, section, sentence, shown, table, whole_page
from layerscope.units import growth_text, size_text
from layerscope.wording.style import Style, cut_end

WIDTH, HEIGHT, LEFT, TOP, BELOW = 1000, 300, 64, 8, 96
"""The chart in units of its viewBox: its plot of HEIGHT has room for figures on the left and for names below."""
NARROWEST, WIDEST = 12, 60
"""The least width of a column's place, for a chart of more columns is wider and scrolled; and the greatest of a column."""
LABELS, LONGEST_LABEL, WORST, LONGEST_INSTRUCTION = 5, 16, 30, 300
_PLAIN = Style()
_STYLE = """
.chart { display: block; min-width: 100%; height: auto; }
.chart text { fill: var(--faint); font: 11px var(--mono); }
.chart line { stroke: var(--edge); }
rect.base, i.base { fill: var(--live); background: var(--live); }
rect.own, i.own { fill: var(--accent); background: var(--accent); }
.chart g:hover rect { opacity: 0.75; }
.legend i.base, .legend i.own { display: inline-block; width: 26px; height: 12px; border-radius: 3px; margin-right: 7px;
  vertical-align: -1px; }
"""


def tag_page(report: TagReport) -> bytes:
    """Encode the page."""
    series = report.series
    parts = (
        f"<header><div><h1>{shown(report.name)}</h1><p>{shown(series_sentence(series))}</p></div></header>",
        "<main>",
        section("Size over time", _chart(series)),
        section("Grew most", _worst(series)),
        section("Tags", _tags(series)),
        section("Notes", "".join(f"<p>{sentence(note)}</p>" for note in (*report.notes, *series_notes(series)))),
        "</main>",
        "<footer>Decimal units. Written by layerscope.</footer>",
    )
    return whole_page(f"{report.name}: size over time", "\n".join(filter(None, parts)), more_style=_STYLE)


# The chart.


def _chart(series: TagSeries) -> str:
    count = len(series.tags)
    plot = max(WIDTH - LEFT, NARROWEST * count)
    step = plot / count
    columns = "\n".join(_column(series, number, LEFT + number * step, step) for number in range(count))
    legend = base_sentence(series)
    base = f'<span><i class="base"></i>base: {shown(legend)}</span>' if legend else ""
    size = f'viewBox="0 0 {LEFT + plot} {TOP + HEIGHT + BELOW}"' + (f' width="{LEFT + plot}"' if plot > WIDTH else "")
    return (
        f'<div class="scroll"><svg class="chart" {size} role="img" aria-label="Sizes of all tags, oldest first">\n'
        f"{''.join(_grid(series.largest, LEFT + plot))}\n{columns}\n</svg></div>\n"
        f'<p class="legend"><span><i class="own"></i>own</span>{base}</p>'
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


def _column(series: TagSeries, number: int, x: float, step: float) -> str:
    tag, base = series.tags[number], series.bases[number]
    scale = HEIGHT / series.largest if series.largest else 0.0
    size, of_base = (tag.wire_bytes or 0) * scale, (base.size if base is not None else 0) * scale
    width, bottom = max(min(step * 0.72, WIDEST), 1), TOP + HEIGHT
    x += (step - width) / 2
    facts = (tag.tag, date_text(tag), _size(tag.wire_bytes), growth_cell(series, number, _PLAIN))
    middle = x + width / 2 + 4
    return (
        f"<g><title>{shown(' · '.join(filter(None, facts)))}</title>"
        f'<rect class="own" x="{x:.1f}" y="{bottom - size:.1f}" width="{width:.1f}" height="{max(size - of_base, 0):.1f}"/>'
        f'<rect class="base" x="{x:.1f}" y="{bottom - of_base:.1f}" width="{width:.1f}" height="{of_base:.1f}"/>'
        f'<text x="{middle:.1f}" y="{bottom + 12}" text-anchor="end" transform="rotate(-55 {middle:.1f} {bottom + 12})">'
        f"{shown(cut_end(tag.tag, LONGEST_LABEL))}</text></g>"
    )


def _size(size: int | None) -> str:
    return "?" if size is None else size_text(size)


# The tables.


def _worst(series: TagSeries) -> str:
    worst = series.worst()
    rows = [row for growth in worst[:WORST] for row in _growth_rows(series, growth)]
    heads = ("#Growth", "From → to", "#Layer's growth", "Layer")
    return table("From tag to tag", heads, rows, more=len(worst) - WORST) if rows else ""


def _growth_rows(series: TagSeries, growth: TagGrowth) -> Iterator[tuple[Cell, ...]]:
    changes: list[LayerGrowth | None] = [*telling_changes(growth)]
    for number, change in enumerate(changes or [None]):
        grown, title = (growth_text(growth.grown), growth_title(series, growth, _PLAIN)) if number == 0 else ("", "")
        said = cut_end(change_text(change, _PLAIN), LONGEST_INSTRUCTION) if change is not None else "layers not known"
        layer = Cell(growth_text(change.grown), float(change.grown)) if change is not None else Cell("", 0.0)
        yield Cell(grown, float(growth.grown), look="lost"), Cell(title, look="mono"), layer, Cell(said, look="mono")


def _tags(series: TagSeries) -> str:
    rows = []
    for number in reversed(range(len(series.tags))):
        tag, base, growth = series.tags[number], series.bases[number], series.growths[number]
        own = tag.wire_bytes - base.size if base is not None and tag.wire_bytes is not None else None
        rows.append(
            (
                Cell(tag.tag, look="mono"),
                Cell(date_text(tag)),
                Cell(_size(tag.wire_bytes), float(tag.wire_bytes or 0)),
                Cell("" if own is None else size_text(own), float(own or 0)),
                Cell("" if base is None else size_text(base.size), float(base.size if base is not None else 0)),
                Cell(growth_cell(series, number, _PLAIN), float(growth.grown if growth is not None else 0)),
                Cell(tag.digest.short if tag.digest is not None else "", look="mono"),
            )
        )
    return table("Newest first", ("Tag", "Date", "#Size", "#Own", "#Base", "#Growth", "Digest"), rows)
