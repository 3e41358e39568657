"""The widgets of the list of tags: the totals, the heads, a bar for each tag, and the note about the tag under the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style as Ink
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import SIZE, Detail, fitted, size_cell
from layerscope.families.tag_series import TagSeries
from layerscope.report.tag_sizes import (
    BASE_SIGNS,
    DATE,
    GROWTH,
    OWN_SIGNS,
    TagReport,
    bar_parts,
    base_sentence,
    change_text,
    date_text,
    growth_cell,
    series_notes,
    telling_changes,
)
from layerscope.text import escape
from layerscope.units import count_text, growth_text, size_text
from layerscope.wording.style import Style, cells, cut_end

MARK = "◆ "
LONGEST_TAG, NARROW = 28, 60
"""The most cells of a tag; the width, in cells, below which there is no date."""
PLAIN = Style()


@dataclass(frozen=True, slots=True)
class TagColumns:
    """The cells of each column in a line of `room` cells; 0 leaves it out."""

    tag: int
    date: int
    bar: int

    @classmethod
    def of(cls, series: TagSeries, room: int) -> TagColumns:
        """Choose the columns: the bar gets what is left."""
        longest = max((cells(escape(tag.tag)) for tag in series.tags), default=0)
        tag = max(min(longest, LONGEST_TAG, room // 3), 3)
        date = DATE if room >= NARROW and any(map(date_text, series.tags)) else 0
        return cls(tag, date, max(room - len(MARK) - tag - 1 - (date + 1 if date else 0) - SIZE - 2 - GROWTH - 1, 0))


class TagHeads(Widget):
    """The heads of the columns."""

    COMPONENT_CLASSES = {"tags--head"}  # noqa: RUF012 - Textual's

    def __init__(self, series: TagSeries, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._series, self._is_ascii = series, is_ascii
        self._columns: dict[int, TagColumns] = {}

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        columns = self._columns.get(width) or self._columns.setdefault(width, TagColumns.of(self._series, width - 1))
        date = f"{'date':<{columns.date}} " if columns.date else ""
        own, of_base = OWN_SIGNS[self._is_ascii], BASE_SIGNS[self._is_ascii]
        legend = fitted(f"{of_base} base {own} own" if base_sentence(self._series) else "", columns.bar)
        text = f"{'':{len(MARK)}}{'tag':<{columns.tag}} {date}{'size':>{SIZE}} {legend} {'growth':>{GROWTH}}"
        head = self.get_component_rich_style("tags--head", partial=True)
        return Strip([Segment(text, head)]).crop_extend(0, width, base).apply_style(base)


class TagLines(CursorLines):
    """Draws a line for each tag, oldest first. It posts Moved, and Chosen for a tag that the user opened."""

    def __init__(self, series: TagSeries, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self.series = series
        self.marked: list[int] = []
        """The numbers of the marked tags, two at most, in the order they were marked in."""
        self._columns: dict[int, TagColumns] = {}

    def mark(self) -> None:
        """Mark the tag under the cursor, or unmark it. Of three, the one that was marked first is unmarked."""
        if self.cursor in self.marked:
            self.marked.remove(self.cursor)
        else:
            self.marked = [*self.marked[-1:], self.cursor]
        self.refresh()

    def unmark(self) -> None:
        """Unmark all tags."""
        self.marked = []
        self.refresh()

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw the mark, the tag, its date and size, the bar of its two parts, and its growth."""
        series = self.series
        columns = self._columns.get(room) or self._columns.setdefault(room, TagColumns.of(series, room))
        tag = series.tags[line]
        base, own = bar_parts(series, line, columns.bar)
        size = f"{'?':>{SIZE}}" if tag.wire_bytes is None else size_cell(tag.wire_bytes, zero="0  B")
        return [
            Segment(MARK if line in self.marked else " " * len(MARK), self.style("key")),
            Segment(fitted(escape(tag.tag), columns.tag) + " "),
            Segment(f"{date_text(tag):<{columns.date}} " if columns.date else "", self.style("dim")),
            Segment(size + " "),
            Segment(BASE_SIGNS[self.is_ascii] * base, self.style("dim")),
            Segment(OWN_SIGNS[self.is_ascii] * own, self.style("bar")),
            Segment(" " * (columns.bar - base - own + 1)),
            Segment(f"{cut_end(growth_cell(series, line, PLAIN), GROWTH):>{GROWTH}}", self._growth_style(line)),
        ]

    def _growth_style(self, line: int) -> Ink:
        growth = self.series.growths[line]
        if growth is None or not growth.grown or self.series.twins[line] is not None:
            return self.style("dim")
        return self.style("removed" if growth.grown > 0 else "added")


