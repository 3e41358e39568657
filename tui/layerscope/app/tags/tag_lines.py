"""The widgets of the list of tags: the totals, a bar for each tag, and the note about the tag under the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rich.segment import Segment
from rich.style import Style as Ink
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.widgets.column_heads import ColumnHead, head_segments, order_at
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import SIZE, Detail, fitted, size_cell
from layerscope.families.tag_series import TagOrder, TagSeries
from layerscope.oci.version_order import version_key
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


class TagSort(Enum):
    """What the list is sorted by: date and tag with the least first, size and growth with the most."""

    DATE = "date"
    TAG = "tag"
    SIZE = "size"
    GROWTH = "growth"


def sorted_tags(series: TagSeries, order: TagSort) -> list[int]:
    """Return the numbers of the tags in an order. Those that are equal stay in the order of the series."""
    numbers = list(range(len(series.tags)))
    if order is TagSort.TAG:
        return sorted(numbers, key=lambda number: version_key(series.tags[number].tag))
    if order is TagSort.SIZE:
        return sorted(numbers, key=lambda number: -(series.tags[number].wire_bytes or 0))
    if order is TagSort.GROWTH:
        return sorted(numbers, key=lambda number: -_grown(series, number))
    return numbers


def _grown(series: TagSeries, number: int) -> int:
    growth = series.growths[number]
    return growth.grown if growth is not None and series.twins[number] is None else 0


class TagLines(CursorLines):
    """Draws a line for each tag, at first oldest first. It posts Moved, and Chosen for a tag that the user opened."""

    has_heads = True

    def __init__(self, series: TagSeries, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self.series = series
        self.marked: list[int] = []
        """The numbers of the marked tags, two at most, in the order they were marked in."""
        self._columns: dict[int, TagColumns] = {}
        self._order = TagSort.TAG if series.order is TagOrder.VERSION else TagSort.DATE
        self._numbers = sorted_tags(series, TagSort.DATE)

    @property
    def number(self) -> int:
        """Return the number of the tag under the cursor in the series."""
        return self._numbers[self.cursor]

    def mark(self) -> None:
        """Mark the tag under the cursor, or unmark it. Of three, the one that was marked first is unmarked."""
        if self.number in self.marked:
            self.marked.remove(self.number)
        else:
            self.marked = [*self.marked[-1:], self.number]
        self.refresh()

    def sort(self, order: TagSort) -> None:
        """Sort the list; the cursor stays on its tag."""
        number = self.number
        self._order, self._numbers = order, sorted_tags(self.series, order)
        self.go(self._numbers.index(number), is_centered=True)
        self.refresh()

    def sort_by_next(self) -> None:
        """Sort the list by the next of the columns that are shown."""
        orders = [head.order for head in self._heads(self.room) if head.order]
        self.sort(orders[(orders.index(self._order) + 1) % len(orders) if self._order in orders else 0])

    def head_clicked(self, x: int) -> None:
        """Sort by the column under the mouse."""
        if (order := order_at(self._heads(self.room), x)) is not None:
            self.sort(order)

    def head(self, room: int) -> list[Segment]:
        """Draw the heads of the columns, with a mark at the one that the tags are sorted by, and what the bars mean."""
        return head_segments(self._heads(room), self._order, plain=self.style("dim"), chosen=self.style("key"))

    def _heads(self, room: int) -> Iterator[ColumnHead[TagSort]]:
        columns = self._columns_in(room)
        yield ColumnHead("", len(MARK))
        yield ColumnHead("tag", columns.tag + 1, TagSort.TAG, is_rising=True)
        if columns.date:
            yield ColumnHead("date", columns.date + 1, TagSort.DATE, is_rising=True)
        yield ColumnHead("size", SIZE + 1, TagSort.SIZE, is_right=True)
        own, of_base = OWN_SIGNS[self.is_ascii], BASE_SIGNS[self.is_ascii]
        yield ColumnHead(f"{of_base} base {own} own" if base_sentence(self.series) else "", columns.bar + 1)
        yield ColumnHead("growth", GROWTH + 1, TagSort.GROWTH, is_right=True)

    def _columns_in(self, room: int) -> TagColumns:
        return self._columns.get(room) or self._columns.setdefault(room, TagColumns.of(self.series, room))

    def unmark(self) -> None:
        """Unmark all tags."""
        self.marked = []
        self.refresh()

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw the mark, the tag, its date and size, the bar of its two parts, and its growth."""
        series = self.series
        columns, number = self._columns_in(room), self._numbers[line]
        tag = series.tags[number]
        base, own = bar_parts(series, number, columns.bar)
        size = f"{'?':>{SIZE}}" if tag.wire_bytes is None else size_cell(tag.wire_bytes, zero="0  B")
        return [
            Segment(MARK if number in self.marked else " " * len(MARK), self.style("key")),
            Segment(fitted(escape(tag.tag), columns.tag) + " "),
            Segment(f"{date_text(tag):<{columns.date}} " if columns.date else "", self.style("dim")),
            Segment(size + " "),
            Segment(BASE_SIGNS[self.is_ascii] * base, self.style("dim")),
            Segment(OWN_SIGNS[self.is_ascii] * own, self.style("bar")),
            Segment(" " * (columns.bar - base - own + 1)),
            Segment(f"{cut_end(growth_cell(series, number, PLAIN), GROWTH):>{GROWTH}}", self._growth_style(number)),
        ]

    def _growth_style(self, number: int) -> Ink:
        growth = self.series.growths[number]
        if growth is None or not growth.grown or self.series.twins[number] is not None:
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
