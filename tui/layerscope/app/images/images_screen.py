"""The screen of all images: families, what each image costs, what removing it frees.

It connects the widgets, and reads images one after the other in a thread, to learn what each wastes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from layerscope.app.images.image_lines import ImageHeads, ImageLines, ImagesSummary, image_note
from layerscope.app.keys import KEYS, KeyAction, KeyContext, back, bindings
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.home import FilteredHome
from layerscope.app.widgets.input_line import InputLine, ListFilter
from layerscope.app.widgets.lines import Details
from layerscope.errors import Cancelled, LayerscopeError
from layerscope.families.outline import TRUNK, Outline
from layerscope.progress import Progress
from layerscope.sources.base import Base
from layerscope.sources.listing.found import FoundImage
from layerscope.text import escape
from layerscope.units import count_text
from layerscope.wording.style import without_shared_start

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.sources.image import Image

WasteOf = Callable[[FoundImage, Progress], int | None]
"""Reads an image and returns its wasted bytes, None where layers are not there. Raises what opening and reading raise."""


@dataclass
class ReadingImage(Message, bubble=False):
    """The image with number `image` is being read, as the `done`th of `total`."""

    image: int
    done: int
    total: int


@dataclass
class WasteLearned(Message, bubble=False):
    """An image was read: it wastes so many bytes."""

    image: int
    wasted_bytes: int


@dataclass
class ReadingEnded(Message, bubble=False):
    """All images were read, or the user stopped it; `problems` say what could not be read."""

    problems: tuple[str, ...]


class ImagesReader:
    """Reads the numbered images in the thread that calls `run`, and calls `post` with the three messages above."""

    def __init__(self, images: Sequence[tuple[int, FoundImage]], waste_of: WasteOf, post: Callable[[Message], object]) -> None:
        self._images, self._waste_of, self._post = images, waste_of, post
        self._is_stopped = Event()

    def stop(self) -> None:
        """End the reading at the next report of progress."""
        self._is_stopped.set()

    def run(self) -> None:
        """Read all images; one that cannot be read is a problem, and the others are still read."""
        problems: list[str] = []
        try:
            for done, (number, found) in enumerate(self._images, 1):
                self._post(ReadingImage(number, done, len(self._images)))
                try:
                    wasted = self._waste_of(found, self._progress)
                except (LayerscopeError, OSError) as error:
                    problems.append(str(error))
                    continue
                if wasted is not None:
                    self._post(WasteLearned(number, wasted))
        except Cancelled:
            pass
        self._post(ReadingEnded(tuple(problems)))

    def _progress(self, _stage: str, _done: int, _total: int) -> None:
        if self._is_stopped.is_set():
            raise Cancelled


@dataclass(frozen=True, slots=True)
class ImageList:
    """The images to list. `waste_of` reads one of them; `on_learned` is called with its wasted bytes. Ages are as of `now`."""

    found: Sequence[FoundImage]
    waste_of: WasteOf
    on_learned: Callable[[FoundImage, int], object]
    now: float = field(default_factory=time.time)

    def screen(self, *, keys: Sequence[KeyAction], is_ascii: bool) -> ImagesScreen:
        """Return the screen that lists them."""
        return ImagesScreen(self, keys=keys, is_ascii=is_ascii)


class ImagesScreen(FilteredHome):
    """Lists images in their families, and reads all of them in a thread when asked what they waste."""

    CONTEXT = KeyContext.IMAGES
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.IMAGES), back("back")]
    AUTO_FOCUS = "#images"

    def __init__(self, images: ImageList, *, keys: Sequence[KeyAction] = KEYS, is_ascii: bool = False) -> None:
        super().__init__()
        self.outline = Outline([each.facts for each in images.found])
        self._images, self._keys, self._is_ascii = images, keys, is_ascii
        self._reader: ImagesReader | None = None
        self._opened = TRUNK

    def compose(self) -> ComposeResult:
        yield ImagesSummary(self.outline.usage.totals, id="summary")
        yield ImageHeads(id="images-heads")
        yield ImageLines(self.outline, now=self._images.now, id="images", is_ascii=self._is_ascii)
        yield ListFilter("part of a name, or the first digits of an id", id="images-filter")
        yield Details(id="images-note")
        yield Footer(self._keys, id="footer")

    def on_mount(self) -> None:
        """Show all images; the note needs no focus."""
        self.query_one("#images-note").can_focus = False
        self.pane.show()

    def on_unmount(self) -> None:
        """Stop reading when the app ends."""
        self.stop()

    @property
    def pane(self) -> ImageLines:
        """Return the list."""
        return self.query_one(ImageLines)

    @property
    def image(self) -> int:
        """Return the number of the image under the cursor; TRUNK for a row of shared layers, and for no row."""
        return self.pane.row.image if self.pane.row is not None else TRUNK

    # What the images waste.

    def learn(self, image: int, wasted_bytes: int) -> None:
        """Show what an image wastes, and pass it to `on_learned` of the ImageList; the cursor stays on its image."""
        here = self.image
        self.outline.learn(image, wasted_bytes)
        self.query_one(ImagesSummary).show(self.outline.usage.totals)
        self.pane.show(here)
        self._images.on_learned(self._images.found[image], wasted_bytes)

    def action_analyze(self) -> None:
        """Start to read all images whose waste is not known; if that is already running, stop it."""
        if self._reader is not None:
            self._reader.stop()
            return
        known = self.outline.usage.forest.images
        unknown = [(number, each) for number, each in enumerate(self._images.found) if known[number].wasted_bytes is None]
        self._reader = ImagesReader(unknown, self._images.waste_of, self.post_message)
        self.run_worker(self._reader.run, thread=True, group="load")

    def stop(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.stop()

    def left(self, analysis: Analysis | None) -> None:
        """Show what the opened image wastes."""
        if analysis is not None:
            self.learn(self._opened, analysis.waste.wasted_bytes)

    @on(ReadingImage)
    def _show_reading(self, message: ReadingImage) -> None:
        title = self.outline.usage.titles(message.image)[0]
        self.query_one(ImagesSummary).show_reading(f" reading {message.done:,} of {message.total:,}: {title} ")

    @on(WasteLearned)
    def _learn(self, message: WasteLearned) -> None:
        self.learn(message.image, message.wasted_bytes)

    @on(ReadingEnded)
    def _end_reading(self, message: ReadingEnded) -> None:
        self._reader = None
        self.query_one(ImagesSummary).show_reading("")
        if message.problems:
            more = f" (and {len(message.problems) - 1} more)" if len(message.problems) > 1 else ""
            self.notify(f"{message.problems[0]}{more}", title="Not read", severity="error", markup=False)

    # What follows the cursor.

    @on(CursorLines.Moved)
    def _tell(self) -> None:
        row = self.pane.row
        self.query_one("#images-note", Details).show(list(image_note(self.outline.usage, row)) if row is not None else [])

    @on(CursorLines.Chosen)
    def _open(self) -> None:
        number, marked = self.image, self.pane.marked
        if len(marked) == 2 or (marked and number not in (*marked, TRUNK)):
            pair = marked if len(marked) == 2 else [*marked, number]
            title = " → ".join(map(escape, without_shared_start([self._images.found[each].reference for each in pair])))
            self.post_message(self.Paired([partial(self._opened_by, each) for each in pair], title))
        elif number != TRUNK:
            self._opened = number
            self.post_message(self.Opened(partial(self._opened_by, number), self._images.found[number].reference))

    def _opened_by(self, number: int, progress: Progress) -> tuple[Image, Base]:
        usage = self.outline.usage
        below = usage.images_below(number)
        base = Base(len(usage.forest.images[below[0]].layers), usage.titles(below[0])[0]) if below else Base()
        return self._images.found[number].open(progress), base

    # What keys do.

    def action_open(self) -> None:
        self.pane.choose()

    def action_mark(self) -> None:
        self.pane.mark()

    def action_back(self) -> None:
        """Close the filter, else unmark all images."""
        if self.filter_line.is_on:
            self.filter_line.close()
        else:
            self.pane.unmark()

    def action_toggle_family(self) -> None:
        self.pane.toggle()

    def action_fold(self) -> None:
        self.pane.fold()

    def action_unfold(self) -> None:
        self.pane.unfold()

    def action_fold_all(self) -> None:
        self._show_after(lambda: self.outline.fold_all(is_open=False))

    def action_unfold_all(self) -> None:
        self._show_after(lambda: self.outline.fold_all(is_open=True))

    def action_sort(self) -> None:
        self._show_after(self.outline.sort_next)
        self.query_one(ImageHeads).show(self.outline.order)

    @on(ImageHeads.Picked)
    def _sort_by_head(self, event: ImageHeads.Picked) -> None:
        self._show_after(lambda: self.outline.sort(event.order))
        self.query_one(ImageHeads).show(self.outline.order)

    def _show_after(self, change: Callable[[], None]) -> None:
        image = self.image
        change()
        self.pane.show(image)

    @on(InputLine.Typed)
    def _filter(self, event: InputLine.Typed) -> None:
        self._show_after(lambda: self.outline.filter(event.text))
        self.pane.go_to_hit()
        hits = sum(map(self.outline.is_hit, self.outline.rows))
        self.filter_line.show_text(count_text(hits, "image") if self.outline.text else "")

    @on(InputLine.Closed)
    def _unfilter(self) -> None:
        self._show_after(lambda: self.outline.filter(""))
        self.pane.go_to_hit()
        self.set_focus(self.pane)
