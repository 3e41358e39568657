"""The widgets of the list of images.

They are the list with figures in columns, the name at its depth, and the age; the lines above and below it, with the totals
and the filter; and the note about the image under the cursor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.widgets.column_heads import FALLING, RISING
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import SIZE, TWISTY, Detail, bar_cell, fitted, size_cell
from layerscope.families.figures import FamilyTotals, ImageFigures, ImageOrder, LayerUsage, age_text
from layerscope.families.outline import TRUNK, Outline, Row
from layerscope.report.families import families_count, titles_in, trunk_text
from layerscope.text import escape
from layerscope.units import count_text, size_text
from layerscope.wording.style import cells, cut_end

ROOMY, NARROW = 100, 60
"""The width, in cells, from which every column fits, and the width below which only two columns of figures fit."""
DATED = 88
"""The width, in cells, from which the column of ages fits."""
BAR, AGE = 8, 9
BARRED = "own"
"""The column after which a bar is drawn for its figure."""
DEEPEST = 12
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class FigureColumns:
    """The columns that fit: the heads of the figures, and whether the bar and the age fit, too."""

    heads: tuple[str, ...]
    has_bar: bool
    has_age: bool

    @classmethod
    def of(cls, room: int) -> FigureColumns:
        """Choose the columns for `room` cells."""
        if room < NARROW:
            return cls(("size", "frees"), has_bar=False, has_age=False)
        heads = ("size", "own", "shared", "frees", "wasted") if room >= ROOMY else ("size", "own", "frees", "wasted")
        return cls(heads, has_bar=room >= ROOMY, has_age=room >= DATED)

    def gap(self, head: str) -> str:
        """Return as many spaces as the bar after the column `head` takes; none for a column without a bar."""
        return " " * (BAR + 1) if self.has_bar and head == BARRED else ""

    @property
    def width(self) -> int:
        """Return the number of cells before the name."""
        return (SIZE + 1) * len(self.heads) + (BAR + 1) * self.has_bar


class ImageHeads(Widget):
    """The heads of the columns, with that of the sort order marked. It posts Picked for a head that is clicked."""

    class Picked(Message):
        """The user wants the images in this order."""

        def __init__(self, order: ImageOrder) -> None:
            self.order = order
            super().__init__()

    COMPONENT_CLASSES = {"images--head", "images--sorted"}  # noqa: RUF012 - Textual's

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._order = ImageOrder.SIZE

    def show(self, order: ImageOrder) -> None:
        """Highlight another sort order."""
        self._order = order
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        columns = FigureColumns.of(width - 1)
        parts = [Segment(f"{self._text(head):>{SIZE}} " + columns.gap(head), self._style(head)) for head in columns.heads]
        room = max(width - 1 - columns.width - (AGE + 1) * columns.has_age, 0)
        parts.append(Segment(fitted(f"  {self._text('name')}", room), self._style("name")))
        if columns.has_age:
            parts.append(Segment(f" {'age':>{AGE}}", self._style("age")))
        return Strip(parts).crop_extend(0, width, base).apply_style(base)

    def on_click(self, event: events.Click) -> None:
        """Ask for the order of the head under the mouse."""
        columns, at = FigureColumns.of(self.size.width - 1), 0
        for head in columns.heads:
            at += SIZE + 1 + len(columns.gap(head))
            if event.x < at:
                if head in (order.value for order in ImageOrder):
                    self.post_message(self.Picked(ImageOrder(head)))
                return
        if event.x < self.size.width - (AGE + 1) * columns.has_age:
            self.post_message(self.Picked(ImageOrder.NAME))

    def _text(self, head: str) -> str:
        """Return a head, with a mark if it is that of the sort order."""
        return head if head != self._order.value else head + (RISING if self._order is ImageOrder.NAME else FALLING)

    def _style(self, head: str) -> Style:
        return self.get_component_rich_style("images--sorted" if head == self._order.value else "images--head", partial=True)


MARK = "◆ "
"""What stands before the name of a marked image."""


class ImageLines(CursorLines):
    """Draws the rows of an Outline. It posts Moved, and Chosen for an image that the user opened."""

    def __init__(self, outline: Outline, *, now: float, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._outline = outline
        self._now = now
        self._largest = 0
        self.marked: list[int] = []
        """The numbers of the marked images, two at most, in the order they were marked in."""

    def mark(self) -> None:
        """Mark the image under the cursor, or unmark it. Of three, the one that was marked first is unmarked."""
        number = self.row.image if self.row is not None else TRUNK
        if number in self.marked:
            self.marked.remove(number)
        elif number != TRUNK:
            self.marked = [*self.marked[-1:], number]
        self.refresh()

    def unmark(self) -> None:
        """Unmark all images."""
        self.marked = []
        self.refresh()

    @property
    def row(self) -> Row | None:
        """Return the row under the cursor."""
        return self._outline.rows[self.cursor] if self.count else None

    def show(self, image: int = TRUNK) -> None:
        """Show the outline's rows after they changed, with the cursor on `image` if it is given."""
        self._largest = max((figures.own for figures in self._outline.usage.figures), default=0)
        self.set_count(len(self._outline.rows))
        if self.count:
            self.go(self._outline.line_of(image) if image != TRUNK else self.cursor, is_centered=True)
        self.post_message(self.Moved(self))

    def go_to_hit(self) -> None:
        """Go to the first row that matches the filter, unless the cursor is on one."""
        if self.row is not None and not self._outline.is_hit(self.row):
            self.go(next((line for line, row in enumerate(self._outline.rows) if self._outline.is_hit(row)), 0))

    def choose(self) -> None:
        """Open an image; fold or unfold a row of shared layers."""
        if self.row is not None and self.row.image == TRUNK:
            self.toggle()
        else:
            super().choose()

    def toggle(self) -> None:
        """Fold or unfold the images built on the one under the cursor."""
        if self.row is not None:
            self._outline.toggle(self.row)
            self.show()

    def fold(self) -> None:
        """Fold the row under the cursor if it is unfolded, else go to the image that its image is built on."""
        row = self.row
        if row is None:
            return
        if self._outline.is_foldable(row) and self._outline.is_open(row) and not self._outline.text:
            self.toggle()
            return
        parent = self._outline.usage.forest.nodes[row.node].parent
        self.go(next((line for line in range(self.cursor, -1, -1) if self._outline.rows[line].node == parent), self.cursor))

    def unfold(self) -> None:
        """Unfold the row under the cursor if it is folded, else go to the first image built on it."""
        if self.row is not None and self._outline.is_foldable(self.row):
            self.action_move(1) if self._outline.is_open(self.row) else self.toggle()

    def clicked(self, x: int, *, is_again: bool) -> None:
        """Fold or unfold at a click on the sign; open an image at a second click."""
        row = self.row
        start = FigureColumns.of(self.room).width + 2 * min(row.level, DEEPEST) if row else 0
        if row is not None and self._outline.is_foldable(row) and start <= x < start + 2:
            self.toggle()
        elif is_again:
            self.choose()

    # What a line looks like.

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw the figures that fit, the sign, the names and the age."""
        row, columns = self._outline.rows[line], FigureColumns.of(room)
        left = room - columns.width - (AGE + 1) * columns.has_age
        figures = self._trunk(row.node, columns) if row.image == TRUNK else self._figures(row.image, columns)
        parts = [*figures, *self._label(row, left)]
        if columns.has_age:
            created = "" if row.image == TRUNK else self._outline.usage.forest.images[row.image].created
            parts.append(Segment(f" {age_text(created, self._now):>{AGE}}", self.style("dim")))
        return parts

    def _trunk(self, node: int, columns: FigureColumns) -> list[Segment]:
        size = size_cell(self._outline.usage.size_to(node))
        return [Segment(f"{size:{columns.width}}", self.style("dim"))]

    def _figures(self, number: int, columns: FigureColumns) -> list[Segment]:
        usage = self._outline.usage
        figures, wasted = usage.figures[number], usage.forest.images[number].wasted_bytes
        sizes = {"size": figures.size, "own": figures.own, "shared": figures.shared, "frees": figures.freed}
        parts = []
        for head in columns.heads:
            if head == "wasted":
                text = "?" if wasted is None else size_cell(wasted, zero="0  B")
                parts.append(Segment(f"{text:>{SIZE}} ", self.style("wasted" if wasted else "dim")))
                continue
            parts.append(Segment(f"{size_cell(sizes[head])} ", self.style("dim") if head == "shared" else Style()))
            if gap := columns.gap(head):
                drawn = bar_cell(sizes[head], self._largest, BAR, is_ascii=self.is_ascii)
                parts.append(Segment(f"{drawn:{len(gap)}}", self.style("bar")))
        return parts

    def _label(self, row: Row, room: int) -> list[Segment]:
        outline, indent = self._outline, 2 * min(row.level, DEEPEST)
        sign = TWISTY[outline.is_open(row)] if outline.is_foldable(row) else "  "
        left = max(room - indent - 2, 0)
        start = Segment(" " * indent + sign, self.style("dim"))
        if row.image == TRUNK:
            return [start, Segment(fitted(trunk_text(outline.usage, row.node), left), self.style("dim"))]
        mark = MARK if row.image in self.marked else ""
        text = titles_in(outline.usage.titles(row.image), left - len(mark))
        return [start, Segment(mark, self.style("key")), Segment(fitted(text, left - len(mark)), self._name_style(row))]

    def _name_style(self, row: Row) -> Style:
        if not self._outline.is_hit(row):
            return self.style("dim")
        return self.style("modified") if self._outline.usage.forest.images[row.image].is_dangling else Style()


class ImagesSummary(Widget):
    """One line about all images together."""

    COMPONENT_CLASSES = {"summary--name", "summary--wasted", "summary--dim"}  # noqa: RUF012 - Textual's

    def __init__(self, totals: FamilyTotals, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._totals = totals
        self._reading = ""

    def show_reading(self, text: str) -> None:
        """Show which image is being read; empty for none."""
        self._reading = text
        self.refresh()

    def show(self, totals: FamilyTotals) -> None:
        """Show other totals."""
        self._totals = totals
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw the number of images on the left and their sizes on the right, as many as fit."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        totals = self._totals
        name = f" {count_text(totals.images, 'image')} in {families_count(totals.families)}"
        right = self._right(width - cells(name) - 2) if not self._reading else []
        name = self._reading or name
        gap = " " * max(width - cells(name) - sum(cells(part.text) for part in right), 0)
        left = [Segment(cut_end(name, width), self.get_component_rich_style("summary--name", partial=True)), Segment(gap)]
        return Strip([*left, *right]).crop_extend(0, width, base).apply_style(base)

    def _right(self, room: int) -> list[Segment]:
        totals = self._totals
        lost = self.get_component_rich_style("summary--wasted", partial=True)
        facts = [
            Segment(f"{size_text(totals.stored)} on disk "),
            Segment(f"{size_text(totals.wasted)} known wasted  " if totals.wasted else "", lost),
            Segment(f"{size_text(totals.saved)} saved by sharing  " if totals.saved else ""),
            Segment(f"{size_text(totals.prunable)} in {totals.dangling:,} dangling  " if totals.dangling else ""),
            Segment(f"{size_text(totals.listed)} as listed  "),
        ]
        shown: list[Segment] = []
        for fact in facts:
            room -= cells(fact.text)
            if room >= 0:
                shown.insert(0, fact)
        return shown


def image_note(usage: LayerUsage, row: Row) -> Iterator[Detail]:
    """Yield the note on a row of the list."""
    if row.image == TRUNK:
        yield from _trunk(usage, row.node)
        return
    image, figures = usage.forest.images[row.image], usage.figures[row.image]
    yield Detail(", ".join(usage.titles(row.image)), color="bold")
    created = f" · created {escape(image.created[:16].replace('T', ' '))}" if image.created else ""
    yield Detail(f"{escape(str(image.platform))} · {image.id.short}{created}")
    yield Detail(removal_sentence(figures, len(image.names)), "removing it")
    yield Detail(waste_sentence(image.wasted_bytes, figures), "waste", "wasted" if image.wasted_bytes else "")
    yield Detail(_layers(usage, row), "layers")
    yield Detail(_shared(usage, row.image, figures), "shares")


def _trunk(usage: LayerUsage, node: int) -> Iterator[Detail]:
    forest = usage.forest
    numbers = forest.images_from(node)
    yield Detail(trunk_text(usage, node), color="bold")
    parent = forest.nodes[node].parent
    below = usage.size_to(parent) if parent >= 0 else 0
    whole = f", {size_text(usage.size_to(node))} with all below" if below else ""
    yield Detail(size_text(usage.size_to(node) - below) + whole, "size")
    yield Detail(f"{count_text(len(numbers), 'image')}: {_names(usage, numbers)}", "of")


def _layers(usage: LayerUsage, row: Row) -> str:
    image = usage.forest.images[row.image]
    below, twins = usage.images_below(row.image), [each for each in usage.forest.nodes[row.node].images if each != row.image]
    parts = [str(len(image.layers))]
    if below:
        new = len(image.layers) - len(usage.forest.images[below[0]].layers)
        parts.append(f"{new} of them on {_names(usage, below)}")
    if twins and image.layers:
        parts.append(f"the same as {_names(usage, twins)}")
    return ", ".join(parts)


def _shared(usage: LayerUsage, number: int, figures: ImageFigures) -> str:
    if not figures.sharing:
        return "nothing"
    others = usage.sharing(number)
    return f"{size_text(figures.shared)} with {count_text(len(others), 'image')}: {_names(usage, others)}"


def _names(usage: LayerUsage, numbers: Sequence[int]) -> str:
    names = ", ".join(usage.titles(number)[0] for number in numbers[:MOST_NAMED])
    return names + (f" and {len(numbers) - MOST_NAMED:,} more" if len(numbers) > MOST_NAMED else "")


def removal_sentence(figures: ImageFigures, names: int) -> str:
    """Say what removing an image frees."""
    if names > 1:
        return f"removing one of its {names} names frees nothing; the last one frees {size_text(figures.own)}"
    return f"frees {size_text(figures.freed)}" + ("" if figures.freed else ": other images need all its layers")


def waste_sentence(wasted: int | None, figures: ImageFigures) -> str:
    """Say what an image wastes, and what fixing its own layers would save."""
    if wasted is None:
        return "unknown: open the image, or press `a` to read all images"
    own = figures.own_wasted
    if not wasted or own is None or figures.carriers < 2:
        return size_text(wasted) + (f", {size_text(own)} of it by its own layers" if own not in (None, wasted) else "")
    of_own = "" if own == wasted else f", {size_text(own)} of it by its own layers"
    pulls = f"{size_text(own * figures.carriers)} on pulls of the {figures.carriers} images that have them"
    return f"{size_text(wasted)}{of_own}; fixing them saves {size_text(own)} on disk, and {pulls}"
