"""A trend as an HTML page without scripts: for each image a chart of its sizes, what grew, and its runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layerscope.report.column_chart import STYLE, Column, column_chart
from layerscope.report.trend.changes import Grown, cause_growth, layer_growth
from layerscope.report.trend.points import Trend, TrendPoint
from layerscope.report.verdict.html import Cell, section, shown, table, whole_page
from layerscope.units import count_text, growth_text, percent_text, size_text

MOST_RUNS, MOST_GROWN = 500, 30
LOOKS = {"passed": "good", "failed": "lost"}


def trend_page(trends: Sequence[Trend]) -> bytes:
    """Encode the page."""
    runs = sum(len(trend.points) for trend in trends)
    title = f"{count_text(len(trends), 'image')}, {count_text(runs, 'run')}"
    parts = (
        f"<header><div><h1>Size over time</h1><p>{shown(title)}</p></div></header>",
        "<main>",
        *(section(trend.image, "\n".join(_parts(trend))) for trend in trends),
        "</main>",
        "<footer>Decimal units. Written by layerscope.</footer>",
    )
    return whole_page(f"Size over time: {title}", "\n".join(parts), more_style=STYLE)


def _parts(trend: Trend) -> Iterator[str]:
    points = trend.points
    yield column_chart([_column(point) for point in points[-MOST_RUNS:]], "Sizes of all runs, oldest first")
    yield ('<p class="legend"><span><i class="own"></i>wasted</span><span><i class="base"></i>seen by a container</span></p>')
    if len(points) > 1:
        yield from _grown("Layers that changed since the first run", layer_growth(points[0], points[-1]))
        yield from _grown("Causes of waste that changed since the first run", cause_growth(points[0], points[-1]))
    yield _runs(points)


def _column(point: TrendPoint) -> Column:
    facts = (point.time, size_text(point.content_bytes), f"{size_text(point.wasted_bytes)} wasted", point.outcome)
    return Column(" · ".join(facts), point.time[:10], point.content_bytes, point.content_bytes - point.wasted_bytes)


def _grown(caption: str, grown: list[Grown]) -> Iterator[str]:
    if grown:
        rows = [
            (
                Cell(growth_text(each.grown), float(each.grown)),
                Cell(_size(each.old), float(each.old or 0)),
                Cell(_size(each.new), float(each.new or 0)),
                Cell(each.name, look="mono"),
            )
            for each in grown[:MOST_GROWN]
        ]
        yield table(caption, ("#Growth", "#Before", "#Now", "What"), rows, more=len(grown) - MOST_GROWN)


def _size(size: int | None) -> str:
    return "" if size is None else size_text(size)


def _runs(points: tuple[TrendPoint, ...]) -> str:
    before = (None, *points)
    rows = [_row(point, before[number]) for number, point in enumerate(points)][::-1]
    heads = ("Time", "#On disk", "#Growth", "#Stored", "#Wasted", "#Efficient", "Result", "Id")
    return table("Runs, newest first", heads, rows[:MOST_RUNS], more=len(rows) - MOST_RUNS)


def _row(point: TrendPoint, before: TrendPoint | None) -> tuple[Cell, ...]:
    grown = point.content_bytes - before.content_bytes if before else 0
    return (
        Cell(point.time),
        Cell(size_text(point.content_bytes), float(point.content_bytes)),
        Cell(growth_text(grown) if before else "", float(grown)),
        Cell(size_text(point.wire_bytes), float(point.wire_bytes)),
        Cell(size_text(point.wasted_bytes), float(point.wasted_bytes)),
        Cell(percent_text(point.efficiency), point.efficiency),
        Cell(point.outcome, look=LOOKS.get(point.outcome, "")),
        Cell(point.id.removeprefix("sha256:")[:12], look="mono"),
    )
