"""The first line: the image and its figures, or the progress of work in a thread, which is posted as messages to a screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from layerscope.errors import Cancelled
from layerscope.progress import Rate
from layerscope.text import escape
from layerscope.units import bar, efficiency_grade, efficiency_word, percent_text, size_text
from layerscope.wording.sentences import pull_facts
from layerscope.wording.style import cells, cut_middle

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.sources.image import Image

GAUGE = 10
NAME = 14
"""Cells reserved for the image's name while it is read."""
INTERVAL = 0.1
"""Seconds between two messages, and between two pictures of the wheel."""
WHEEL, ASCII_WHEEL = "⠋⠙⠸⠴⠦⠇", "|/-\\"
"""What turns beside a stage of unknown length that takes more than a second."""


@dataclass
class Progressed(Message, bubble=False):
    """The work is at `stage`: `done` bytes of `total` (0: unknown), at `rate` bytes a second. An empty `stage`: it is over."""

    stage: str
    done: int
    total: int
    rate: int


class ProgressPoster:
    """A progress callback for long work: it posts Progressed at most ten times a second, and raises Cancelled after `stop`."""

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        self._is_stopped = False
        self.start()

    def start(self) -> None:
        """Measure the rate from now on."""
        self._told = time.monotonic()
        self._rate = Rate(self._told)

    def stop(self) -> None:
        """Raise Cancelled at the next report."""
        self._is_stopped = True

    def check(self) -> None:
        """Raise Cancelled if the work was stopped."""
        if self._is_stopped:
            raise Cancelled

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report how far the work is. Its end, for which `stage` is empty, is always posted."""
        self.check()
        now = time.monotonic()
        rate = self._rate.of(done, now)
        if now - self._told >= INTERVAL or not stage:
            self._told = now
            self._post(Progressed(stage, done, total, rate))


class Summary(Widget):
    """Shows the image as a whole in one line."""

    COMPONENT_CLASSES = {  # noqa: RUF012 - Textual's
        "summary--name",
        "summary--wasted",
        "summary--gauge",
        "summary--added",
        "summary--modified",
        "summary--removed",
        "summary--dim",
        "summary--note",
    }

    def __init__(self, reference: str, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._is_ascii = is_ascii
        self._heading = escape(reference)
        self._about = ""
        self._progress: Progressed | None = None
        self._since = time.monotonic()
        self._analysis: Analysis | None = None
        self._note = ""
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        """Make the timer that turns the wheel while there is one."""
        self._timer = self.set_interval(INTERVAL, self.refresh, pause=True)

    @property
    def _seconds(self) -> float:
        """Return how long the stage has taken so far."""
        return time.monotonic() - self._since

    def show_image(self, image: Image) -> None:
        """Show the name, platform and id of an image."""
        self._heading = escape(image.name or image.reference)
        self._about = f" · {escape(str(image.platform))} · {image.short_id}"
        self.refresh()

    def show_progress(self, progress: Progressed | None) -> None:
        """Show progress in place of the figures; None removes it."""
        if progress is not None and (self._progress is None or self._progress.stage != progress.stage):
            self._since = time.monotonic()
        self._show(progress=progress, analysis=self._analysis, note=self._note)

    def _show(self, *, progress: Progressed | None = None, analysis: Analysis | None = None, note: str = "") -> None:
        self._progress, self._analysis, self._note = progress, analysis, note
        if self._timer is not None:
            (self._timer.resume if progress is not None and not progress.total else self._timer.pause)()
        self.refresh()

    def show_note(self, sentence: str) -> None:
        """Show a sentence in place of the figures, such as why the image was not read to its end."""
        self._show(note=sentence)

    def show_analysis(self, analysis: Analysis) -> None:
        """Show the figures of an analysis."""
        self._show(analysis=analysis)

    def render_line(self, y: int) -> Strip:
        """Draw the name on the left and figures on the right, as many as fit."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        right = self._right(width)
        room = width - 1 - sum(cells(part.text) for part in right)
        about = self._about if cells(self._heading + self._about) < room else ""
        name = cut_middle(self._heading, room - cells(about) - 1)
        gap = " " * max(room - cells(name + about), 0)
        left = [
            Segment(" "),
            Segment(name, self._style("name")),
            Segment(about + gap, self._style("dim")),
        ]
        return Strip([*left, *right]).crop_extend(0, width, base).apply_style(base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"summary--{name}", partial=True)

    def _right(self, width: int) -> list[Segment]:
        if self._analysis is not None and self._progress is None:
            return self._figures(self._analysis, width)
        if self._progress is not None:
            return self._progress_parts(self._progress, width)
        if self._note:
            return [Segment(f"{cut_middle(self._note, max(width - NAME, NAME))} ", self._style("note"))]
        return [Segment("opening … ", self._style("dim"))]

    def _figures(self, analysis: Analysis, width: int) -> list[Segment]:
        waste = analysis.waste
        disk = f"{size_text(waste.content_bytes)} on disk  "
        wire = f"{pull_facts(analysis.pull_size)[-1]}  "
        wasted = f"{size_text(waste.wasted_bytes)} wasted  "
        note = f" ({efficiency_word(waste.efficiency)})" if width >= 64 else ""
        efficient = f"{percent_text(waste.efficiency)} efficient{note} "
        gauge = bar(waste.efficiency, GAUGE, is_ascii=self._is_ascii)
        grade = self._style(efficiency_grade(waste.efficiency))
        parts = [Segment(wasted, self._style("wasted")), Segment(efficient, grade)]
        if width >= 110:
            parts.append(Segment(f"▕{gauge:{GAUGE}}▏", grade))
        if width >= 64:
            parts.insert(0, Segment(disk))
        if width >= 104:
            parts.insert(1, Segment(wire))
        return parts if width >= 44 else parts[1:]

    @property
    def _wheel(self) -> str:
        """Return dots at first, then a wheel and for how many seconds it has turned."""
        seconds, wheel = self._seconds, ASCII_WHEEL if self._is_ascii else WHEEL
        return f"{wheel[int(seconds / INTERVAL) % len(wheel)]} {seconds:.0f} s" if seconds >= 1 else "…"

    def _progress_parts(self, progress: Progressed, width: int) -> list[Segment]:
        """Draw the stage and its share, and as much more as leaves room for the name."""
        total, done = progress.total, progress.done
        room = width - NAME - len(progress.stage)
        parts = [Segment(progress.stage)]
        if not total:
            return [*parts, Segment(f" {self._wheel} ", self._style("dim"))]
        rate = f" {size_text(progress.rate)}/s" if progress.rate and done else ""
        gauge = bar(done / total, GAUGE, is_ascii=self._is_ascii)
        more = [
            Segment(f" {100 * done // total}%"),
            Segment(f" ▕{gauge:{GAUGE}}▏", self._style("gauge")),
            Segment(f"{size_text(done)} of {size_text(total)}"),
            Segment(rate),
            Segment("  esc stops", self._style("dim")),
        ]
        for part in more:
            room -= cells(part.text)
            if room > 0:
                parts.append(part)
        return [*parts, Segment(" ")]
