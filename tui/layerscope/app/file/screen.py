"""One path: its content, what differs from the version before, and every layer that touched it. It wires."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from layerscope.analysis import Contents
from layerscope.app.explorer.loader import Progressed
from layerscope.app.file.blame import Blame
from layerscope.app.file.header import MODES, FileHeader, Mode
from layerscope.app.file.page_reading import Kept, Key, Ready, read
from layerscope.app.file.pager import Pager
from layerscope.app.file.pages import Page, Sentences
from layerscope.app.file.path_history import Story
from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import Place
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.lines import Lines
from layerscope.units import count_text
from layerscope.waste.find import Waste

PATIENCE = 0.1
"""Seconds before the screen says that it is loading."""
LOADING = Sentences(sentences=("loading …",), ink="dim")


class FileScreen(Screen[None]):
    """Steps through the versions of `node`, from the one seen after `layer` on. It posts Extract.

    `mode` is the way of looking at the version with that `index`, from 0.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.FILE), Binding("escape", "back", show=False, id="app.back")]
    AUTO_FOCUS = "#file-lines"

    class Extract(Message):
        """`node` is to be copied out of the image, as it is seen after `layer`."""

        def __init__(self, contents: Contents, node: int, layer: int) -> None:
            self.contents, self.node, self.layer = contents, node, layer
            super().__init__()

    def __init__(self, contents: Contents, node: int, layer: int, *, shows: Mode, waste: Waste | None = None) -> None:
        super().__init__()
        self._story = Story.of(contents, node, waste)
        self._modes: tuple[Mode, ...] = MODES if self._story.has_content else ("diff", "blame")
        self.mode: Mode = shows if shows in self._modes else "blame"
        self.index = self._story.seen_after(layer)
        self._kept = Kept()
        self._shown: Key | None = None
        self._tops: dict[Mode, int] = {}

    def compose(self) -> ComposeResult:
        """What is looked at, its lines, what is known of them, keys."""
        yield FileHeader(self._story.path, self._modes, id="file-header")
        yield Pager(id="file-pager")
        yield Footer(id="footer")

    def on_mount(self) -> None:
        """Begin once the size is known."""
        self.call_after_refresh(self._show)

    @property
    def pager(self) -> Pager:
        """The page that is shown."""
        return self.query_one(Pager)

    # What is shown.

    def _go(self, mode: Mode, index: int) -> None:
        """Show another version, or the same in another way; each way keeps its place."""
        if self._shown is not None:
            self._tops[self._shown[0]] = self.pager.lines.top
        self.mode, self.index = mode, index
        self._show()

    def _show(self) -> None:
        """Show what is meant now: at once if it was read before."""
        self._show_header()
        key = (self.mode, self.index)
        self.workers.cancel_group(self, "read")
        if self.mode == "blame":
            self._show_page(Blame(status=count_text(len(self._story), "version"), facts=self._story.facts))
        elif key in self._kept.pages:
            self._show_page(self._kept.pages[key])
        else:
            self._shown = None
            self.set_timer(PATIENCE, lambda: self._show_waiting(key))
            self._read(key)

    def _show_header(self) -> None:
        facts = self._story.facts[self.index]
        self.query_one(FileHeader).show(facts, self.mode, number=self.index + 1, total=len(self._story))
        self.refresh_bindings()

    @on(Progressed)
    def _show_progress(self, progress: Progressed) -> None:
        """How far an engine is that has to give the content once more."""
        if self._shown is None and progress.stage:
            share = f" {100 * progress.done // progress.total}%" if progress.total else ""
            self.pager.show(Sentences(sentences=(f"loading … {progress.stage}{share}",), ink="dim"))

    def _show_waiting(self, key: Key) -> None:
        if self._shown is None and key == (self.mode, self.index):
            self.pager.show(LOADING)

    def _show_page(self, page: Page) -> None:
        key = (self.mode, self.index)
        if self._shown == key:
            self.pager.lines.recolour(page)
        else:
            self._shown = key
            self.pager.show(page, top=self._tops.get(self.mode, 0), index=self.index)

    @work(thread=True, exclusive=True, group="read")
    def _read(self, key: Key) -> None:
        """Read in a thread; `exclusive` ends the reading before."""
        worker = get_current_worker()
        for ready in read(self._story, key, dict(self._kept.files), lambda: worker.is_cancelled):
            if not worker.is_cancelled:
                self.post_message(ready)

    @on(Ready)
    def _show_ready(self, message: Ready) -> None:
        self._kept.keep(message)
        if message.key == (self.mode, self.index):
            self._show_page(message.page)

    @on(Lines.Moved)
    def _cursor_moved(self) -> None:
        lines = self.pager.lines
        if self.mode == "blame" and lines.has_cursor and lines.index != self.index:
            self.index = lines.index
            self._shown = (self.mode, self.index)
            self._show_header()

    @on(FileHeader.Picked)
    def _picked(self, message: FileHeader.Picked) -> None:
        self.action_show(message.mode)

    @on(Lines.Chosen)
    def _chosen(self) -> None:
        self.action_open()

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows only what works now; while text is typed, keys are text."""
        if not self.is_mounted or action == "back":
            return True
        if self.pager.bar.is_typing:
            return False
        step = parameters[0] if parameters else None
        works = {
            "show": step in self._modes and step != self.mode,
            "version": isinstance(step, int) and 0 <= self.index + step < len(self._story),
            "match": self.pager.has_matches,
            "open": self.pager.has_matches if self.mode != "blame" else "content" in self._modes,
            "extract": self._story.is_seen(self.index),
        }
        return works.get(action, True)

    def action_show(self, mode: Mode) -> None:
        """Content, diff or blame."""
        if mode in self._modes:
            self._go(mode, self.index)

    def action_version(self, step: int) -> None:
        """The version after or before, looked at in the same way."""
        self._go(self.mode, self.index + step)

    def action_open(self) -> None:
        """The content of the version under the cursor; elsewhere the next match."""
        if self.mode == "blame":
            self.action_show("content")
        else:
            self.action_match(1)

    def action_search(self) -> None:
        """Let the user type what to search for."""
        self.pager.open_search()

    def action_match(self, step: int) -> None:
        """The next or previous match."""
        self.pager.step(step)

    def action_across(self, step: int) -> None:
        """Scroll sideways."""
        self.pager.lines.scroll_across(step)

    def action_extract(self) -> None:
        """Copy this version out of the image."""
        self.post_message(self.Extract(self._story.contents, self._story.node, self._story.facts[self.index].layer))

    def action_copy_path(self) -> None:
        """Copy the path, over SSH too."""
        self.app.copy_to_clipboard(self._story.path)
        self.notify(self._story.path, title="Copied", markup=False)

    def action_back(self) -> None:
        """Out of the search, else out of the file."""
        if self.pager.bar.is_on:
            self.pager.close_search()
        else:
            self.dismiss()
