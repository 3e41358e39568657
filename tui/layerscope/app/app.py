"""The app: what holds on every screen. `run` is what the command line calls."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from layerscope.app.driver import TerminalDriver
from layerscope.app.explorer.loader import Analysed, Failed, Fingerprint, Loader, Opened, Opener, Progressed, Read, Rebuilt
from layerscope.app.explorer.screen import Explorer
from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import DIVE, Place, keys_with
from layerscope.app.terminal import Terminal
from layerscope.app.widgets.footer import key_text
from layerscope.rows.order import Order
from layerscope.settings.remembered import Remembered, recall, remember
from layerscope.settings.settings import Settings

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.app.file.screen import FileScreen
    from layerscope.tree.tree import View


class Crashed:
    """A bug, of which standard error has the traceback."""


OnAnalysed = Callable[["Analysis"], object]
"""Told of each image of which all is known."""


def untold(_analysis: Analysis) -> None:
    """Nobody wants to know."""


Ending = Failed | Crashed | int | None
"""How the app ended: an error, a bug, a signal's number, or as the user wished."""

GARBAGE = 20_000
"""New objects after which the garbage collector looks at them, some thirty times as many as otherwise."""
_COLOURS = ("added", "modified", "removed", "wasted", "faint", "key")
DARK_COLOURS = {"wasted": "#d670d6", "faint": "#8b949e"}
LIGHT_COLOURS = dict(zip(_COLOURS, ("#116329", "#7d4e00", "#b31d28", "#8f1d87", "#57606a", "#0550ae"), strict=True))
ANSI_COLOURS = {
    **dict(zip(_COLOURS, ("ansi_green", "ansi_yellow", "ansi_red", "ansi_magenta"), strict=False)),
    "faint": "ansi_default",
    "key": "ansi_cyan",
}
"""The terminal's own sixteen; what is faint is dimmed instead (app.tcss)."""


