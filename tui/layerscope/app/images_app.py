"""The app on a family of images: each can be opened in an explorer of its own, and left again."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import on
from textual.message import Message
from textual.screen import Screen

from layerscope.app.app import Crashed, Ending, LayerscopeApp
from layerscope.app.dialogs.help import HelpScreen
from layerscope.app.explorer.loader import Analysed, Failed, Loader
from layerscope.app.explorer.screen import Explorer
from layerscope.app.images.screen import ImagesScreen
from layerscope.app.images.waste_reading import ImagesReader, Learned, ReadImages, ReadingImage, WasteOf
from layerscope.app.keys.table import Place
from layerscope.app.terminal import Terminal
from layerscope.families.found import Found
from layerscope.families.outline import Outline
from layerscope.progress import Progress
from layerscope.settings.settings import Settings
from layerscope.sources.base import Base
from layerscope.sources.image import Image

OnLearned = Callable[[Found, int], None]
"""Told of an image that was read, and of its wasted bytes."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How to find out what an image wastes, and whom to tell of it."""

    waste_of: WasteOf
    on_learned: OnLearned


class ImagesApp(LayerscopeApp):
    """All images; `q` and Escape lead back from one of them."""

    def __init__(
        self, found: Sequence[Found], ways: Ways, *, settings: Settings, terminal: Terminal, now: float | None = None
    ) -> None:
        super().__init__(_opens_nothing, "", settings=settings, terminal=terminal)
        self._found, self._ways = found, ways
        self._now = time.time() if now is None else now
        self._opened: int | None = None
        self._reader: ImagesReader | None = None

    def get_default_screen(self) -> Screen[None]:
        """The list is there from the first frame on."""
        self.images = ImagesScreen(Outline([each.facts for each in self._found]), now=self._now)
        return self.images

    def _load(self) -> None:
        """Nothing is read before an image is opened."""

    @on(ImagesScreen.Opened)
    def _open(self, message: ImagesScreen.Opened) -> None:
        if self._opened is not None:
            return
        self._opened = message.image
        found = self._found[message.image]
        explorer = self.explorer = Explorer(found.reference)
        base = self._base_of(message.image)
        self._loader = Loader(lambda progress: (found.open(progress), base), lambda told: self._pass_to(explorer, told))
        self.push_screen(explorer)
        self.call_after_refresh(self.run_worker, self._loader.run, thread=True, group="load")

    def _base_of(self, number: int) -> Base:
        """The image that it is built on."""
        ledger = self.images.outline.ledger
        below = ledger.images_below(number)
        if not below:
            return Base()
        return Base(len(ledger.forest.images[below[0]].layers), ledger.titles(below[0])[0])

    def _pass_to(self, explorer: Explorer, message: Message) -> None:
        """In the thread that reads. The explorer may have been left meanwhile: then nobody is told."""
        if isinstance(message, Analysed):
            gc.enable()
        if not isinstance(message, Failed):
            explorer.post_message(message)
        elif explorer is self.explorer:
            self.post_message(message)

    @on(Failed)
    def _give_up(self, message: Failed) -> None:
        """One image cannot be opened; the others may."""
        self._leave()
        self.notify(str(message.error), title="Not opened", severity="error", markup=False, timeout=20)

    @on(ImagesScreen.Wanted)
    def _read_all(self) -> None:
        """Read all images of which the waste is not known; a second time ends that."""
        if self._reader is not None:
            self._reader.stop()
            return
        known = self.images.outline.ledger.forest.images
        unknown = [(number, each) for number, each in enumerate(self._found) if known[number].wasted_bytes is None]
        self._reader = ImagesReader(unknown, self._ways.waste_of, self.post_message)
        self.run_worker(self._reader.run, thread=True, group="load")

    @on(ReadingImage)
    def _show_reading(self, message: ReadingImage) -> None:
        self.images.show_reading(message.image, message.done, message.total)

    @on(Learned)
    def _learn(self, message: Learned) -> None:
        self.images.learn(message.image, message.wasted_bytes)
        self._ways.on_learned(self._found[message.image], message.wasted_bytes)

    @on(ReadImages)
    def _read_them(self, message: ReadImages) -> None:
        self._reader = None
        self.images.show_all_read()
        if message.problems:
            more = f" (and {len(message.problems) - 1} more)" if len(message.problems) > 1 else ""
            self.notify(f"{message.problems[0]}{more}", title="Not read", severity="error", markup=False, timeout=20)

    def action_help(self) -> None:
        """All keys, those of the list first while it is shown."""
        is_list = self.screen is self.images
        first = [key for key in self.key_table if key.place is Place.IMAGES and is_list]
        self.push_screen(HelpScreen(first + [key for key in self.key_table if key not in first]))

    def stop(self) -> None:
        """Back to the list, or out of it."""
        if self._opened is None:
            if self._reader is not None:
                self._reader.stop()
            self.exit()
        else:
            self._leave()

    async def action_back(self) -> None:
        """Escape: a step back in the list or the image; out of the image where there is no further one."""
        if self.screen is self.images:
            self.images.action_back()
        elif self._opened is not None and self.screen is self.explorer and _is_at_rest(self.explorer):
            self._leave()
        else:
            await super().action_back()

    def _leave(self) -> None:
        """Back to the list, from whatever is shown of an image."""
        number, self._opened = self._opened, None
        if number is None:
            return
        self._loader.stop()
        analysis = self.explorer.analysis
        while self.screen is not self.images:
            self.pop_screen()
        if analysis is not None and analysis.contents.is_complete:
            self._learn(Learned(number, analysis.waste.wasted_bytes))


def _opens_nothing(_progress: Progress) -> tuple[Image, Base]:
    raise AssertionError


def _is_at_rest(explorer: Explorer) -> bool:
    """Whether Escape would do nothing there."""
    is_plain = not (explorer.has_class("-details") or explorer.bar.is_on or explorer.layer_pane.marked)
    return is_plain and explorer.layer_pane.has_focus and explorer.analysis is not None and not explorer._is_so_far


def run_images(found: Sequence[Found], ways: Ways, *, settings: Settings, terminal: Terminal) -> Ending:
    """Show the screen until the user quits. The terminal is as before afterwards."""
    app = ImagesApp(found, ways, settings=settings, terminal=terminal)
    # A loop of our own: asyncio.run would wait for threads that still read.
    ending = app.run(loop=asyncio.new_event_loop())
    return Crashed() if app.return_code else ending
