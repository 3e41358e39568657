"""What stands above and below the list of images: the totals, and the line of the filter."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, Static

from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import Place
from layerscope.families.figures import Totals
from layerscope.report.families import families_count
from layerscope.report.style import cut_end
from layerscope.units import count_text, size_text


class ImagesSummary(Widget):
    """One line about all images together."""

    COMPONENT_CLASSES = {"summary--name", "summary--wasted", "summary--dim"}  # noqa: RUF012 - Textual's

    def __init__(self, totals: Totals, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._totals = totals
        self._reading = ""

    def show_reading(self, text: str) -> None:
        """What is being read; empty for nothing."""
        self._reading = text
        self.refresh()

    def show(self, totals: Totals) -> None:
        """Something became known."""
        self._totals = totals
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """How many to the left, what they take to the right; where room is scarce the least of it goes."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        totals = self._totals
        name = f" {count_text(totals.images, 'image')} in {families_count(totals.families)}"
        right = self._right(width - cell_len(name) - 2) if not self._reading else []
        name = self._reading or name
        gap = " " * max(width - cell_len(name) - sum(cell_len(part.text) for part in right), 0)
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
            room -= cell_len(fact.text)
            if room >= 0:
                shown.insert(0, fact)
        return shown


class ImagesFilter(Horizontal):
    """An input, and how much it found. It posts Typed with each key, and Closed when the user goes back to the list."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.FILTER)

    class Typed(Message):
        """What is looked for now."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Closed(Message):
        """The list has the focus again."""

    def compose(self) -> ComposeResult:
        """A sign, the input, the count."""
        yield Static("/", id="images-filter-sign")
        yield Input(placeholder="part of a name, or the first digits of an id", compact=True, id="images-filter-text")
        yield Static("", id="images-filter-count")

    @property
    def is_on(self) -> bool:
        """Whether images are filtered, or about to be."""
        return self.has_class("-on")

    @property
    def is_typed_in(self) -> bool:
        """Whether keys arrive here."""
        return self.screen.focused is self.query_one(Input)

    def open(self) -> None:
        """Let the user type. The focus moves at once, so that keys that are waiting already arrive here."""
        self.add_class("-on")
        self.display = True
        self.screen.set_focus(self.query_one(Input))

    def close(self) -> None:
        """Show all images again."""
        box = self.query_one(Input)
        with box.prevent(Input.Changed):
            box.value = ""
        self.remove_class("-on")
        self.display = False
        self.post_message(self.Typed(""))
        self.post_message(self.Closed())

    def show_count(self, count: int | None) -> None:
        """How many were found; None where nothing is looked for."""
        self.query_one("#images-filter-count", Static).update("" if count is None else count_text(count, "image"), layout=True)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self.post_message(self.Closed())
        else:
            self.close()

    def action_to_files(self) -> None:
        """From the input to what it found."""
        self.post_message(self.Closed())

    def action_close(self) -> None:
        """Out of the filter."""
        self.close()