class LayerscopeApp(App[Ending], inherit_bindings=False):
    """Layers, files and waste of one image."""

    TITLE = "layerscope"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.EVERYWHERE)
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self, opener: Opener, reference: str, *, settings: Settings, terminal: Terminal, fingerprint: Fingerprint | None = None
    ) -> None:
        # TEXTUAL_DRIVER names another where there is no terminal, as in a browser.
        driver = None if os.environ.get("TEXTUAL_DRIVER") else TerminalDriver
        super().__init__(driver, ansi_color=True if terminal.has_no_colour else None)
        self.settings = settings
        self.is_ascii = terminal.is_ascii
        self.no_color = terminal.has_no_colour
        self._filters += terminal.filters
        # What Textual would take for the same by itself is less sure.
        self.console._color_system = terminal.colours
        remembered = recall()
        self.order = Order(settings.sort or remembered.sort or "name")
        self.theme = terminal.theme(settings.theme, remembered.theme, self.available_themes)
        self._reference = reference
        self._loader = Loader(opener, self.post_message, fingerprint)
        self.on_analysed: OnAnalysed = untold
        keymap = {**(DIVE if settings.keymap == "dive" else {}), **settings.keys}
        self.key_table = keys_with(keymap)
        self.set_keymap(keymap)

    def get_default_screen(self) -> Screen[None]:
        """The explorer is there from the first frame on."""
        self.explorer = Explorer(self._reference)
        return self.explorer

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Colours of our own: each fact has one everywhere, and it can be read on a light ground, too."""
        theme = self.current_theme
        if theme.ansi:
            return ANSI_COLOURS
        if not theme.dark:
            return LIGHT_COLOURS
        warning, error, success = theme.warning or "orange", theme.error or "red", theme.success or "green"
        return DARK_COLOURS | {"added": success, "modified": warning, "removed": error, "key": theme.accent or warning}

    def on_mount(self) -> None:
        """Start reading once the first frame is out; end tidily when the system asks for it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, int(number))
        self.call_after_refresh(self._load)

    def _load(self) -> None:
        self.run_worker(self._loader.run, thread=True, group="load")

    @on(Opened)
    @on(Progressed)
    @on(Read)
    def _pass_on(self, message: Message) -> None:
        self.explorer.post_message(message)
        top = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(message, Progressed) and top is not None and top is not self.explorer:
            top.post_message(message)

    @on(Analysed)
    @on(Rebuilt)
    def _all_read(self, message: Analysed | Rebuilt) -> None:
        self.explorer.post_message(message)
        self.on_analysed(message.analysis)
        # A million columns' worth of objects that live to the end are not to be looked through again and again.
        gc.freeze()
        gc.enable()
        # Drawing a frame makes some thousand objects, which would be looked through ten times meanwhile.
        gc.set_threshold(GARBAGE)
        self.run_worker(_import_screens, thread=True, group="load")

    @on(Failed)
    def _give_up(self, message: Failed) -> None:
        self.exit(message)

    def stop(self) -> None:
        """End reading, and the app with it."""
        self._loader.stop()
        self.exit()

    async def action_quit(self) -> None:
        """Quit at once, whatever is being read."""
        self.stop()

    async def action_back(self) -> None:
        """Escape: a step back in the explorer, and out of any other screen that does not say otherwise."""
        if self.screen is self.explorer:
            self.explorer.action_back()
        elif len(self.screen_stack) > 1:
            self.screen.dismiss()

    def action_help(self) -> None:
        """All keys."""
        from layerscope.app.dialogs.help import HelpScreen

        self.push_screen(HelpScreen(self.key_table))

    def on_file_screen_extract(self, message: FileScreen.Extract) -> None:
        """Copy a version of a file out of the image."""
        self.ask_where_to(message.contents, message.contents.tree.view(message.layer), message.node)

    def ask_where_to(self, contents: Contents, view: View, node: int) -> None:
        """Copy a file or directory out of the image."""
        from layerscope.app.dialogs.extract import ExtractDialog

        self.push_screen(ExtractDialog(contents, view, node), self._say_extracted)

    def _say_extracted(self, sentence: str | None) -> None:
        if sentence:
            self.notify(sentence, title="Extracted", markup=False)

    def watch_theme(self, theme: str) -> None:
        """A theme chosen in the palette is remembered."""
        if self.is_running:
            self.remember(theme)

    def remember(self, theme: str = "") -> None:
        """Keep the sort order and the theme for the next time."""
        remember(Remembered(sort=self.order.value, theme=theme or recall().theme))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """All that keys do here, by name, and Textual's own."""
        names = {key.id: key for key in self.key_table}
        seen = set()
        for active in screen.active_bindings.values():
            key = names.get(active.binding.id or "")
            if key is not None and active.enabled and key.place is not Place.LISTS and key.action not in seen:
                seen.add(key.action)
                hint = f"{key_text(key.keys.split(',')[0])}  ({key.id})"
                yield SystemCommand(key.description, hint, partial(self.run_action, active.binding.action, active.node))
        yield from (each for each in super().get_system_commands(screen) if each.title not in ("Quit", "Keys", "Screenshot"))


def _import_screens() -> None:
    """The screens that a key leads to from here; the first frame did not wait for them, and nor shall the key."""
    for name in ("waste.screen", "file.screen", "dialogs.extract", "dialogs.help"):
        importlib.import_module(f"layerscope.app.{name}")


def run(
    opener: Opener,
    reference: str,
    *,
    settings: Settings,
    terminal: Terminal,
    fingerprint: Fingerprint | None = None,
    on_analysed: OnAnalysed | None = None,
) -> Ending:
    """Show the screen until the user quits. The terminal is as before afterwards. With a `fingerprint` it shows each build."""
    app = LayerscopeApp(opener, reference, settings=settings, terminal=terminal, fingerprint=fingerprint)
    app.on_analysed = on_analysed or app.on_analysed
    # A loop of our own: asyncio.run would wait for threads that still read.
    ending = app.run(loop=asyncio.new_event_loop())
    return Crashed() if app.return_code else ending
