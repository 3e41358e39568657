"""The app: it starts on one image or on a list of images, and opens the other screens when asked to."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import events, on
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from layerscope.app.explorer.explorer_screen import Explorer
from layerscope.app.explorer.loader import Analyzed, Failed, ImageSource, Rebuilt
from layerscope.app.key_queue import KeyQueue
from layerscope.app.keys import KeyContext, bindings, keymap_of, keys_with
from layerscope.app.terminal import Terminal, TerminalDriver
from layerscope.app.widgets.footer import key_text
from layerscope.app.widgets.home import Home, HomeStart
from layerscope.settings import Order, SavedState, Settings, recall, remember

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.app.file.file_screen import FileScreen
    from layerscope.app.waste.fix_outline import FixOutline
    from layerscope.app.widgets.jump import Jump
    from layerscope.tree.tree import View


class Crashed:
    """A bug ended the app; its traceback is on standard error."""


OnAnalyzed = Callable[["Analysis"], object]
"""Called with each finished analysis."""

Ending = Failed | Crashed | int | None
"""How the app ended: by an error, a bug, a signal's number, or because the user quit."""

GARBAGE = 20_000
"""The number of new objects after which the garbage collector runs: some thirty times Python's default."""
_COLORS = ("added", "modified", "removed", "wasted", "faint", "key")
DARK_COLORS = {"wasted": "#d670d6", "faint": "#8b949e"}
LIGHT_COLORS = dict(zip(_COLORS, ("#116329", "#7d4e00", "#b31d28", "#8f1d87", "#57606a", "#0550ae"), strict=True))
ANSI_COLORS = {
    **dict(zip(_COLORS, ("ansi_green", "ansi_yellow", "ansi_red", "ansi_magenta"), strict=False)),
    "faint": "ansi_default",
    "key": "ansi_cyan",
}
"""Names of the terminal's own sixteen colors, for the `ansi` themes; `faint` text is dimmed instead (app.tcss)."""


Remembered = TypeVar("Remembered")


