"""The pane of layers: number, size, what of it is wasted, instruction; the base's set apart, empty steps dimmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import BindingType
from textual.message import Message

from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import Place
from layerscope.app.widgets.cells import bar_cell, fitted, size_cell
from layerscope.app.widgets.lines import Lines
from layerscope.report.instructions import step_text

if TYPE_CHECKING:
    from layerscope.sources.image import Image, StoredLayer


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of a layer so far, in bytes; `is_read` is false while its size is only that of its blob."""

    size: int
    wasted: int
    is_read: bool


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the pane: a layer, an empty step (`layer` None), or the rule below the base (both None)."""

    layer: StoredLayer | None
    text: str


class Layers(Lines):
    """Lists the layers, base first. It posts Stepped when the cursor comes to another layer."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.LAYERS)

    class Stepped(Message):
        """The cursor came to layer `number`."""

        def __init__(self, number: int) -> None:
            self.number = number
            super().__init__()

    class Opened(Message):
        """The user wants to see the files of the layer under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._has_steps = False
        self._lines: list[_Line] = []
        self._base = 0
        self._image: Image | None = None
        self._figures: dict[int, Figures] = {}
        self.marked = 0

    @property
    def number(self) -> int:
        """The layer under the cursor, from 1; 0 for none."""
        layer = self._lines[self.cursor].layer if self._lines else None
        return layer.number if layer else 0

    @property
    def lines_wanted(self) -> int:
        """How many lines show it whole, the head among them."""
        return len(self._lines)

    @property
    def _digits(self) -> int:
        """Cells of the highest number."""
        return max(len(str(len(self._image.layers))), 2) if self._image is not None else 2

    def show_image(self, image: Image, base_layers: int | None) -> None:
        """List the layers of an image, those of its base set apart."""
        self._image, self._base = image, base_layers or 0
        self._list()

    def _list(self) -> None:
        assert self._image is not None
        self._lines = [_Line(None, ""), *_lines(self._image, self._base, has_steps=self._has_steps)]
        self.set_count(len(self._lines))

    def show_steps(self, *, has_steps: bool) -> None:
        """Whether empty steps are listed, too; the cursor stays on its layer."""
        if has_steps != self._has_steps:
            self._has_steps, number = has_steps, self.number
            if self._image is not None:
                self._list()
                self.step_to(number)

    def show_figures(self, figures: dict[int, Figures]) -> None:
        """What is known of each layer's sizes."""
        self._figures = figures
        self.refresh()

    def mark(self, number: int) -> None:
        """Show the mark at a layer; 0 for none."""
        self.marked = number
        self.refresh()

    def step_to(self, number: int) -> None:
        """Put the cursor on a layer."""
        for line, each in enumerate(self._lines):
            if each.layer and each.layer.number == number:
                self.go(line)

    def can_stop(self, line: int) -> bool:
        """Only layers can be stepped to."""
        return self._lines[line].layer is not None

    def show_cursor(self, *, is_centred: bool = False) -> None:
        """The head goes out of sight only with the first layers."""
        super().show_cursor(is_centred=is_centred)
        if self.cursor < self.scrollable_content_region.height - 1:
            self.scroll_to(y=0, animate=False)

    def watch_cursor(self, old: int, new: int) -> None:
        """Tell of the layer, too."""
        super().watch_cursor(old, new)
        if self.number:
            self.post_message(self.Stepped(self.number))

    def action_open(self) -> None:
        """Go to the files."""
        self.post_message(self.Opened())

    def choose(self) -> None:
        """A second click."""
        self.action_open()

    def segments(self, line: int, room: int) -> list[Segment]:
        """Number, size with a bar, wasted bytes, instruction; the bar and then the waste go where room is scarce."""
        shown = self._lines[line]
        bar, wasted = _widths(room)
        if line == 0:
            head = f" {'#':>{self._digits}} {'size':>8}{'':{bar}}" + (f" {'wasted':>8}" if wasted else "") + " instruction"
            return [Segment(fitted(head, room), self.ink("dim"))]
        if shown.layer is None:
            return [Segment(fitted(shown.text, room), self.ink("dim"))]
        return self._layer_segments(shown, room, bar, wasted)

    def _layer_segments(self, shown: _Line, room: int, bar: int, wasted: int) -> list[Segment]:
        assert shown.layer is not None
        number = shown.layer.number
        figures = self._figures.get(number, Figures(shown.layer.wire_bytes, 0, is_read=False))
        largest = max((each.size for each in self._figures.values()), default=0)
        ink = self.ink("dim") if number <= self._base or not figures.is_read else None
        sign = self.ink("modified") if number == self.marked else ink
        parts = [
            Segment(f"{'◆' if number == self.marked else ' '}{number:>{self._digits}}", sign),
            Segment(f" {size_cell(figures.size, zero='0  B')}", ink),
        ]
        if bar:
            parts.append(Segment(" " + bar_cell(figures.size, largest, bar - 1, is_ascii=self.is_ascii), self.ink("bar")))
        if wasted:
            parts.append(Segment(f" {size_cell(figures.wasted)}", self.ink("wasted")))
        used = sum(len(part.text) for part in parts)
        text = shown.text if figures.is_read else f"… {shown.text}"
        if shown.layer.absent:
            text, ink = f"not there: {shown.text}", self.ink("removed")
        return [*parts, Segment(" " + fitted(text, room - used - 1), ink)]


def _widths(room: int) -> tuple[int, int]:
    """Cells of the bar and of the waste, each with the space before it."""
    if room < 48:
        return 0, 0
    return (11 if room >= 60 else 9 if room >= 48 else 0), 9


def _lines(image: Image, base: int, *, has_steps: bool) -> list[_Line]:
    lines = []
    for step in image.steps:
        if step.layer is not None:
            lines.append(_Line(step.layer, step_text(step.history) or "(no history)"))
            if step.layer.number == base < len(image.layers):
                lines.append(_Line(None, "    ── base above, yours below ──"))
        elif has_steps:
            lines.append(_Line(None, f"{'':>12} {step_text(step.history)}"))
    return lines
