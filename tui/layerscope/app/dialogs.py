"""The dialog that asks where to copy files to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from layerscope.analysis import Contents
from layerscope.app.keys import back
from layerscope.errors import Cancelled, LayerscopeError, WouldOverwrite
from layerscope.extraction.extract import Extracted, extract_all
from layerscope.extraction.selection import FORCE
from layerscope.text import escape
from layerscope.tree.tree import View
from layerscope.units import count_text, size_text


class ExtractDialog(ModalScreen[str | None]):
    """Asks where to copy files and directories to, each as it is in a view, and copies them in a thread.

    With a number `layer`, they are all that this layer wrote, for which a directory of their own is offered.
    It ends with a sentence that says what was copied, or None when nothing was.
    """

    BINDINGS: ClassVar[list[BindingType]] = [back()]

    class Done(Message, bubble=False):
        """Everything was copied to `where`."""

        def __init__(self, found: Extracted, where: str) -> None:
            self.found, self.where = found, where
            super().__init__()

    class Refused(Message, bubble=False):
        """Nothing was copied; `sentence` says why. With `is_there`, Enter again replaces what is at the destination."""

        def __init__(self, sentence: str, *, is_there: bool) -> None:
            self.sentence, self.is_there = sentence, is_there
            super().__init__()

    class Advanced(Message, bubble=False):
        """The copy is at `done` bytes of `total`."""

        def __init__(self, done: int, total: int) -> None:
            self.done, self.total = done, total
            super().__init__()

    def __init__(self, contents: Contents, parts: Sequence[tuple[View, int]], *, layer: int = 0) -> None:
        super().__init__()
        self._contents, self._parts, self._layer = contents, parts, layer
        self._replaces = ""

    def compose(self) -> ComposeResult:
        files = sum(int(view.subtree_files[node]) for view, node in self._parts)
        size = sum(int(view.subtree_bytes[node]) for view, node in self._parts)
        with Vertical(id="extract"):
            yield Static(Content(self._sentence))
            yield Input(value=f"layer-{self._layer}" if self._layer else ".", id="extract-to", select_on_focus=True)
            note = f"{count_text(files, 'file')}, {size_text(size)}. Enter copies, Esc cancels."
            yield Static(Content(note), id="extract-note")

    @property
    def _sentence(self) -> str:
        view, node = self._parts[0]
        if self._layer:
            return f"Copy what layer {self._layer} wrote, to the directory:"
        if len(self._parts) > 1:
            return f"Copy {len(self._parts):,} marked files and directories into the directory:"
        return f"Copy /{escape(view.tree.nodes.paths[node])} as it is after layer {view.last}, to:"

    def on_mount(self) -> None:
        self.query_one("#extract").border_title = "Extract"

    @on(Input.Submitted)
    def _start(self, event: Input.Submitted) -> None:
        event.stop()
        where = event.value.strip()
        if where:
            self._say("copying …")
            self._extract(where, overwrite=self._replaces == where)

    @work(thread=True, exclusive=True, group="extract")
    def _extract(self, where: str, *, overwrite: bool) -> None:
        worker = get_current_worker()

        def progress(_stage: str, done: int, total: int) -> None:
            if worker.is_cancelled:
                raise Cancelled
            self.post_message(self.Advanced(done, total))

        try:
            place = Path(where).expanduser()
            found = extract_all(self._contents, self._parts, place, overwrite=overwrite, progress=progress)
            self.post_message(self.Done(found, str(place)))
        except Cancelled:
            pass
        except (LayerscopeError, RuntimeError, ValueError) as error:  # ~nobody has no home; a NUL is in no path
            self.post_message(self.Refused(str(error), is_there=isinstance(error, WouldOverwrite)))

    @on(Advanced)
    def _show_advance(self, message: Advanced) -> None:
        self._say(f"copying: {size_text(message.done)} of {size_text(message.total)}")

    @on(Refused)
    def _show_refusal(self, message: Refused) -> None:
        self._replaces = self.query_one(Input).value.strip() if message.is_there else ""
        hint = "; Enter again replaces it" if message.is_there else ""
        self._say(message.sentence.removesuffix(FORCE) + hint, is_problem=True)

    @on(Done)
    def _finish(self, message: Done) -> None:
        found = message.found
        notes = [f"{count_text(found.devices, 'device')} left out"] if found.devices else []
        what = f"{count_text(found.files, 'file')}, {size_text(found.content_bytes)} copied to {escape(message.where)}"
        self.dismiss("; ".join([what, *notes, *found.notes]))

    def _say(self, text: str, *, is_problem: bool = False) -> None:
        self.set_class(is_problem, "-problem")
        self.query_one("#extract-note", Static).update(Content(text))
