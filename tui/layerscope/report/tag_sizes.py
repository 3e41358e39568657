"""The tags of a repository over time, for people: a bar a tag, and what grew most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.families.tag_series import BaseClue, LayerGrowth, TagGrowth, TagSeries
from layerscope.sources.listing.sized_tag import SizedTag, build_moment
from layerscope.text import escape
from layerscope.units import count_text, growth_text, size_text, utc_text
from layerscope.wording.sentences import clean_instruction
from layerscope.wording.style import Style, cells, cut_end, cut_middle, wrapped

WORST = 5
MOST_LAYERS = 3
"""The most layers that are named for one growth."""
COUNTS = 0.1
"""The least share of a growth that makes a layer worth naming."""
LONGEST_TAG, LONGEST_BAR = 24, 60
DATE, SIZE, GROWTH = 10, 8, 9
BASE_SIGNS, OWN_SIGNS = ("▒", "-"), ("█", "#")
"""What a bar's two parts are drawn with, and in ASCII."""


@dataclass(frozen=True, slots=True)
class TagReport:
    """The series of a repository called `name`, and `notes`: sentences about what is left out, or not known."""

    name: str
    series: TagSeries
    notes: tuple[str, ...] = ()


def tags_text(report: TagReport, style: Style) -> str:
    """Format the whole report, each line within `style.width` cells."""
    parts = (_heading(report, style), _chart(report.series, style), _worst(report.series, style), _notes(report, style))
    blocks = ["\n".join(part) for part in parts]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _heading(report: TagReport, style: Style) -> Iterator[str]:
    for line in wrapped(style.name(report.name), style.width):
        yield style.paint(line, "bold")
    for line in wrapped(style.plain(series_sentence(report.series)), style.width):
        yield line


def series_sentence(series: TagSeries) -> str:
    """Say how many tags there are, how they are ordered, and how much they grew from the first to the last."""
    start = f"{count_text(len(series.tags), 'tag')}, oldest first by {series.order.value}"
    known = [tag for tag in series.tags if tag.wire_bytes is not None]
    if len(known) < 2:
        return f"{start}."
    first, last = known[0].wire_bytes or 0, known[-1].wire_bytes or 0
    return f"{start}: {size_text(first)} → {size_text(last)} ({growth_text(last - first)})."


def base_sentence(series: TagSeries) -> str:
    """Say which layers are drawn as the base's, and how that is known; empty if it is not known for any tag."""
    clues = {base.clue for base in series.bases if base is not None and base.layers}
    said = {
        BaseClue.STATED: "leading layers shared by tags that state the same base image",
        BaseClue.SHARED: "leading layers that most tags of a variant share",
    }
    return "; or ".join(sentence for clue, sentence in said.items() if clue in clues)


# The chart.


def _chart(series: TagSeries, style: Style) -> Iterator[str]:
    names = [cut_middle(style.name(tag.tag), LONGEST_TAG, mark=style.plain("…")) for tag in series.tags]
    room = max(*map(cells, names), len("tag"))
    has_dates = any(map(date_text, series.tags))
    before = room + 1 + (DATE + 1) * has_dates + SIZE + 1
    width = max(min(style.width - before - 1 - GROWTH, LONGEST_BAR), 1)
    date_head = f"{'date':<{DATE}} " if has_dates else ""
    yield style.paint(f"{'tag':<{room}} {date_head}{'size':>{SIZE}} {'':<{width}} {'growth':>{GROWTH}}", "dim")
    for number, tag in enumerate(series.tags):
        name = names[number] + " " * (room - cells(names[number]))
        date = f"{date_text(tag):<{DATE}} " if has_dates else ""
        size = "?" if tag.wire_bytes is None else size_text(tag.wire_bytes)
        base, own = bar_parts(series, number, width)
        drawn = style.paint(BASE_SIGNS[style.is_ascii] * base, "dim") + OWN_SIGNS[style.is_ascii] * own
        gap = " " * (width - base - own)
        said = style.plain(cut_end(growth_cell(series, number, style), GROWTH))
        grown = _painted(said, series.growths[number], style) if said else ""
        yield f"{name} {style.paint(date, 'dim')}{size:>{SIZE}} {drawn}{gap} {grown}".rstrip()
    if legend := base_sentence(series):
        lines = wrapped(f"{BASE_SIGNS[style.is_ascii]} base: {legend}; {OWN_SIGNS[style.is_ascii]} own", style.width)
        yield from (style.paint(line, "dim") for line in lines)


