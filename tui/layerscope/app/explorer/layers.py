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
from layerscope.wording.sentences import layer_text, step_text
from layerscope.wording.style import cells

if TYPE_CHECKING:
    from layerscope.sources.image import Image, StoredLayer


WASTED, BARRED = 36, 44
"""The fewest cells of a line with a column of wasted bytes, and of one with a bar, too."""
LINED = 34
"""The fewest cells of an instruction that is cut for its line in the Dockerfile."""


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

    has_heads = True

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
        return len(self._lines) + self.heads

    @property
    def _digits(self) -> int:
        return max(len(str(len(self._image.layers))), 2) if self._image is not None else 2

    def show_image(self, image: Image, base_layers: int | None) -> None:
        """List the layers of an image. The first `base_layers` are dimmed, with a rule below them."""
        self._image, self._base = image, base_layers or 0
        self._list()

    def _list(self) -> None:
        assert self._image is not None
        self._lines = _lines(self._image, self._base, has_steps=self._has_steps)
        self.set_count(len(self._lines))

    def show_steps(self, *, has_steps: bool) -> None:
        """List or leave out the steps of the image's history that made no layer; the cursor stays on its layer."""
        if has_steps != self._has_steps:
            self._has_steps, number = has_steps, self.number
            if self._image is not None:
                self._list()
                self.step_to(number)
        self.set_count(self.count)  # the height of the pane follows from whether there are column heads now

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
        if shown.layer is None:
            return [Segment(fitted(shown.text, room), self.style("dim"))]
        return self._layer_segments(shown, room)

    def head(self, room: int) -> list[Segment]:
        """Draw the heads of the columns."""
        bar, wasted = _widths(room)
        head = f" {'#':>{self._digits}} {'size':>8}{'':{bar}}" + (f" {'wasted':>8}" if wasted else "") + " instruction"
        return [Segment(fitted(head, room), self.style("dim"))]

    def _layer_segments(self, shown: _LayerLine, room: int) -> list[Segment]:
        assert shown.layer is not None
        bar, wasted = _widths(room)
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
        left, place = room - used - 1, placed(shown.layer)
        if not place or left < min(LINED, cells(text) + 2 + len(place)):
            return [*parts, Segment(" " + fitted(text, left), style)]
        return [*parts, Segment(" " + fitted(text, left - len(place) - 2), style), Segment(f"  {place}", self.style("dim"))]


def placed(layer: StoredLayer) -> str:
    """Say where the layer's instruction stands in the Dockerfile: `line 11` or `lines 4-9`; empty if that is not known."""
    written = layer.written
    if written is None:
        return ""
    return f"line {written.line}" if written.line == written.end_line else f"lines {written.line}-{written.end_line}"


def _widths(room: int) -> tuple[int, int]:
    """Return the cells of the bar and of the wasted bytes, each with the space before it; 0 where there is no room."""
    return 0 if room < BARRED else 11 if room >= 60 else 9, 9 if room >= WASTED else 0


def _lines(image: Image, base: int, *, has_steps: bool) -> list[_LayerLine]:
    lines = []
    for step in image.steps:
        if step.layer is not None:
            lines.append(_LayerLine(step.layer, layer_text(step.layer) or "(no history)"))
            if step.layer.number == base < len(image.layers):
                lines.append(_LayerLine(None, "    ── base above, yours below ──"))
        elif has_steps:
            lines.append(_LayerLine(None, f"{'':>12} {step_text(step.history)}"))
    return lines
