"""The lines above and below the list of images: the totals, and the filter."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.binding import BindingType
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import KeyContext
from layerscope.app.widgets.input_line import InputLine
from layerscope.families.figures import FamilyTotals
from layerscope.report.families import families_count
from layerscope.units import count_text, size_text
from layerscope.wording.style import cells, cut_end


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


class ImagesFilter(InputLine):
    """The line to type a part of an image's name into."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.FILTER)
