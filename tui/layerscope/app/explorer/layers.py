"""The pane of layers: number, size, wasted bytes and instruction, with the base's layers and empty steps dimmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import BindingType
from textual.message import Message

from layerscope.app.keys import KeyContext, bindings
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import bar_cell, fitted, size_cell
from layerscope.wording.sentences import step_text

if TYPE_CHECKING:
    from layerscope.sources.image import Image, StoredLayer


@dataclass(frozen=True, slots=True)
class LayerSizes:
    """A layer's content bytes and wasted bytes. Until it `is_read`, `size` is that of its blob."""

    size: int
    wasted: int
    is_read: bool


@dataclass(frozen=True, slots=True)
class _LayerLine:
    """A line of the pane: a layer, or text alone (`layer` None) for an empty step and for the rule below the base."""

    layer: StoredLayer | None
    text: str


class LayerList(CursorLines):
    """The list of an image's layers, lowest first. It posts Stepped when the cursor comes to another layer, and Opened."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.LAYERS)

    class Stepped(Message):
        """The cursor came to layer `number`."""

        def __init__(self, number: int) -> None:
            self.number = number
            super().__init__()

    class Opened(Message):
        """The user wants to see the files of the layer under the cursor."""

    def __init__(self, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._has_steps = False
        self._lines: list[_LayerLine] = []
        self._base = 0
        self._image: Image | None = None
        self._figures: dict[int, LayerSizes] = {}
        self.marked = 0

    @property
    def number(self) -> int:
        """Return the layer under the cursor, from 1; 0 for none."""
        layer = self._lines[self.cursor].layer if self._lines else None
        return layer.number if layer else 0

    @property
    def lines_wanted(self) -> int:
        """Return how many lines the list needs to show all layers, including the line of column heads."""
        return len(self._lines)

    @property
    def _digits(self) -> int:
        return max(len(str(len(self._image.layers))), 2) if self._image is not None else 2

    def show_image(self, image: Image, base_layers: int | None) -> None:
        """List the layers of an image. The first `base_layers` are dimmed, with a rule below them."""
        self._image, self._base = image, base_layers or 0
        self._list()

    def _list(self) -> None:
        assert self._image is not None
        self._lines = [_LayerLine(None, ""), *_lines(self._image, self._base, has_steps=self._has_steps)]
        self.set_count(len(self._lines))

    def show_steps(self, *, has_steps: bool) -> None:
        """List or leave out the steps of the image's history that made no layer; the cursor stays on its layer."""
        if has_steps != self._has_steps:
            self._has_steps, number = has_steps, self.number
            if self._image is not None:
                self._list()
                self.step_to(number)

    def show_figures(self, figures: dict[int, LayerSizes]) -> None:
        """Show the sizes of layers, given by layer number."""
        self._figures = figures
        self.refresh()

    def mark(self, number: int) -> None:
        """Mark a layer by its number; 0 removes the mark."""
        self.marked = number
        self.refresh()

    def step_to(self, number: int) -> None:
        """Put the cursor on a layer."""
        for line, each in enumerate(self._lines):
            if each.layer and each.layer.number == number:
                self.go(line)

    def can_stop(self, line: int) -> bool:
        """Let the cursor stop at layers only."""
        return self._lines[line].layer is not None

    def show_cursor(self, *, is_centered: bool = False) -> None:
        """Scroll to the cursor; to the very top, where the column heads are, if the cursor is in sight from there."""
        super().show_cursor(is_centered=is_centered)
        if self.cursor < self.scrollable_content_region.height - 1:
            self.scroll_to_line(0)

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw the cursor and post Moved, as every list does, and post Stepped with the layer's number."""
        super().watch_cursor(old, new)
        if self.number:
            self.post_message(self.Stepped(self.number))

    def action_open(self) -> None:
        self.post_message(self.Opened())

    def choose(self) -> None:
        """Open the layer's files at a second click."""
        self.action_open()

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw number, size, bar, wasted bytes and instruction; bar and waste are left out where room is scarce."""
        shown = self._lines[line]
        # Cells of the bar and of the wasted bytes, each with the space before it.
        bar, wasted = (0, 0) if room < 48 else (11 if room >= 60 else 9, 9)
        if line == 0:
            head = f" {'#':>{self._digits}} {'size':>8}{'':{bar}}" + (f" {'wasted':>8}" if wasted else "") + " instruction"
            return [Segment(fitted(head, room), self.style("dim"))]
        if shown.layer is None:
            return [Segment(fitted(shown.text, room), self.style("dim"))]
        return self._layer_segments(shown, room, bar, wasted)

    def _layer_segments(self, shown: _LayerLine, room: int, bar: int, wasted: int) -> list[Segment]:
        assert shown.layer is not None
        number = shown.layer.number
        figures = self._figures.get(number, LayerSizes(shown.layer.reader.stored_bytes, 0, is_read=False))
        largest = max((each.size for each in self._figures.values()), default=0)
        style = self.style("dim") if number <= self._base or not figures.is_read else None
        sign = self.style("modified") if number == self.marked else style
        parts = [
            Segment(f"{'◆' if number == self.marked else ' '}{number:>{self._digits}}", sign),
            Segment(f" {size_cell(figures.size, zero='0  B')}", style),
        ]
        if bar:
            parts.append(Segment(" " + bar_cell(figures.size, largest, bar - 1, is_ascii=self.is_ascii), self.style("bar")))
        if wasted:
            parts.append(Segment(f" {size_cell(figures.wasted)}", self.style("wasted")))
        used = sum(len(part.text) for part in parts)
        text = shown.text if figures.is_read else f"… {shown.text}"
        if shown.layer.reader.unreadable:
            what = "missing" if shown.layer.reader.missing_bytes else "not readable"
            text, style = f"{what}: {shown.text}", self.style("removed")
        return [*parts, Segment(" " + fitted(text, room - used - 1), style)]


def _lines(image: Image, base: int, *, has_steps: bool) -> list[_LayerLine]:
    lines = []
    for step in image.steps:
        if step.layer is not None:
            lines.append(_LayerLine(step.layer, step_text(step.history) or "(no history)"))
            if step.layer.number == base < len(image.layers):
                lines.append(_LayerLine(None, "    ── base above, yours below ──"))
        elif has_steps:
            lines.append(_LayerLine(None, f"{'':>12} {step_text(step.history)}"))
    return lines
