"""The HTML page of a repository's tags: a chart of their sizes, what grew most, and a table. It runs no script at all."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.families.tag_series import LayerGrowth, TagGrowth, TagSeries
from layerscope.report.column_chart import STYLE, Column, column_chart
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

WORST, LONGEST_INSTRUCTION = 30, 300
_PLAIN = Style()


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
    return whole_page(f"{report.name}: size over time", "\n".join(filter(None, parts)), more_style=STYLE)


# The chart.


def _chart(series: TagSeries) -> str:
    legend = base_sentence(series)
    base = f'<span><i class="base"></i>base: {shown(legend)}</span>' if legend else ""
    columns = [_column(series, number) for number in range(len(series.tags))]
    return (
        f"{column_chart(columns, 'Sizes of all tags, oldest first')}\n"
        f'<p class="legend"><span><i class="own"></i>own</span>{base}</p>'
    )


def _column(series: TagSeries, number: int) -> Column:
    tag, base = series.tags[number], series.bases[number]
    facts = (tag.tag, date_text(tag), _size(tag.wire_bytes), growth_cell(series, number, _PLAIN))
    return Column(" · ".join(filter(None, facts)), tag.tag, tag.wire_bytes or 0, base.size if base is not None else 0)


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
