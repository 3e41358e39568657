"""A trend as text: the newest runs of each image with a bar, and what grew, by layer and cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from layerscope.report.trend.changes import Grown, cause_growth, layer_growth
from layerscope.report.trend.points import Trend, TrendPoint
from layerscope.text import escape
from layerscope.units import count_text, growth_text, percent_text, size_text
from layerscope.wording.style import Style, cut_end, cut_middle

MOST_GROWN = 5
WIDEST_BAR = 40
SINCE = 54
"""Cells before the bar of a run."""


def trend_text(trends: Iterable[Trend], style: Style, *, last: int) -> str:
    """Format each image's trend, its newest `last` runs."""
    return "\n".join("".join(f"{line}\n" for line in _lines(trend, style, last)) for trend in trends)


def _lines(trend: Trend, style: Style, last: int) -> Iterator[str]:
    points = trend.points
    name = cut_middle(style.name(trend.image), style.width - 30, mark=style.plain("…"))
    yield style.paint(name, "bold") + style.plain(f" · {count_text(len(points), 'run')} since {points[0].time[:10]}")
    yield style.paint(f"{'time':<16}  {'on disk':>8}  {'growth':>9}  {'wasted':>8}  {'result':<8} {'seen':>6}", "dim")
    shown = points[-last:]
    largest = max(point.content_bytes for point in shown)
    before: TrendPoint | None = points[-last - 1] if len(points) > last else None
    for point in shown:
        yield _run(point, before, largest, style)
        before = point
    if len(points) > 1:
        yield from _grown("By layer", layer_growth(points[0], points[-1]), style)
        yield from _grown("Waste by cause", cause_growth(points[0], points[-1]), style)


def _run(point: TrendPoint, before: TrendPoint | None, largest: int, style: Style) -> str:
    growth = growth_text(point.content_bytes - before.content_bytes) if before else ""
    color = {"passed": "green", "failed": "red"}.get(point.outcome, "yellow")
    outcome = style.paint(f"{escape(point.outcome)[:8]:<8}", color)
    figures = f"{size_text(point.content_bytes):>8}  {growth:>9}  {size_text(point.wasted_bytes):>8}"
    time = escape(point.time[:16].replace("T", " "))
    room = min(style.width - SINCE - 7, WIDEST_BAR)
    wasted = round(room * point.wasted_bytes / largest) if largest else 0
    live = round(room * point.content_bytes / largest) - wasted if largest else 0
    bar = style.plain("█") * live + style.plain("░") * wasted
    return f"{time:<16}  {figures}  {outcome} {percent_text(point.efficiency):>6} {bar}".rstrip()


def _grown(title: str, grown: list[Grown], style: Style) -> Iterator[str]:
    if not grown:
        return
    yield style.paint(f"{title}, since the first run", "bold")
    for each in grown[:MOST_GROWN]:
        was = "new" if each.old is None else "gone" if each.new is None else f"{size_text(each.old)} before"
        start = f"  {growth_text(each.grown):>9}  {was:<15}  "
        yield start + cut_end(style.name(each.name), style.width - len(start), mark=style.plain("…"))
    if len(grown) > MOST_GROWN:
        yield f"  and {len(grown) - MOST_GROWN:,} more"