class LayerscopeApp(App[Ending], inherit_bindings=False):
    """The Textual app. It explores one image (ImageSource), or lists images (HomeStart), each of which opens in an Explorer."""

    TITLE = "layerscope"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.EVERYWHERE)
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self, start: ImageSource | HomeStart, *, settings: Settings, terminal: Terminal, on_analyzed: OnAnalyzed | None = None
    ) -> None:
        # TEXTUAL_DRIVER names another driver where there is no terminal, as in a browser.
        driver = None if os.environ.get("TEXTUAL_DRIVER") else TerminalDriver
        super().__init__(driver, ansi_color=True if terminal.has_no_color else None)
        self._start, self._settings, self._on_analyzed = start, settings, on_analyzed
        self._is_ascii = terminal.is_ascii
        self.no_color = terminal.has_no_color
        self._filters += terminal.filters
        # Textual's own detection of colors is less reliable.
        self.console._color_system = terminal.colors
        remembered = recall()
        self._order = Order(settings.sort or remembered.sort or "name")
        self.theme = terminal.theme(settings.theme, remembered.theme, self.available_themes)
        keymap = keymap_of(settings)
        self.key_table = keys_with(keymap)
        self.set_keymap(keymap)
        self.home: Home | None = None
        self.explorer: Explorer | None = None
        self.key_queue = KeyQueue(self, self._is_searching)
        self._remembered: dict[object, Any] = {}
        self._remembered_of: Analysis | None = None

    def get_default_screen(self) -> Screen[None]:
        """Return the first screen, the explorer or a list of images, so that Textual draws no empty screen before it."""
        if isinstance(self._start, ImageSource):
            return self._explorer_on(self._start)
        self.home = self._start.screen(keys=self.key_table, is_ascii=self._is_ascii)
        return self.home

    def _explorer_on(self, source: ImageSource) -> Explorer:
        self.explorer = Explorer(
            source,
            settings=self._settings,
            order=self._order,
            keys=self.key_table,
            is_ascii=self._is_ascii,
            ask=self._answer,
        )
        return self.explorer

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the theme variables that layerscope adds, a color each for `added`, `wasted` and the like.

        Every fact has the same color on all screens, and all colors can be read on a light background, too.
        """
        theme = self.current_theme
        if theme.ansi:
            return ANSI_COLORS
        if not theme.dark:
            return LIGHT_COLORS
        warning, error, success = theme.warning or "orange", theme.error or "red", theme.success or "green"
        return DARK_COLORS | {"added": success, "modified": warning, "removed": error, "key": theme.accent or warning}

    def on_mount(self) -> None:
        """Exit on SIGINT, SIGTERM and SIGHUP as if the user quit, so that the terminal is restored."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, int(number))

    async def on_event(self, event: events.Event) -> None:
        """Hand over keys one at a time, and all else at once."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self.key_queue.put(event, partial(super().on_event, event))
        else:
            await super().on_event(event)

    def _is_searching(self) -> bool:
        is_waiting = self.explorer is not None and self.screen is self.explorer and self.explorer.bar.is_waiting
        return is_waiting or any(worker.group == "search" and not worker.is_finished for worker in self.workers)

    # What the explorer posts.

    @on(Analyzed)
    @on(Rebuilt)
    def _all_read(self, message: Analyzed | Rebuilt) -> None:
        if self._on_analyzed is not None:
            self._on_analyzed(message.analysis)
        self._reading_over()

    def _reading_over(self) -> None:
        if self.home is None:
            # The columns of the only image live to the end: the collector must not look through them again and again.
            gc.freeze()
        gc.enable()
        # Drawing a frame makes some thousand objects, which would be looked through ten times meanwhile.
        gc.set_threshold(GARBAGE)
        self.run_worker(_import_screens, thread=True, group="load")

    @on(Failed)
    def _give_up(self, message: Failed) -> None:
        if self.home is None:
            self.exit(message)
        elif self.screen is not self.home:
            self._leave_image()
            self.notify(str(message.error), title="Not opened", severity="error", markup=False, timeout=20)

    def _answer(self, request: Message) -> None:
        """Open another screen, leave the image or quit, as the explorer asks.

        This is called at once, because a posted message would arrive after keys that are already waiting.
        """
        match request:
            case Explorer.WasteRequested():
                self._show_waste(request)
            case Explorer.TreemapRequested():
                self._show_treemap(request)
            case Explorer.BiggestRequested():
                self._show_biggest(request)
            case Explorer.FileRequested():
                self._show_file(request)
            case Explorer.ExtractRequested():
                self._ask_where_to(request.contents, request.view, request.node)
            case Explorer.Stopped():
                self._reading_over()
            case Explorer.Left() if self.home is not None:
                self._leave_image()

    @on(Explorer.SortChanged)
    def _remember_order(self, message: Explorer.SortChanged) -> None:
        self._order = message.order
        self._remember()

    def _show_waste(self, message: Explorer.WasteRequested) -> None:
        from layerscope.app.waste.outline import WasteOutline
        from layerscope.app.waste.waste_screen import WasteScreen

        outline = self._remember_of(message.analysis, WasteOutline)
        fixes = self._remember_of(message.analysis, self._fixes)
        self.push_screen(WasteScreen(outline, fixes, keys=self.key_table, is_ascii=self._is_ascii), self._jump)

    def _remember_of(self, analysis: Analysis, make: Callable[[Analysis], Remembered]) -> Remembered:
        """Return what a screen remembers while it is closed: what `make` made first, as long as the analysis is the same."""
        if self._remembered_of is not analysis:
            self._remembered_of, self._remembered = analysis, {}
        if make not in self._remembered:
            self._remembered[make] = make(analysis)
        return cast("Remembered", self._remembered[make])

    def _fixes(self, analysis: Analysis) -> FixOutline:
        from layerscope.app.waste.fix_outline import FixOutline, without_dockerfile

        adviser = self.explorer.source.adviser if self.explorer is not None else None
        return FixOutline(analysis, adviser or without_dockerfile)

    def _show_treemap(self, message: Explorer.TreemapRequested) -> None:
        from layerscope.app.sizes.treemap_screen import TreemapScreen, TreemapState

        state = self._remember_of(message.analysis, TreemapState)
        state.come_from(message.node)
        self.push_screen(TreemapScreen(state, keys=self.key_table, is_ascii=self._is_ascii), self._jump)

    def _show_biggest(self, message: Explorer.BiggestRequested) -> None:
        from layerscope.app.sizes.biggest_lines import BiggestState
        from layerscope.app.sizes.biggest_screen import BiggestScreen

        state = self._remember_of(message.analysis, BiggestState)
        state.filter(None)
        screen = BiggestScreen(state, message.layer, keys=self.key_table, is_ascii=self._is_ascii)
        self.push_screen(screen, self._jump)

    def _jump(self, jump: Jump | None) -> None:
        if jump is not None and self.explorer is not None:
            self.explorer.jump(jump.layer, jump.node)

    def _show_file(self, message: Explorer.FileRequested) -> None:
        from layerscope.app.file.file_screen import FileScreen
        from layerscope.app.file.path_history import PathHistory

        explorer = self.explorer
        assert explorer is not None
        waste = explorer.analysis.waste if explorer.analysis is not None else None
        history = PathHistory.of(message.contents, message.node, waste)
        keys, progressed = self.key_table, explorer.progressed
        self.push_screen(FileScreen(history, message.layer, shows=message.shows, keys=keys, progressed=progressed))

    def on_file_screen_read_again_requested(self) -> None:
        """Go back to the image, and read it again."""
        explorer = self.explorer
        if explorer is not None:
            while self.screen is not explorer:
                self.pop_screen()
            explorer.action_read_again()

    def on_file_screen_extract_requested(self, message: FileScreen.ExtractRequested) -> None:
        """Ask where to copy a version of a file to."""
        self._ask_where_to(message.contents, message.contents.tree.view(message.layer), message.node)

    def _ask_where_to(self, contents: Contents, view: View, node: int) -> None:
        from layerscope.app.dialogs import ExtractDialog

        self.push_screen(ExtractDialog(contents, view, node), self._say_extracted)

    def _say_extracted(self, sentence: str | None) -> None:
        if sentence:
            self.notify(sentence, title="Extracted", markup=False)

    # What a list of images posts.

    @on(Home.Opened)
    def _open_image(self, message: Home.Opened) -> None:
        if self.screen is self.home:
            self.push_screen(self._explorer_on(ImageSource(message.opener, message.reference)))

    @on(Home.Paired)
    def _compare(self, message: Home.Paired) -> None:
        from layerscope.app.explorer.pair_screen import ImagePair

        if self.screen is self.home:
            pair = ImagePair(message.openers, message.title)
            self.push_screen(pair.screen(keys=self.key_table, is_ascii=self._is_ascii))

    @on(Home.Broken)
    def _end_list(self, message: Home.Broken) -> None:
        self.exit(Failed(message.error))

    def _leave_image(self) -> None:
        """Go back to the list of images: stop reading the open image, and close its screens.

        If all of the image was read, the list learns it.
        """
        explorer, home = self.explorer, self.home
        if home is None:
            return
        if explorer is not None:
            explorer.stop()
        while self.screen is not home:
            self.pop_screen()
        if explorer is not None:
            is_read = explorer.analysis is not None and explorer.analysis.contents.is_complete
            home.left(explorer.analysis if is_read else None)
        self.explorer = self._remembered_of = None
        self._remembered = {}

    # What keys do.

    def action_leave(self) -> None:
        """Step back to the screen before, or quit from the first; neither waits for what is being read."""
        if len(self.screen_stack) == 1:
            self.stop()
        elif self.screen is self.explorer:
            self._leave_image()
        else:
            self.screen.dismiss()

    async def action_quit(self) -> None:
        """Quit from anywhere, without waiting for what is being read."""
        self.stop()

    def stop(self) -> None:
        """End the app."""
        for reading in (self.explorer, self.home):
            if reading is not None:
                reading.stop()
        self.exit()

    async def action_back(self) -> None:
        """Close the current screen (Escape). Screens that first close something else, such as a filter, bind it themselves."""
        if len(self.screen_stack) > 1:
            self.screen.dismiss()

    def action_help(self) -> None:
        """Show all keys, those of a list of images first while it is shown."""
        from layerscope.app.dialogs import HelpScreen

        shown = self.home.CONTEXT if self.home is not None and self.screen is self.home else None
        first = [key for key in self.key_table if key.context is shown]
        self.push_screen(HelpScreen(first + [key for key in self.key_table if key not in first]))

    def watch_theme(self, theme: str) -> None:
        """Remember a theme chosen in the palette."""
        if self.is_running:
            self._remember(theme)

    def _remember(self, theme: str = "") -> None:
        remember(SavedState(sort=self._order.value, theme=theme or recall().theme))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the palette's commands: the actions of all keys that work in `screen`, then most of Textual's own commands."""
        names = {key.id: key for key in self.key_table}
        seen = set()
        for active in screen.active_bindings.values():
            key = names.get(active.binding.id or "")
            if key is not None and active.enabled and key.context is not KeyContext.LISTS and key.action not in seen:
                seen.add(key.action)
                hint = f"{key_text(key.keys.split(',')[0])}  ({key.id})"
                yield SystemCommand(key.description, hint, partial(self.run_action, active.binding.action, active.node))
        yield from (each for each in super().get_system_commands(screen) if each.title not in ("Quit", "Keys", "Screenshot"))


def _import_screens() -> None:
    """Import the screens that a key may open, so that neither the first frame nor the key waits for them."""
    for name in ("waste.waste_screen", "file.file_screen", "sizes.treemap_screen", "sizes.biggest_screen", "dialogs"):
        importlib.import_module(f"layerscope.app.{name}")


def run(
    start: ImageSource | HomeStart, *, settings: Settings, terminal: Terminal, on_analyzed: OnAnalyzed | None = None
) -> Ending:
    """Run the app until it ends, leave the terminal as it was before, and return how the app ended."""
    app = LayerscopeApp(start, settings=settings, terminal=terminal, on_analyzed=on_analyzed)
    # A loop of our own: asyncio.run would wait for threads that still read.
    ending = app.run(loop=asyncio.new_event_loop())
    return Crashed() if app.return_code else ending
