"""Two dialogs: where to copy files to, and the help with all keys, the marks of the tree and the terms of the filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from layerscope.analysis import Contents
from layerscope.app.keys import KeyAction, KeyContext, back
from layerscope.app.widgets.footer import key_text
from layerscope.app.widgets.lines import Lines
from layerscope.errors import Cancelled, LayerscopeError, WouldOverwrite
from layerscope.extraction.extract import Extracted, extract
from layerscope.text import escape
from layerscope.tree.tree import View
from layerscope.units import count_text, size_text
from layerscope.wording.style import wrapped

LABEL = 18
MARKS = (
    ("+ ~ -", "added, modified, removed by the layers whose changes are shown"),
    ("!", "wasted: a layer carries bytes of this file that no container sees"),
    ("~12", "after a directory: 12 changes below it"),
    ("size, bar", "everything below a directory, each content once; the bar is the share of the parent directory"),
    ("◆", "the marked layer"),
)
FILTERS = (
    ("conf", "fuzzy: names with c, o, n, f in this order; with a /, paths"),
    ("'conf", "names that contain exactly this"),
    ("*.pyc  /usr/**", "a glob for names or, with a /, for paths"),
    ("/\\.so$/", "a regular expression for paths"),
    (">10M  <1k", "files by size; kB, MB, KiB, MiB"),
    ("is:added", "added, modified, wasted; dir, file, link, exec"),
    ("is:removed", "no longer there, whichever layer removed it"),
    ("layer:3", "touched by layer 3; layer:3-5 for a range"),
    ("!is:wasted", "`!` means not; a space between two means and"),
)
HelpLine = tuple[str, str, str]
"""The left and right text of a line, and its color."""


class ExtractDialog(ModalScreen[str | None]):
    """Asks where to copy a file or directory to, and copies it in a thread.

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

    def __init__(self, contents: Contents, view: View, node: int) -> None:
        super().__init__()
        self._contents, self._view, self._node = contents, view, node
        self._path = escape(contents.tree.nodes.paths[node])
        self._replaces = ""

    def compose(self) -> ComposeResult:
        files, size = int(self._view.subtree_files[self._node]), int(self._view.subtree_bytes[self._node])
        with Vertical(id="extract"):
            yield Static(Content(f"Copy /{self._path} as it is after layer {self._view.last}, to:"))
            yield Input(value=".", id="extract-to", select_on_focus=True)
            note = f"{count_text(files, 'file')}, {size_text(size)}. Enter copies, Esc cancels."
            yield Static(Content(note), id="extract-note")

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
            found = extract(self._contents, self._view, self._node, place, overwrite=overwrite, progress=progress)
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
        self._say(message.sentence + (" Enter again replaces it." if message.is_there else ""), is_problem=True)

    @on(Done)
    def _finish(self, message: Done) -> None:
        found = message.found
        notes = [f"{count_text(found.devices, 'device')} left out"] if found.devices else []
        what = f"{count_text(found.files, 'file')}, {size_text(found.content_bytes)} copied to {escape(message.where)}"
        self.dismiss("; ".join([what, *notes, *found.notes]))

    def _say(self, text: str, *, is_problem: bool = False) -> None:
        self.set_class(is_problem, "-problem")
        self.query_one("#extract-note", Static).update(Content(text))


class HelpScreen(ModalScreen[None]):
    """The help: keys, marks and filter terms in a list to scroll through. The keys that open it also close it."""

    BINDINGS: ClassVar[list[BindingType]] = [back(), Binding("q,question_mark,f1", "app.back", "Close", show=False)]

    def __init__(self, keys: Sequence[KeyAction]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        yield HelpLines(self._keys, id="help")

    def on_mount(self) -> None:
        self.query_one(HelpLines).border_title = "Keys and marks"
        self.query_one(HelpLines).border_subtitle = "esc closes"


class HelpLines(Lines):
    """Draws the help, wrapped to the width."""

    def __init__(self, keys: Sequence[KeyAction], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._keys = keys
        self._texts: list[HelpLine] = []

    def fit(self) -> None:
        width = max(self.room - LABEL - 3, 10)
        self._texts = [
            (left if index == 0 else "", piece, color)
            for left, right, color in help_lines(self._keys)
            for index, piece in enumerate(wrapped(right, width))
        ]
        self.set_count(len(self._texts))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        left, right, color = self._texts[line]
        return [Segment(f" {left:<{LABEL}} ", self.style(color)), Segment(right)]


def help_lines(keys: Sequence[KeyAction]) -> Iterator[HelpLine]:
    """Yield the lines of the help: keys by context (the context of the first key is first), then marks and filter terms."""
    for place in dict.fromkeys([*(key.context for key in keys[:1]), *KeyContext]):
        yield place.value, "", "head"
        for key in keys:
            if key.context is place:
                yield "  ".join(key_text(each) for each in key.keys.split(",")), key.description, "key"
        yield "", "", "dim"
    for heading, rows in (("Marks", MARKS), ("Filter", FILTERS)):
        yield heading, "", "head"
        for left, right in rows:
            yield left, right, "key"
        yield "", "", "dim"
