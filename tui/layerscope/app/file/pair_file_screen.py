"""The screen of one path in two images: what differs, and what it is in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import get_current_worker

from layerscope.app.export.requests import ExportRequested
from layerscope.app.export.subject import ExportSubject
from layerscope.app.file.file_screen import FileScreen
from layerscope.app.file.page_reading import Reading, failure_page, look_changes
from layerscope.app.file.pager import Pager
from layerscope.app.file.pages import Difference, Page, Sentences
from layerscope.app.file.path_history import PathHistory
from layerscope.app.keys import KeyAction, KeyContext, back, bindings
from layerscope.app.widgets.footer import Footer
from layerscope.errors import Cancelled, IsCancelled, LayerscopeError
from layerscope.text import escape
from layerscope.viewing.difference import difference
from layerscope.wording.style import cells, cut_middle

if TYPE_CHECKING:
    from layerscope.compare.merged_tree import MergedTree

Mode = Literal["diff", "old", "new"]
IMAGES: tuple[Mode, ...] = ("old", "new")


@dataclass(frozen=True, slots=True)
class PairedFile:
    """One path in two images, the old one first: the path's history in each, None where no container sees it."""

    path: str
    histories: tuple[PathHistory | None, PathHistory | None]

    @classmethod
    def of(cls, merged: MergedTree, node: int) -> PairedFile:
        """Look up a node of the merged tree in both images."""
        old, new = merged.nodes_of(node)
        images = merged.comparison.old, merged.comparison.new
        histories = (
            PathHistory.of(analysis.contents, each, analysis.waste) if each is not None else None
            for analysis, each in zip(images, (old, new), strict=True)
        )
        return cls("/" + escape(merged.view.tree.nodes.paths[node]), (next(histories), next(histories)))

    def history(self, mode: Mode = "diff") -> PathHistory:
        """Return the history in the image whose version is meant: the new one unless only the old one has it, or is shown."""
        old, new = self.histories
        found = old if new is None or (mode == "old" and old) else new
        assert found is not None
        return found

    def subject(self, mode: Mode = "diff") -> ExportSubject:
        """Return what is to be copied, opened or piped."""
        history = self.history(mode)
        return ExportSubject.of_version(history.contents, history.node, history.versions[_last(history)])

    @property
    def modes(self) -> tuple[Mode, ...]:
        """Return what can be shown: the difference if both images have the path, and the content of each that has it."""
        there: list[Mode] = [name for name, each in zip(IMAGES, self.histories, strict=True) if each]
        return ("diff", *there) if len(there) == 2 else tuple(there)

    def look(self, mode: Mode) -> str:
        """Return what kind of file with which attributes it is in an image."""
        history = self.histories[mode == "new"]
        return history.look(_last(history)) if history is not None else "not there"

    def page(self, mode: Mode, is_cancelled: IsCancelled) -> Page:
        """Read what is shown; an error is a page, too. Raises Cancelled."""
        try:
            if mode == "diff":
                return self._diff(is_cancelled)
            history = self.history(mode)
            return Reading(history, {}, is_cancelled).content(_last(history))
        except LayerscopeError as error:
            return failure_page(error)

    def _diff(self, is_cancelled: IsCancelled) -> Page:
        old, new = self.history("old"), self.history("new")
        before, after = old.versions[_last(old)], new.versions[_last(new)]
        if before.content_entry is None or after.content_entry is None:
            return Difference.of(look_changes(self.look("old"), self.look("new")), "old image → new image")
        shown = (
            Reading(old, {}, is_cancelled).load(before.content_entry),
            Reading(new, {}, is_cancelled).load(after.content_entry),
        )
        return Difference.of(difference(*shown, old_version=before, new_version=after), "old image → new image")


def _last(history: PathHistory) -> int:
    """Return the index of the version that a container sees."""
    return history.seen_after(history.contents.tree.layers)


