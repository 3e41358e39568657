"""Reading images one after the other in a thread, to say what each wastes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from textual.message import Message

from layerscope.app.explorer.loader import Stopped
from layerscope.errors import LayerscopeError
from layerscope.families.found import Found
from layerscope.progress import Progress

WasteOf = Callable[[Found, Progress], int | None]
"""Reads an image and gives its wasted bytes; None where layers of it are not there. Raises what opening and reading do."""


@dataclass
class ReadingImage(Message, bubble=False):
    """An image is being read: its number, and that it is the `done`th of `total`."""

    image: int
    done: int
    total: int


@dataclass
class Learned(Message, bubble=False):
    """What an image wastes became known."""

    image: int
    wasted_bytes: int


@dataclass
class ReadImages(Message, bubble=False):
    """It is over; `problems` say what could not be read."""

    problems: tuple[str, ...]


class ImagesReader:
    """Reads the images with these numbers, and calls `post` with each of these messages in the thread that calls `run`."""

    def __init__(self, images: Sequence[tuple[int, Found]], waste_of: WasteOf, post: Callable[[Message], object]) -> None:
        self._images, self._waste_of, self._post = images, waste_of, post
        self._is_stopped = Event()

    def stop(self) -> None:
        """The user does not want it any more."""
        self._is_stopped.set()

    def run(self) -> None:
        """Read all of them."""
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
                    self._post(Learned(number, wasted))
        except Stopped:
            pass
        self._post(ReadImages(tuple(problems)))

    def _progress(self, _stage: str, _done: int, _total: int) -> None:
        if self._is_stopped.is_set():
            raise Stopped
