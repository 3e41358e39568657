"""The app: it starts on one image or on a list of images, and opens the other screens when asked to."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import events, on
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from layerscope.app.explorer.explorer_screen import Explorer
from layerscope.app.explorer.loader import Analyzed, Failed, ImageSource, Rebuilt
from layerscope.app.explorer.panes import Split
from layerscope.app.export.requests import ExportRequested, SaveRequested, SlimRequested
from layerscope.app.key_queue import KeyQueue
from layerscope.app.keys import KeyContext, bindings, keymap_of, keys_with
from layerscope.app.terminal import Terminal, TerminalDriver
from layerscope.app.widgets.footer import Footer, footer_place, key_text
from layerscope.app.widgets.home import Home, HomeStart
from layerscope.app.widgets.messages import SECONDS, Messages, Severity, ShortMessage, show_messages
from layerscope.settings import Order, SavedState, Settings, recall, remember

if TYPE_CHECKING:
    from textual.command import Provider

    from layerscope.analysis import Analysis, Contents
    from layerscope.app.explorer.pair_screen import PairScreen
    from layerscope.app.file.file_screen import FileScreen
    from layerscope.app.waste.fix_outline import FixOutline
    from layerscope.app.widgets.jump import Jump
    from layerscope.app.widgets.overview import Overview, OverviewName
    from layerscope.tree.tree import View


def _commands_by_use() -> type[Provider]:
    from layerscope.app.palette import CommandsByUse

    return CommandsByUse


class Crashed:
    """A bug ended the app; its traceback is on standard error."""


OnAnalyzed = Callable[["Analysis"], object]
"""Called with each finished analysis."""

Ending = Failed | Crashed | int | None
"""How the app ended: by an error, a bug, a signal's number, or because the user quit."""