class PairFileScreen(Screen[None]):
    """Shows what differs of a path between two images; as versions, its content in the old one and in the new one.

    It has the keys of the file screen, and posts what that posts: ExtractRequested and ExportRequested.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.FILE), back("back")]
    AUTO_FOCUS = "#file-lines"

    class _Read(Message, bubble=False):
        def __init__(self, mode: Mode, page: Page) -> None:
            self.mode, self.page = mode, page
            super().__init__()

    def __init__(self, file: PairedFile, *, keys: Sequence[KeyAction]) -> None:
        super().__init__()
        self._file, self._keys = file, keys
        self.mode: Mode = file.modes[0]
        self._pages: dict[Mode, Page] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="pair-file-header")
        yield Pager(id="file-pager")
        yield Footer(self._keys, id="footer")

    def on_mount(self) -> None:
        """Show the first page once the size is known."""
        self.call_after_refresh(self._show)

    @property
    def pager(self) -> Pager:
        """Return the pager, which shows the current page."""
        return self.query_one(Pager)

    def on_resize(self) -> None:
        self._show_header()

    def _show_header(self) -> None:
        tabs = [(f" {mode} ", "bold reverse $key" if mode == self.mode else "$faint") for mode in self._file.modes]
        room = max(self.size.width - 3 - sum(cells(text) for text, _ in tabs), 1)
        path = cut_middle(self._file.path, room)
        gap = " " * (room - cells(path) + 1)
        looks = [f" {name} image  {self._file.look(name)}" for name in IMAGES]
        lines = Content("\n".join(cut_middle(look, self.size.width - 1) for look in looks)).stylize("$faint")
        self.query_one("#pair-file-header", Static).update(Content.assemble(" ", (path, "bold"), gap, *tabs, "\n", lines))

    def _show(self) -> None:
        self._show_header()
        self.refresh_bindings()
        if self.mode in self._pages:
            self.pager.show(self._pages[self.mode])
        else:
            self.pager.show(Sentences(sentences=("loading …",), style="dim"))
            self._read(self.mode)

    @work(thread=True, exclusive=True, group="read")
    def _read(self, mode: Mode) -> None:
        worker = get_current_worker()
        try:
            self.post_message(self._Read(mode, self._file.page(mode, lambda: worker.is_cancelled)))
        except Cancelled:
            return

    @on(_Read)
    def _show_read(self, message: _Read) -> None:
        self._pages[message.mode] = message.page
        if message.mode == self.mode:
            self.pager.show(message.page)

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable keys that do nothing now, and all of them while text is typed."""
        if not self.is_mounted or action == "back":
            return True
        if self.pager.bar.is_typed_in:
            return False
        if action in ("show", "version"):
            return self._mode_of(parameters[0]) not in (self.mode, None)
        if action in ("read_again", "open"):
            return False
        return self.pager.has_matches if action == "match" else super().check_action(action, parameters)

    def _mode_of(self, wanted: object) -> Mode | None:
        """Return the mode that the keys for a `content`, a `diff` and the version before (-1) and after (1) lead to."""
        named: dict[object, Mode] = {"diff": "diff", -1: "old", 1: "new", "content": self._file.modes[-1]}
        mode = self.mode if wanted == "content" and self.mode != "diff" else named.get(wanted)
        return mode if mode in self._file.modes else None

    def _go(self, wanted: object) -> None:
        if mode := self._mode_of(wanted):
            self.mode = mode
            self._show()

    def action_show(self, what: str) -> None:
        """Show the difference, or the content."""
        self._go(what)

    def action_version(self, step: int) -> None:
        """Show the content in the old or the new image."""
        self._go(step)

    def action_search(self) -> None:
        self.pager.open_search()

    def action_match(self, step: int) -> None:
        self.pager.step(step * self.pager.lines.times)

    def action_across(self, step: int) -> None:
        self.pager.lines.scroll_across(step)

    def action_extract(self) -> None:
        """Copy the file out of the image."""
        history = self._file.history(self.mode)
        self.post_message(FileScreen.ExtractRequested(history.contents, history.node, history.contents.tree.layers))

    def action_export(self, how: Literal["copy", "open", "pipe"]) -> None:
        """Copy something of the file, open it in a program or pipe it to a command."""
        self.post_message(ExportRequested(self._file.subject(self.mode), how))

    def action_back(self) -> None:
        """Close the search, else the screen."""
        if self.pager.bar.is_on:
            self.pager.close_search()
        else:
            self.dismiss()
