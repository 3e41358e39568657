"""Reading images one after the other in a thread, to learn what each wastes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from textual.message import Message

from layerscope.errors import Cancelled, LayerscopeError
from layerscope.progress import Progress
from layerscope.sources.listing.found import FoundImage

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
    """Reads the numbered images in the thread that calls `run`, and calls `post` with each of these messages."""

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
