"""The line of the filter: what is typed is searched in a thread; each key ends the search before."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from layerscope.app.explorer.tree import Files
from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import Place
from layerscope.errors import UsageError
from layerscope.units import count_text

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.rows.names import NameIndex
    from layerscope.rows.shape import Flags
    from layerscope.rows.terms import Query


class FilterBar(Horizontal):
    """An input, and how much it found. It posts Found for each result, and Closed when the user goes back to the files."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.FILTER)

    class Found(Message):
        """`mask` over the tree's nodes (None: no filter), `best` of which the cursor goes to if it was typed."""

        def __init__(self, mask: Flags | None, best: int | None, *, is_complete: bool, is_typed: bool, text: str = "") -> None:
            self.mask, self.best, self.is_complete, self.is_typed, self.text = mask, best, is_complete, is_typed, text
            super().__init__()

    class Closed(Message):
        """The files have the focus again."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._analysis: Analysis | None = None
        self._index: NameIndex | None = None
        self._is_typed = False

    def compose(self) -> ComposeResult:
        """A sign, the input, the count."""
        yield Static("/", id="filter-sign")
        yield Input(placeholder="name  *.pyc  /regex/  >10M  is:removed  layer:3  !not", compact=True, id="filter-text")
        yield Static("", id="filter-count")

    @property
    def is_on(self) -> bool:
        """Whether the files are filtered, or about to be."""
        return self.has_class("-on")

    @property
    def is_typed_in(self) -> bool:
        """Whether keys arrive here; the input itself hears of its focus later."""
        return self.screen.focused is self.query_one(Input)

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(Input).value

    @property
    def query_typed(self) -> Query:
        """What that asks for."""
        from layerscope.rows.query import parse

        return parse(self.text)

    def prepare(self, analysis: Analysis) -> None:
        """Index the names of an image in the background, so that the first key finds them ready."""
        self._analysis = analysis
        self._build()

    def open(self) -> None:
        """Let the user type. The focus moves at once, so that keys that are waiting already arrive here."""
        self.add_class("-on")
        self.display = True  # at once; the class would take effect with the next frame
        box = self.query_one(Input)
        self.screen.set_focus(box)

    def close(self) -> None:
        """Show all files again."""
        box = self.query_one(Input)
        with box.prevent(Input.Changed):
            box.value = ""
        self.workers.cancel_group(self, "search")
        self.remove_class("-on")
        self.display = False
        self.show_text("")
        self.post_message(self.Found(None, None, is_complete=True, is_typed=False))
        self.post_message(self.Closed())

    def show_count(self, count: int, *, is_complete: bool) -> None:
        """How many hits there are."""
        problem = self.query_typed.problem
        self.show_text(problem or f"{count_text(count, 'hit')}{'' if is_complete else ' …'}")

    def show_text(self, text: str) -> None:
        """What stands after the input."""
        self.query_one("#filter-count", Static).update(text, layout=True)

    def search_again(self) -> None:
        """The layer is another: so may be what fits."""
        if self.is_on and self.query_typed.conditions:
            self._is_typed = False
            self._search(self.text)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._is_typed = True
        query = self.query_typed
        if query.conditions:
            self._search(event.value)
        else:
            self.workers.cancel_group(self, "search")
            self.show_text(query.problem)
            self.post_message(self.Found(None, None, is_complete=True, is_typed=True))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_to_files()

    def action_to_files(self) -> None:
        """From the input to what it found; out of an empty one."""
        if self.text.strip():
            self.post_message(self.Closed())
        else:
            self.close()

    def action_close(self) -> None:
        """Out of the filter."""
        self.close()

    @work(thread=True, exclusive=True, group="index")
    def _build(self) -> None:
        from layerscope.rows.names import NameIndex

        worker = get_current_worker()
        if self._analysis is not None:
            self._index = NameIndex.of(self._analysis.tree.nodes, lambda: worker.is_cancelled)

    @work(thread=True, exclusive=True, group="search")
    def _search(self, text: str) -> None:
        """Search in a thread; `exclusive` ends the one before."""
        from layerscope.rows.names import NameIndex
        from layerscope.rows.query import parse
        from layerscope.rows.search import search

        worker = get_current_worker()
        analysis, view = self._analysis, self.screen.query_one(Files).rows
        if analysis is None or view is None:
            return
        index = self._index or NameIndex.of(analysis.tree.nodes, lambda: worker.is_cancelled)
        if index is None:
            return
        self._index = index
        is_typed = self._is_typed
        try:
            for found in search(parse(text), index, view.view, analysis.waste, is_cancelled=lambda: worker.is_cancelled):
                if worker.is_cancelled:
                    return
                best = found.best
                self.post_message(self.Found(found.mask, best, is_complete=found.is_complete, is_typed=is_typed, text=text))
        except UsageError as error:
            if not worker.is_cancelled:
                self.app.call_from_thread(self.show_text, str(error))
