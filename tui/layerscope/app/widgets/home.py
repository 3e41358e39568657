"""The base of the screens that list images: one is opened in the explorer, and the user comes back to the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.message import Message
from textual.screen import Screen

from layerscope.app.keys import KeyAction, KeyContext
from layerscope.errors import LayerscopeError
from layerscope.progress import Progress

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image


class Home(Screen[None]):
    """A list that the app starts on and ends with. It posts Opened for an image that the user wants to explore.

    `CONTEXT` is that of its keys, which the help shows first.
    """

    CONTEXT: ClassVar[KeyContext]

    class Opened(Message):
        """The user opened an image: `opener` opens it and finds its base, `reference` is what to call it meanwhile."""

        def __init__(self, opener: Callable[[Progress], tuple[Image, Base]], reference: str) -> None:
            self.opener, self.reference = opener, reference
            super().__init__()

    class Broken(Message):
        """There is nothing to list, because of `error`: the app ends with it."""

        def __init__(self, error: LayerscopeError) -> None:
            self.error = error
            super().__init__()

    def stop(self) -> None:
        """Stop reading: the app ends."""

    def left(self, analysis: Analysis | None) -> None:
        """Take what is known of the opened image when the user comes back; None if it was not read to the end."""


class HomeStart(Protocol):
    """What a Home lists; the app makes the screen of it, so that no other screen is imported."""

    def screen(self, *, keys: Sequence[KeyAction], is_ascii: bool) -> Home:
        """Return the screen that shows it."""
