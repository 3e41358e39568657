"""The app on an image under a pilot: open it, press keys, read what it shows. All waits are for something, none for a time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widget import Widget

from layerscope.advice.advice import Adviser
from layerscope.app.app import Ending, LayerscopeApp
from layerscope.app.explorer.explorer_screen import Explorer
from layerscope.app.explorer.layers import LayerList
from layerscope.app.explorer.loader import ImageSource, Opener
from layerscope.app.explorer.tree import FileTree
from layerscope.app.terminal import Terminal
from layerscope.app.widgets.lines import Lines
from layerscope.progress import Progress
from layerscope.rows import Rows
from layerscope.settings import Settings
from layerscope.sources.base import Base
from layerscope.sources.demo import open_demo
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from layerscope.text import escape
from support.image_builder import Layer, image

NARROW, WIDE = (80, 24), (140, 40)
HOPS = 8
"""From queue to queue a key goes, and what it brings about: no message is on its way for longer."""
DEFAULTS, COLORED = Settings(open_files=False), Terminal()
POOR = (Terminal(is_ascii=True), Terminal(has_no_color=True))
"""Terminals that show less than all."""

P = ParamSpec("P")
W = TypeVar("W", bound=Widget)


def piloted(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test that waits in a loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def demo(_progress: Progress) -> tuple[Image, Base]:
    """The built-in image, its base unknown."""
    return open_demo(), Base()


def stored(path: Path | str, base: int | None = None) -> Opener:
    """What is stored at a path."""

    def opener(progress: Progress) -> tuple[Image, Base]:
        return open_image(str(path), progress=progress), Base(base)

    return opener


def built(*layers: Layer, base: int | None = None, change: Callable[[bytes], bytes] = bytes, **form: Any) -> Opener:
    """An image of these layers; `change` is made to its archive, `form` is as `image` takes it."""

    def opener(progress: Progress) -> tuple[Image, Base]:
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            file.write(change(image(*layers, **form)))
            file.flush()
            return stored(file.name, base)(progress)

    return opener


@dataclass(frozen=True, slots=True)
class Shown:
    """The app, and what it shows."""

    app: LayerscopeApp
    pilot: Pilot[Ending]

    # What a user does.

    async def keys(self, names: str) -> None:
        """Press keys one after the other, each when all is done that the one before brought about."""
        for name in names.split():
            self.press(name)
            await self.settled()

    async def write(self, text: str) -> None:
        """Press the keys of a text, all before the app has looked at the first."""
        for character in text:
            self.press(character)
        await self.settled()

    def press(self, name: str) -> None:
        """Press a key as a driver does, and do not wait."""
        is_character = len(name) == 1
        key = _character_to_key(name) if is_character and not name.isalnum() else name
        self.app.post_message(events.Key(key, name if is_character else None))

    async def click(self, pane: str, line: int, cell: int = 8, *, times: int = 1) -> None:
        """Click on a line of a pane, as it stands now."""
        clicked = self.app.screen.query_one(f"#{pane}")
        top = round(clicked.scroll_y)
        left, above = clicked.content_region.offset - clicked.region.offset
        heads = clicked.heads if isinstance(clicked, Lines) else 0
        await self.pilot.click(clicked, offset=(left + cell, above + heads + line - top), times=times)
        await self.settled()

    async def resize(self, width: int, height: int) -> None:
        await self.pilot.resize_terminal(width, height)
        await self.settled()

    async def settled(self) -> None:
        """Wait until nothing is on its way, and nothing is worked at but the loading."""
        await self._quiet()
        while self.app.is_running and not self.app._exit and self._is_at_work:
            await self.pilot.pause(0.002)
            await self._quiet()
        await self._quiet()  # what work that ended just before the last look has told is on its way

    @property
    def _is_at_work(self) -> bool:
        is_working = any(not worker.is_finished and worker.group != "load" for worker in self.app.workers)
        return is_working or self.app.key_queue.is_busy

    async def _quiet(self) -> None:
        for _ in range(HOPS):
            if not self.app.is_running or self.app._exit:
                return
            await self.pilot.pause(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something; what never comes is a failure."""
        for _ in range(2000):
            if condition():
                return
            await self.pilot.pause(0.005)
        raise AssertionError("it never came")

    # What there is to see.

    @property
    def explorer(self) -> Explorer:
        assert self.app.explorer is not None
        return self.app.explorer

    @property
    def files(self) -> FileTree:
        return self.explorer.file_pane

    @property
    def layers(self) -> LayerList:
        return self.explorer.layer_pane

    @property
    def rows(self) -> Rows:
        assert self.files.rows is not None
        return self.files.rows

    @property
    def layer(self) -> int:
        """The layer under the cursor."""
        return self.layers.number

    @property
    def path(self) -> str:
        """The path under the cursor."""
        return escape(self.rows.view.tree.nodes.paths[self.files.node])

    @property
    def paths(self) -> list[str]:
        """The paths of all rows."""
        paths = self.rows.view.tree.nodes.paths
        return [escape(paths[node]) for node in self.rows.nodes.tolist()]

    @property
    def focus(self) -> str:
        """The id of what has the focus."""
        focused = self.app.screen.focused
        return focused.id or "" if focused else ""

    @property
    def title(self) -> str:
        """The title of the files, without markup."""
        return Content.from_markup(self.files.border_title or "").plain

    @property
    def said(self) -> list[str]:
        """What was notified, oldest first."""
        return [said.text for said in self.app.messages.last]

    def widget(self, pane: str, kind: type[W]) -> W:
        return self.app.screen.query_one(f"#{pane}", kind)

    def lines(self, pane: str) -> list[str]:
        """All lines of a list, also those that are out of sight, as wide as they are."""
        lines: Lines = self.widget(pane, Lines)
        return ["".join(segment.text for segment in lines.segments(line, lines.room)).rstrip() for line in range(lines.count)]

    def head(self, pane: str) -> str:
        """The column heads of a list."""
        lines: Lines = self.widget(pane, Lines)
        return "".join(segment.text for segment in lines.head(lines.room)).rstrip()

    def line(self, path: str) -> str:
        """A file's line."""
        return self.lines("files")[self.paths.index(path)]

    def styles(self, path: str) -> str:
        """The styles of a file's line, as Rich writes them."""
        return " · ".join(str(each.style) for each in self.files.segments(self.paths.index(path), self.files.room))

    @property
    def footer(self) -> str:
        return self.widget("footer", Widget).render_line(0).text

    @property
    def summary(self) -> str:
        return self.widget("summary", Widget).render_line(0).text

    @property
    def picture(self) -> list[str]:
        """Every line of the terminal."""
        return [strip.text for strip in self.app.screen._compositor.render_strips(self.app.screen.size)]

    def check_lines(self) -> None:
        """Every line, of each widget and of the terminal, is as wide as it should be and free of control characters."""
        for text in self.picture:
            assert cell_len(text) == self.app.screen.size.width, text
            assert all(character.isprintable() for character in text), repr(text)
        for lines in self.app.screen.query(Lines):
            if lines.is_on_screen and lines.room > 0:
                for y in range(lines.scrollable_content_region.height):
                    assert cell_len(lines.render_line(y).text) == lines.room, (lines, y)


@asynccontextmanager
async def explored(
    opener: Opener,
    *,
    size: tuple[int, int] = NARROW,
    settings: Settings = DEFAULTS,
    terminal: Terminal = COLORED,
    is_waiting: bool = True,
    keys: Sequence[str] = (),
    adviser: Adviser | None = None,
) -> AsyncIterator[Shown]:
    """The app on an image, all of which is known unless not `is_waiting` for it; `keys` were pressed."""
    app = LayerscopeApp(ImageSource(opener, "test.tar", adviser=adviser), settings=settings, terminal=terminal)
    async with app.run_test(size=Size(*size)) as pilot:
        shown = Shown(app, pilot)
        if is_waiting:
            await shown.until(lambda: shown.explorer.analysis is not None or app._exit)
        await shown.settled()
        for each in keys:
            await shown.keys(each)
        yield shown
