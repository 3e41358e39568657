"""The base of the screens that list images: one is opened in the explorer, and the user comes back to the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual import on
from textual.message import Message
from textual.screen import Screen

from layerscope.app.keys import KeyAction, KeyContext
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.input_line import InputLine, ListFilter
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
    opens_files = True
    """Whether a tree of files opens itself until the pane is full, as the settings say."""
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-medium"), (36, "-tall")]  # noqa: RUF012 - Textual's

    class Opened(Message):
        """The user opened an image: `opener` opens it and finds its base, `reference` is what to call it meanwhile."""

        def __init__(self, opener: Callable[[Progress], tuple[Image, Base]], reference: str) -> None:
            self.opener, self.reference = opener, reference
            super().__init__()

    class Paired(Message):
        """The user compares two images, which `openers` open, the old one first; `title` says which."""

        def __init__(self, openers: Sequence[Callable[[Progress], tuple[Image, Base]]], title: str) -> None:
            self.openers, self.title = openers, title
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


class FilteredHome(Home):
    """A Home with a line to filter its list by. Subclasses say what typing into it and closing it does."""

    @property
    def pane(self) -> CursorLines:
        """Return the list."""
        raise NotImplementedError

    @property
    def filter_line(self) -> ListFilter:
        """Return the line of the filter."""
        return self.query_one(ListFilter)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the filter key while a filter is typed."""
        if action == "filter" and self.filter_line.is_typed_in:
            return False
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        self.filter_line.open()

    def action_back(self) -> None:
        if self.filter_line.is_on:
            self.filter_line.close()

    @on(InputLine.Entered)
    def _to_list(self) -> None:
        self.set_focus(self.pane)


class HomeStart(Protocol):
    """What a Home lists; the app makes the screen of it, so that no other screen is imported."""

    def screen(self, *, keys: Sequence[KeyAction], is_ascii: bool) -> Home:
        """Return the screen that shows it."""