GARBAGE = 20_000
"""The number of new objects after which the garbage collector runs: some thirty times Python's default."""
PATIENCE = 0.0005
"""Seconds that a thread that reads layers may keep Python's lock: a frame asks for it dozens of times. Python has 0.005."""
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
    COMMANDS: ClassVar[set[Any]] = {_commands_by_use}

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
        self._order = Order(settings.sort)
        self._recent = remembered.recent
        self._split = Split()
        self.theme = terminal.theme(settings.theme, remembered.theme, self.available_themes)
        keymap = keymap_of(settings)
        self.key_table = keys_with(keymap)
        self.set_keymap(keymap)
        self.home: Home | None = None
        self.explorer: Explorer | None = None
        self.messages = Messages()
        self.key_queue = KeyQueue(self, self._is_searching)
        self._remembered: dict[object, Any] = {}
        self._remembered_of: Analysis | None = None

    def get_default_screen(self) -> Screen[None]:
        """Return the first screen, the explorer or a list of images, so that Textual draws no empty screen before it."""
        if isinstance(self._start, ImageSource):
            return self._explorer_on(self._start)
        self.home = self._home_of(self._start)
        return self.home

    def _home_of(self, start: HomeStart) -> Home:
        screen = start.screen(keys=self.key_table, is_ascii=self._is_ascii)
        screen.opens_files = self._settings.open_files
        return screen

    def _explorer_on(self, source: ImageSource) -> Explorer:
        self.explorer = Explorer(
            source,
            settings=self._settings,
            order=self._order,
            keys=self.key_table,
            is_ascii=self._is_ascii,
            ask=self._answer,
        )
        self.explorer.split = self._split
        return self.explorer

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the theme variables that layerscope adds, a color each for `added`, `wasted` and the like.

        Every fact has the same color on all screens, and all colors can be read on a light background, too.
        """
        theme = self.current_theme
        if theme.ansi:
            return ANSI_COLORS if theme.dark else ANSI_COLORS | {"key": "ansi_blue"}
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
            self._end_message()
            self.key_queue.put(event, partial(super().on_event, event))
        else:
            await super().on_event(event)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Severity = "information",
        timeout: float | None = None,
        markup: bool = True,  # noqa: ARG002 - Textual's
    ) -> None:
        """Say something in the last line for `timeout` seconds or, if it is no error, until the next key."""
        self.call_later(self._say, message, title, severity, timeout or SECONDS)

    def _say(self, text: str, title: str, severity: Severity, seconds: float) -> None:
        said = self.messages.say(text, title, severity)
        self._refresh_footers()
        self.set_timer(seconds, partial(self._end_message, said))

    def _end_message(self, said: ShortMessage | None = None) -> None:
        if self.messages.end(said):
            self._refresh_footers()

    def _refresh_footers(self) -> None:
        for screen in self.screen_stack:
            for footer in screen.query(Footer):
                footer.refresh()

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
            self.notify(str(message.error), title="Not opened", severity="error", markup=False)

    def _answer(self, request: Message) -> None:
        """Open another screen, leave the image or quit, as the explorer asks.

        This is called at once, because a posted message would arrive after keys that are already waiting.
        """
        match request:
            case Explorer.OverviewRequested():
                self.push_screen(self._overview(request), self._leave_overview)
            case Explorer.FileRequested():
                self._show_file(request)
            case Explorer.ExtractRequested():
                self._ask_where_to(request.contents, request.parts, layer=request.layer)
            case ExportRequested():
                self._export(request)
            case SaveRequested():
                self._save(request)
            case SlimRequested():
                self._slim(request)
            case Explorer.Stopped():
                self._reading_over()
            case Explorer.Left() if self.home is not None:
                self._leave_image()

    @on(Explorer.SortChanged)
    def _keep_order(self, message: Explorer.SortChanged) -> None:
        """Sort the next image of this session as this one."""
        self._order = message.order

    def _overview(self, request: Explorer.OverviewRequested) -> Overview:
        """Return the screen of an overview, as it was left."""
        analysis, name, keys, is_ascii = request.analysis, request.name, self.key_table, self._is_ascii
        if name == "waste":
            from layerscope.app.waste.outline import WasteOutline
            from layerscope.app.waste.waste_screen import WasteScreen

            outline, fixes = self._remember_of(analysis, WasteOutline), self._remember_of(analysis, self._fixes)
            return WasteScreen(outline, fixes, request.planner, keys=keys, is_ascii=is_ascii)
        if name == "treemap":
            from layerscope.app.sizes.treemap_screen import TreemapScreen, TreemapState

            boxes = self._remember_of(analysis, TreemapState)
            boxes.come_from(request.node)
            return TreemapScreen(boxes, keys=keys, is_ascii=is_ascii)
        from layerscope.app.sizes.biggest_lines import BiggestState
        from layerscope.app.sizes.biggest_screen import BiggestScreen

        files = self._remember_of(analysis, BiggestState)
        files.filter(None)
        return BiggestScreen(files, request.layer, keys=keys, is_ascii=is_ascii)

    def _leave_overview(self, result: Jump | OverviewName | None) -> None:
        """Go where an overview leads to: a place in the files, another overview, or back."""
        explorer = self.explorer
        if explorer is None or result is None:
            return
        if isinstance(result, str):
            explorer.action_overview(result)
        else:
            explorer.jump(result.layer, result.node)

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

    def on_pair_screen_file_requested(self, message: PairScreen.FileRequested) -> None:
        """Show, copy or extract a file of two images."""
        from layerscope.app.file.pair_file_screen import PairedFile, PairFileScreen

        file = PairedFile.of(message.merged, message.node)
        if message.what == "view":
            self.push_screen(PairFileScreen(file, keys=self.key_table))
        elif message.what == "copy":
            self._export(ExportRequested(file.subject(), "copy"))
        else:
            contents, node = file.history().contents, file.history().node
            self._ask_where_to(contents, [(contents.tree.view(contents.tree.layers), node)])

    def on_file_screen_extract_requested(self, message: FileScreen.ExtractRequested) -> None:
        """Ask where to copy a version of a file to."""
        self._ask_where_to(message.contents, [(message.contents.tree.view(message.layer), message.node)])

    def _ask_where_to(self, contents: Contents, parts: Sequence[tuple[View, int]], *, layer: int = 0) -> None:
        from layerscope.app.dialogs import ExtractDialog

        self.push_screen(ExtractDialog(contents, parts, layer=layer), self._say_extracted)

    @on(ExportRequested)
    def _export(self, message: ExportRequested) -> None:
        from layerscope.app.export.copying import ask_what_to_copy
        from layerscope.app.export.opening import ask_what_to_open_with, ask_what_to_pipe_to

        analysis = self.explorer.analysis if self.explorer is not None else None
        match message.how:
            case "copy":
                fixes = self._remember_of(analysis, self._fixes) if analysis is not None else None
                ask_what_to_copy(self, message.about, fixes, again=self._keys_of("explore.copy"))
            case "open":
                ask_what_to_open_with(self, message.about, again=self._keys_of("explore.open"))
            case "pipe":
                ask_what_to_pipe_to(self, message.about)

    @on(SaveRequested)
    def _save(self, message: SaveRequested) -> None:
        from layerscope.app.export.copying import found_advice
        from layerscope.app.export.saving import ask_what_to_save, reports

        explorer = self.explorer
        assert explorer is not None
        views = [message.shown] if message.shown is not None else []
        if explorer.analysis is not None:
            fixes = self._remember_of(explorer.analysis, self._fixes)
            views += reports(explorer.analysis, partial(found_advice, fixes), message.by)
        ask_what_to_save(self, views, explorer.source.reference, again=self._keys_of("explore.save"))

    @on(SlimRequested)
    def _slim(self, message: SlimRequested) -> None:
        from layerscope.app.slim.slim_dialog import SlimDialog

        assert self.explorer is not None
        self.push_screen(SlimDialog(message.planner, self.explorer.source.reference, is_ascii=self._is_ascii))

    def _keys_of(self, id_: str) -> list[str]:
        return next(key for key in self.key_table if key.id == id_).keys.split(",")

    def _say_extracted(self, sentence: str | None) -> None:
        if sentence:
            self.notify(sentence, markup=False)
            if self.explorer is not None and self.screen is self.explorer:
                self.explorer.file_pane.unmark()

    # What a list of images posts.

    @on(Home.Opened)
    def _open_image(self, message: Home.Opened) -> None:
        if self.screen is self.home:
            self.push_screen(self._explorer_on(ImageSource(message.opener, message.reference)))

    @on(Home.Paired)
    def _compare(self, message: Home.Paired) -> None:
        from layerscope.app.explorer.pair_screen import ImagePair

        if self.screen is self.home:
            self.push_screen(self._home_of(ImagePair(message.openers, message.title)))

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
        """Show the marks and all keys, those that work here first."""
        from layerscope.app.help_screen import HelpScreen, contexts_here

        self.push_screen(HelpScreen(self.key_table, contexts_here(self.screen, self.key_table)))

    def watch_theme(self, theme: str) -> None:
        """Remember a theme chosen in the palette."""
        if self.is_running:
            self._remember(theme)

    def _remember(self, theme: str = "") -> None:
        remember(SavedState(theme=theme or recall().theme, recent=self._recent))

    def _used(self, title: str) -> None:
        """Remember which command of the palette was used last."""
        from layerscope.app.palette import with_used

        self._recent = with_used(self._recent, title)
        self._remember()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the palette's commands, those used last first: see `_commands`."""
        from layerscope.app.palette import by_use

        yield from by_use(self._commands(screen), self._recent, self._used)

    def _commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the actions of all keys that work in `screen`, in the footer's order, then most of Textual's own commands."""
        names = {key.id: key for key in self.key_table}
        seen = set()
        actives = screen.active_bindings.values()
        for active in sorted(actives, key=lambda each: footer_place(names.get(each.binding.id or ""))):
            key = names.get(active.binding.id or "")
            if key is not None and active.enabled and key.context is not KeyContext.LISTS and key.action not in seen:
                seen.add(key.action)
                hint = f"key {' or '.join(map(key_text, key.keys.split(',')))}"
                yield SystemCommand(key.description, hint, partial(self.run_action, active.binding.action, active.node))
        yield SystemCommand("Show the last messages", "Whole, the newest first", partial(show_messages, self, self.messages))
        yield from (each for each in super().get_system_commands(screen) if each.title not in ("Quit", "Keys", "Screenshot"))


def _import_screens() -> None:
    """Import the screens that a key may open, so that neither the first frame nor the key waits for them."""
    for name in (
        "waste.waste_screen",
        "file.file_screen",
        "sizes.treemap_screen",
        "sizes.biggest_screen",
        "dialogs",
        "help_screen",
        "export.copying",
        "export.opening",
        "export.saving",
        "slim.slim_dialog",
    ):
        importlib.import_module(f"layerscope.app.{name}")


def run(
    start: ImageSource | HomeStart, *, settings: Settings, terminal: Terminal, on_analyzed: OnAnalyzed | None = None
) -> Ending:
    """Run the app until it ends, leave the terminal as it was before, and return how the app ended."""
    sys.setswitchinterval(PATIENCE)
    app = LayerscopeApp(start, settings=settings, terminal=terminal, on_analyzed=on_analyzed)
    # A loop of our own: asyncio.run would wait for threads that still read.
    ending = app.run(loop=asyncio.new_event_loop())
    return Crashed() if app.return_code else ending
