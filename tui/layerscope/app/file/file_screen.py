"""The screen of one path: its content, the diff to the version before, and every layer that touched it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.signal import Signal
from textual.worker import get_current_worker

from layerscope.analysis import Contents
from layerscope.app.export.requests import ExportRequested
from layerscope.app.export.subject import ExportSubject
from layerscope.app.file.header import MODES, FileHeader, Mode
from layerscope.app.file.page_reading import PageCache, PageKey, Ready, read
from layerscope.app.file.pager import Pager
from layerscope.app.file.pages import Blame, Page, Sentences
from layerscope.app.file.path_history import PathHistory
from layerscope.app.keys import KEYS, KeyAction, KeyContext, back, bindings
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.summary import Progressed
from layerscope.units import count_text

PATIENCE = 0.1
"""Seconds before the screen says that it is loading."""
LOADING = Sentences(sentences=("loading …",), style="dim")


class FileScreen(Screen[None]):
    """Shows the versions of a path, first the one seen after `layer`, as content, as a diff or as a list of all.

    It posts ExtractRequested and ExportRequested.

    `index` is the version shown, from 0, and `mode` the way it is shown. `progressed` publishes the
    progress of a container engine that has to send the image again, for contents that were not kept.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.FILE), back("back")]
    AUTO_FOCUS = "#file-lines"

    class ExtractRequested(Message):
        """The user wants to copy `node`, as it is seen after `layer`, out of the image."""

        def __init__(self, contents: Contents, node: int, layer: int) -> None:
            self.contents, self.node, self.layer = contents, node, layer
            super().__init__()

    class ReadAgainRequested(Message):
        """The user wants the image to be read again."""

    def __init__(
        self,
        history: PathHistory,
        layer: int,
        *,
        shows: Mode,
        keys: Sequence[KeyAction] = KEYS,
        progressed: Signal[Progressed] | None = None,
    ) -> None:
        super().__init__()
        self._history, self._keys, self._progressed = history, keys, progressed
        self._modes: tuple[Mode, ...] = MODES if self._history.has_content else ("diff", "blame")
        self.mode: Mode = shows if shows in self._modes else "blame"
        self.index = self._history.seen_after(layer)
        self._kept = PageCache()
        self._shown: PageKey | None = None
        self._tops: dict[Mode, int] = {}

    def compose(self) -> ComposeResult:
        yield FileHeader(self._history.path, self._modes, id="file-header")
        yield Pager(id="file-pager")
        yield Footer(self._keys, id="footer")

    def on_mount(self) -> None:
        """Show the first page once the size is known."""
        if self._progressed is not None:
            self._progressed.subscribe(self, self._show_progress)
        self.call_after_refresh(self._show)

    @property
    def pager(self) -> Pager:
        """Return the pager, which shows the current page."""
        return self.query_one(Pager)

    # What is shown.

    def _go(self, mode: Mode, index: int) -> None:
        """Show another version or mode; each mode keeps its scroll position."""
        if self._shown is not None:
            self._tops[self._shown[0]] = self.pager.lines.top
        self.mode, self.index = mode, index
        self._show()

    def _show(self) -> None:
        """Show the version and mode that are set now, at once if they were read before."""
        self._show_header()
        key = (self.mode, self.index)
        self.workers.cancel_group(self, "read")
        if self.mode == "blame":
            self._show_page(Blame(status=count_text(len(self._history), "version"), facts=self._history.facts))
        elif key in self._kept.pages:
            self._show_page(self._kept.pages[key])
        else:
            self._shown = None
            self.set_timer(PATIENCE, lambda: self._show_waiting(key))
            self._read(key)

    def _show_header(self) -> None:
        facts = self._history.facts[self.index]
        self.query_one(FileHeader).show(facts, self.mode, number=self.index + 1, total=len(self._history))
        self.refresh_bindings()

    def _show_progress(self, progress: Progressed) -> None:
        """Show the progress of a container engine that has to send the image again, for contents that were not kept."""
        if self._shown is None and progress.stage:
            share = f" {100 * progress.done // progress.total}%" if progress.total else ""
            self.pager.show(Sentences(sentences=(f"loading … {progress.stage}{share}",), style="dim"))

    def _show_waiting(self, key: PageKey) -> None:
        if self._shown is None and key == (self.mode, self.index):
            self.pager.show(LOADING)

    def _show_page(self, page: Page) -> None:
        key = (self.mode, self.index)
        if self._shown == key:
            self.pager.lines.recolor(page)
        else:
            self._shown = key
            self.pager.show(page, top=self._tops.get(self.mode, 0), index=self.index)

    @work(thread=True, exclusive=True, group="read")
    def _read(self, key: PageKey) -> None:
        """Read a page in a thread; `exclusive` cancels the one before."""
        worker = get_current_worker()
        for ready in read(self._history, key, dict(self._kept.files), lambda: worker.is_cancelled):
            if not worker.is_cancelled:
                self.post_message(ready)

    @on(Ready)
    def _show_ready(self, message: Ready) -> None:
        self._kept.keep(message)
        if message.key == (self.mode, self.index):
            self._show_page(message.page)

    @on(CursorLines.Moved)
    def _cursor_moved(self) -> None:
        lines = self.pager.lines
        if self.mode == "blame" and lines.has_cursor and lines.index != self.index:
            self.index = lines.index
            self._shown = (self.mode, self.index)
            self._show_header()

    @on(FileHeader.Picked)
    def _picked(self, message: FileHeader.Picked) -> None:
        self.action_show(message.mode)

    @on(CursorLines.Chosen)
    def _chosen(self) -> None:
        self.action_open()

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable keys that do nothing now, and all of them while text is typed."""
        if not self.is_mounted or action == "back":
            return True
        if self.pager.bar.is_typed_in:
            return False
        step = parameters[0] if parameters else None
        works = {
            "show": step in self._modes and step != self.mode,
            "version": isinstance(step, int) and 0 <= self.index + step < len(self._history),
            "match": self.pager.has_matches,
            "open": self.pager.has_matches if self.mode != "blame" else "content" in self._modes,
            "extract": self._history.is_seen(self.index),
        }
        return works.get(action, True)

    def action_show(self, mode: Mode) -> None:
        """Show content, diff or blame."""
        if mode in self._modes:
            self._go(mode, self.index)

    def action_version(self, step: int) -> None:
        """Show the next or previous version in the same mode."""
        self._go(self.mode, self.index + step)

    def action_open(self) -> None:
        """Show the content of the version under the cursor; without a cursor, go to the next match."""
        if self.mode == "blame":
            self.action_show("content")
        else:
            self.action_match(1)

    def action_search(self) -> None:
        self.pager.open_search()

    def action_match(self, step: int) -> None:
        self.pager.step(step * self.pager.lines.times)

    def action_across(self, step: int) -> None:
        self.pager.lines.scroll_across(step)

    def action_extract(self) -> None:
        self.post_message(
            self.ExtractRequested(self._history.contents, self._history.node, self._history.facts[self.index].layer)
        )

    def action_read_again(self) -> None:
        self.post_message(self.ReadAgainRequested())

    def action_export(self, how: Literal["copy", "open", "pipe"]) -> None:
        """Copy something of the version, open it in a program or pipe it to a command."""
        history = self._history
        about = ExportSubject.of_version(history.contents, history.node, history.versions[self.index])
        self.post_message(ExportRequested(about, how))

    def action_back(self) -> None:
        """Stop what goes through the file, else close the search, else the screen."""
        if self.pager.is_going_through:
            self.pager.stop()
        elif self.pager.bar.is_on:
            self.pager.close_search()
        else:
            self.dismiss()