def _painted(text: str, growth: TagGrowth | None, style: Style) -> str:
    padded = f"{text:>{GROWTH}}"
    if growth is None or not growth.grown or not text.startswith(("+", "-")):
        return style.paint(padded, "dim")
    return style.paint(padded, "red" if growth.grown > 0 else "green")


def date_text(tag: SizedTag) -> str:
    """Return the day a tag was created, or else pushed, as `2024-05-29`; empty if it is not known."""
    moment = build_moment(tag.created)
    moment = build_moment(tag.pushed) if moment is None else moment
    return "" if moment is None else utc_text(int(moment), "%Y-%m-%d")


def bar_parts(series: TagSeries, number: int, width: int) -> tuple[int, int]:
    """Return the cells of a tag's bar that are the base's, and those of its own part."""
    size, base = series.tags[number].wire_bytes or 0, series.bases[number]
    if not size:
        return 0, 0
    whole = max(round(size / series.largest * width), 1)
    covered = min(round(base.size / series.largest * width), whole) if base is not None else 0
    return covered, whole - covered


def growth_cell(series: TagSeries, number: int, style: Style) -> str:
    """Return how much a tag grew, as `+1.2 MB`; for another tag of the same image `= 1.9`; empty if nothing came before."""
    growth, twin = series.growths[number], series.twins[number]
    if twin is not None:
        return f"= {style.name(series.tags[twin].tag)}"
    if growth is None:
        return ""
    return growth_text(growth.grown) if growth.grown else "0 B"


# What grew most.


def _worst(series: TagSeries, style: Style) -> Iterator[str]:
    worst = series.worst()
    if not worst:
        return
    yield style.paint("Grew most", "bold")
    for growth in worst[:WORST]:
        yield style.plain(f"{growth_text(growth.grown):>{GROWTH}}  ") + cut_end(
            style.plain(growth_title(series, growth, style)), style.width - GROWTH - 2, mark=style.plain("…")
        )
        for change in telling_changes(growth):
            start = f"{'':{GROWTH}}    {growth_text(change.grown):>{GROWTH}}  "
            said = style.plain(change_text(change, style))
            yield style.plain(start) + cut_end(said, style.width - cells(start), mark=style.plain("…"))
    if len(worst) > WORST:
        yield style.paint(f"and {len(worst) - WORST:,} more", "dim")


def growth_title(series: TagSeries, growth: TagGrowth, style: Style) -> str:
    """Name the two tags of a growth: `1.4.2 → 1.4.3`."""
    old, new = series.tags[growth.old].tag, series.tags[growth.new].tag
    return f"{style.name(old)} → {style.name(new)}"


def telling_changes(growth: TagGrowth) -> list[LayerGrowth]:
    """Return the layers that make up most of a growth, most first."""
    least = COUNTS * abs(growth.grown)
    return [change for change in growth.changes if abs(change.grown) >= least and change.grown][:MOST_LAYERS]


def change_text(change: LayerGrowth, style: Style) -> str:
    """Say which layer changed, and the instruction behind it: `layer 7 (new): RUN pip install flask`."""
    number = change.new or change.old
    how = " (new)" if change.old is None else " (gone)" if change.new is None else ""
    instruction = style.name(clean_instruction(change.layer.created_by))
    return f"layer {number}{how}" + (f": {instruction}" if instruction else "")


def _notes(report: TagReport, style: Style) -> Iterator[str]:
    for note in (*report.notes, *series_notes(report.series)):
        for line in wrapped(style.plain(note), style.width):
            yield style.paint(line, "dim")


def series_notes(series: TagSeries) -> Iterator[str]:
    """Yield a sentence for each thing to know about the figures."""
    if len(series.tags) == 1:
        yield "There is only one tag: nothing to compare it with."
    if series.undated:
        yield f"{count_text(series.undated, 'tag')} without a date stand by their version."
    platforms = sorted({escape(tag.platform) for tag in series.tags if tag.platform})
    if len(platforms) > 1:
        yield f"The tags are of several platforms ({', '.join(platforms)}); --platform selects one."
    if any(tag.layers is None for tag in series.tags):
        yield "Sizes are those that the registry lists; --layers reads manifests, too, to say which layers grew."
    yield "Sizes are of layers as they are stored: what a pull fetches."
