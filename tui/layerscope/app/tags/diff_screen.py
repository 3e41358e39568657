"""The screen of two tags compared: it reads both images in a thread, then shows what `layerscope diff` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from layerscope.app.keys import KeyAction, back
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.lines import Lines
from layerscope.app.widgets.summary import Progressed, ProgressPoster, Summary
from layerscope.errors import Cancelled, LayerscopeError
from layerscope.progress import Progress
from layerscope.wording.style import Style

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.compare.comparison import Comparison
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image

MOST_PATHS = 1000
Opener = Callable[[Progress], tuple["Image", "Base"]]


@dataclass
class Formatted(Message, bubble=False):
    """The comparison was written for a terminal of `width` cells."""

    text: str
    width: int


@dataclass
class NotRead(Message, bubble=False):
    """One of the images cannot be read; `sentence` says why."""

    sentence: str


class PairReader:
    """Reads two images in the thread that calls `run`, compares them, and posts Formatted or NotRead."""

    def __init__(self, openers: Sequence[Opener], style: Style, post: Callable[[Message], object]) -> None:
        self._openers, self._post = openers, post
        self.style = style
        self._progress = ProgressPoster(post)
        self._stops: list[Callable[[], object]] = []
        self._comparison: Comparison | None = None

    def stop(self) -> None:
        """End the reading, also what waits for a registry."""
        self._progress.stop()
        for stop in self._stops:
            stop()

    def run(self) -> None:
        """Read both images unless they were read, and post the comparison in the style of the moment."""
        from layerscope.compare.comparison import compare
        from layerscope.report.diff_text import diff_text

        try:
            if self._comparison is None:
                old, new = (self._analysis(opener) for opener in self._openers)
                self._comparison = compare(old, new)
            style = self.style
            self._post(Formatted(diff_text(self._comparison, style, limit=MOST_PATHS), style.width))
        except Cancelled:
            pass
        except (LayerscopeError, OSError, MemoryError) as error:
            self._post(NotRead(str(error)))

    def _analysis(self, opener: Opener) -> Analysis:
        from layerscope.analysis import analyze, read_image

        image, base = opener(self._progress)
        self._stops.append(image.stop_reading)
        contents = read_image(image, progress=self._progress)
        self._progress.check()
        return analyze(contents, base_layers=base.layers, base_name=base.name)


class ReportLines(Lines):
    """Shows the lines of a report with the colors that it was written in."""

    def __init__(self, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._lines: list[str] = []
        self._told = ""

    @property
    def nothing(self) -> str:
        return self._told

    def tell(self, sentence: str) -> None:
        """Show a sentence in place of lines."""
        self._told = sentence
        self.set_count(0)

    def show(self, text: str) -> None:
        """Show another report."""
        self._lines = text.splitlines()
        self.set_count(len(self._lines))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        text = Text.from_ansi(self._lines[line], end="", no_wrap=True)
        return [Segment(" "), *text.render(self.app.console)]


class DiffSummary(Summary):
    """The two tags, and how far they are read until they are."""

    has_ended = False

    def end(self) -> None:
        """Show no progress any more."""
        self.has_ended = True
        self.refresh()

    def _right(self, width: int) -> list[Segment]:
        return [] if self.has_ended else super()._right(width)


class TagDiffScreen(Screen[None]):
    """Shows the comparison of two tags, to scroll through; Escape goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [back()]
    AUTO_FOCUS = "#tag-diff"

    def __init__(self, openers: Sequence[Opener], title: str, *, keys: Sequence[KeyAction], is_ascii: bool) -> None:
        super().__init__()
        self._title, self._keys, self._is_ascii = title, keys, is_ascii
        self._is_busy = False
        self._reader = PairReader(openers, Style(is_ascii=is_ascii, has_color=True), self.post_message)

    def compose(self) -> ComposeResult:
        yield DiffSummary(self._title, id="summary", is_ascii=self._is_ascii)
        yield ReportLines(id="tag-diff", is_ascii=self._is_ascii)
        yield Footer(self._keys, id="footer")

    def on_resize(self) -> None:
        """Read the images the first time, and write the comparison for the new width."""
        self._reader.style = Style(max(self.size.width - 2, 40), has_color=True, is_ascii=self._is_ascii)
        self._start()

    def _start(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self.run_worker(self._reader.run, thread=True, group="load")

    def on_unmount(self) -> None:
        """Stop reading."""
        self._reader.stop()

    @on(Progressed)
    def _show_progress(self, message: Progressed) -> None:
        self.query_one(DiffSummary).show_progress(message)

    @on(Formatted)
    def _show(self, message: Formatted) -> None:
        self._is_busy = False
        self.query_one(DiffSummary).end()
        self.query_one(ReportLines).show(message.text)
        if message.width != self._reader.style.width:  # the terminal was resized meanwhile
            self._start()

    @on(NotRead)
    def _say(self, message: NotRead) -> None:
        self.query_one(DiffSummary).end()
        self.query_one(ReportLines).tell(message.sentence)