class TagsSummary(Widget):
    """One line about all tags together, or about what is being read."""

    COMPONENT_CLASSES = {"summary--name", "summary--dim"}  # noqa: RUF012 - Textual's

    def __init__(self, report: TagReport, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._report = report

    def render_line(self, y: int) -> Strip:
        """Draw the repository's name on the left, and how much it grew on the right."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        series = self._report.series
        sizes = [tag.wire_bytes for tag in series.tags if tag.wire_bytes is not None]
        grown = f"{size_text(sizes[0])} → {size_text(sizes[-1])} ({growth_text(sizes[-1] - sizes[0])}) " if sizes else ""
        about = f" · {count_text(len(series.tags), 'tag')} by {series.order.value}"
        name = " " + cut_end(escape(self._report.name), max(width - cells(grown) - 2, 8))
        about = about if cells(name + about + grown) < width else ""
        gap = " " * max(width - cells(name + about + grown), 0)
        parts = [Segment(name, self._ink("name")), Segment(about, self._ink("dim")), Segment(gap), Segment(grown)]
        return Strip(parts).crop_extend(0, width, base).apply_style(base)

    def _ink(self, name: str) -> Ink:
        return self.get_component_rich_style(f"summary--{name}", partial=True)


def tag_note(report: TagReport, number: int) -> Iterator[Detail]:
    """Yield the note on a tag: what it is, its parts, what grew, and what there is to know about all tags."""
    series = report.series
    tag, base, growth = series.tags[number], series.bases[number], series.growths[number]
    yield Detail(escape(tag.tag), color="bold")
    created = f"created {escape(tag.created[:16].replace('T', ' '))}" if tag.created else ""
    pushed = f"pushed {escape(tag.pushed[:16].replace('T', ' '))}" if tag.pushed else ""
    facts = (escape(tag.platform), tag.digest.short if tag.digest is not None else "", created, pushed)
    yield Detail(" · ".join(filter(None, facts)))
    same = [
        escape(other.tag) for at, other in enumerate(series.tags) if at != number and tag.digest and other.digest == tag.digest
    ]
    if same:
        yield Detail(_named(same), "same as")
    if tag.wire_bytes is not None:
        parts = ""
        if base is not None:
            own = size_text(tag.wire_bytes - base.size)
            parts = f": own {own}, base {size_text(base.size)} ({count_text(base.layers, 'layer')})"
        yield Detail(size_text(tag.wire_bytes) + parts, "size")
    if growth is not None and (growth.grown or growth.changes):
        color = "removed" if growth.grown > 0 else "added" if growth.grown else ""
        new = f", {count_text(len(growth.changes), 'layer')} changed" if growth.changes else ""
        yield Detail(f"{growth_text(growth.grown)} since {escape(series.tags[growth.old].tag)}{new}", "growth", color)
        for change in telling_changes(growth):
            yield Detail(f"{growth_text(change.grown)} {change_text(change, PLAIN)}", " ")
    for note in (*report.notes, *series_notes(series)):
        yield Detail(note, color="dim")


def _named(tags: Sequence[str]) -> str:
    most = 5
    return ", ".join(tags[:most]) + (f" and {len(tags) - most:,} more" if len(tags) > most else "")
