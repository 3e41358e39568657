"""The first line: the image and its figures; how far reading is while it lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.explorer.loader import Progressed
from layerscope.report.style import cut_middle
from layerscope.text import escape
from layerscope.units import bar, percent_text, size_text

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.sources.image import Image

GAUGE = 10
NAME = 14
"""Cells that the image's name keeps while it is read."""


class Summary(Widget):
    """One line about the image as a whole."""

    COMPONENT_CLASSES = {"summary--name", "summary--wasted", "summary--gauge", "summary--dim"}  # noqa: RUF012 - Textual's

    def __init__(self, reference: str, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._heading = escape(reference)
        self._about = ""
        self._progress: Progressed | None = None
        self._analysis: Analysis | None = None

    def show_image(self, image: Image) -> None:
        """The image was opened."""
        self._heading = escape(image.name or image.reference)
        self._about = f" · {escape(str(image.platform))} · {image.short_id}"
        self.refresh()

    def show_progress(self, progress: Progressed | None) -> None:
        """How far reading is; None when it is done."""
        self._progress = progress
        self.refresh()

    def show_analysis(self, analysis: Analysis) -> None:
        """All is known."""
        self._analysis, self._progress = analysis, None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Names to the left, figures to the right; where room is scarce the platform goes, then the least of the figures."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        right = self._right(width)
        room = width - 1 - sum(cell_len(part.text) for part in right)
        about = self._about if cell_len(self._heading + self._about) < room else ""
        name = cut_middle(self._heading, room - cell_len(about) - 1)
        gap = " " * max(room - cell_len(name + about), 0)
        left = [
            Segment(" "),
            Segment(name, self._ink("name")),
            Segment(about + gap, self._ink("dim")),
        ]
        return Strip([*left, *right]).crop_extend(0, width, base).apply_style(base)

    def _ink(self, name: str) -> Style:
        return self.get_component_rich_style(f"summary--{name}", partial=True)

    def _right(self, width: int) -> list[Segment]:
        if self._analysis is not None and self._progress is None:
            return self._figures(self._analysis, width)
        if self._progress is not None:
            return self._progress_parts(self._progress, width)
        return [Segment("opening … ", self._ink("dim"))]

    def _figures(self, analysis: Analysis, width: int) -> list[Segment]:
        waste = analysis.waste
        disk = f"{size_text(waste.content_bytes)} on disk  "
        wire = f"{size_text(sum(layer.wire_bytes for layer in analysis.image.layers))} on the wire  "
        wasted = f"{size_text(waste.wasted_bytes)} wasted  "
        efficient = f"{percent_text(waste.efficiency)} efficient "
        gauge = bar(waste.efficiency, GAUGE, is_ascii=bool(getattr(self.app, "is_ascii", False)))
        parts = [Segment(wasted, self._ink("wasted")), Segment(efficient)]
        if width >= 110:
            parts.append(Segment(f"▕{gauge:{GAUGE}}▏", self._ink("gauge")))
        if width >= 64:
            parts.insert(0, Segment(disk))
        if width >= 90:
            parts.insert(1, Segment(wire))
        return parts if width >= 44 else parts[1:]

    def _progress_parts(self, progress: Progressed, width: int) -> list[Segment]:
        """The stage and how much of it is done; then as much more as leaves room for the name."""
        total, done = progress.total, progress.done
        room = width - NAME - len(progress.stage)
        parts = [Segment(progress.stage)]
        if not total:
            return [*parts, Segment(" … ", self._ink("dim"))]
        rate = f" {size_text(progress.rate)}/s" if progress.rate and done else ""
        gauge = bar(done / total, GAUGE, is_ascii=bool(getattr(self.app, "is_ascii", False)))
        more = [
            Segment(f" {100 * done // total}%"),
            Segment(f" ▕{gauge:{GAUGE}}▏", self._ink("gauge")),
            Segment(f"{size_text(done)} of {size_text(total)}"),
            Segment(rate),
            Segment("  esc stops", self._ink("dim")),
        ]
        for part in more:
            room -= cell_len(part.text)
            if room > 0:
                parts.append(part)
        return [*parts, Segment(" ")]
