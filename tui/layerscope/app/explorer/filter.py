"""The filter of the file tree: each key typed starts a search of all names in a thread and cancels the previous search."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.message import Message
from textual.worker import get_current_worker

from layerscope.app.keys import KeyContext, bindings
from layerscope.app.widgets.input_line import InputLine
from layerscope.errors import UsageError
from layerscope.units import count_text

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.search.names import NameIndex
    from layerscope.search.query import Query
    from layerscope.tree.nodes import Flags
    from layerscope.tree.tree import View


class FilterBar(InputLine):
    """The input line that filters the file tree. It posts Found for each result, and what every InputLine posts."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.FILTER)

    class Found(Message):
        """The files that match `text`: `mask` has a flag for each node of the tree, None where there is nothing to filter by.

        `best` is the node that matches best, None unless the user just typed. More may follow unless `is_complete`.
        """

        def __init__(self, text: str, mask: Flags | None, best: int | None, *, is_complete: bool) -> None:
            self.text, self.mask, self.best, self.is_complete = text, mask, best, is_complete
            super().__init__()

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__("name  *.pyc  /regex/  >10M  is:removed  layer:3  !not", id=id)
        self._analysis: Analysis | None = None
        self._view: View | None = None
        self._index: NameIndex | None = None
        self._is_typed = False

    @property
    def _query(self) -> Query:
        from layerscope.search.query import parse

        return parse(self.text)

    def prepare(self, analysis: Analysis, view: View | None) -> None:
        """Set the files to search, and index their names in a thread, so that the first key finds them ready."""
        self._analysis, self._view, self._index = analysis, view, None
        self._build_index()

    def search_again(self, view: View | None) -> None:
        """Search for the same text again, among the files that are there after another layer."""
        self._view = view
        if self.is_on and self._query.conditions:
            self._is_typed = False
            self._search(self.text)

    def show_count(self, count: int, *, is_complete: bool) -> None:
        """Show how many hits there are, or what is wrong with the query."""
        self.show_text(self._query.problem or f"{count_text(count, 'hit')}{'' if is_complete else ' …'}")

    def close(self) -> None:
        """Cancel the search and hide the line."""
        self.workers.cancel_group(self, "search")
        super().close()

    @on(InputLine.Typed)
    def _typed(self, event: InputLine.Typed) -> None:
        event.stop()
        self._is_typed = True
        query = self._query
        if query.conditions:
            self._search(event.text)
        else:
            self.workers.cancel_group(self, "search")
            self.show_text(query.problem)
            self.post_message(self.Found(event.text, None, None, is_complete=True))

    @work(thread=True, exclusive=True, group="index")
    def _build_index(self) -> None:
        from layerscope.search.names import NameIndex

        worker, analysis = get_current_worker(), self._analysis
        if analysis is not None:
            self._index = NameIndex.of(analysis.tree.nodes, lambda: worker.is_cancelled)

    @work(thread=True, exclusive=True, group="search")
    def _search(self, text: str) -> None:
        from layerscope.search.names import NameIndex
        from layerscope.search.query import parse
        from layerscope.search.search import search

        worker, analysis, view, is_typed = get_current_worker(), self._analysis, self._view, self._is_typed
        if analysis is None or view is None:
            return
        index = self._index or NameIndex.of(analysis.tree.nodes, lambda: worker.is_cancelled)
        if index is None:
            return
        if analysis is self._analysis:
            self._index = index
        try:
            for found in search(parse(text), index, view, analysis.waste, is_cancelled=lambda: worker.is_cancelled):
                if worker.is_cancelled:
                    return
                best = found.best if is_typed else None
                self.post_message(self.Found(text, found.mask, best, is_complete=found.is_complete))
        except UsageError as error:
            if not worker.is_cancelled:
                self.app.call_from_thread(self.show_text, str(error))
