"""The filter of files: each key typed starts a search of all names in a thread and cancels the previous search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.message import Message
from textual.worker import Worker, get_current_worker

from layerscope.app.keys import KeyContext, bindings
from layerscope.app.widgets.input_line import InputLine
from layerscope.errors import UsageError
from layerscope.units import count_text

if TYPE_CHECKING:
    from layerscope.search.names import NameIndex
    from layerscope.search.query import Query
    from layerscope.tree.nodes import Flags
    from layerscope.tree.tree import Tree, View
    from layerscope.waste.find import Waste


@dataclass(frozen=True, slots=True)
class _Files:
    """What is searched; `waste` is None until it was found."""

    view: View
    waste: Waste | None


class FilterBar(InputLine):
    """The input line that filters files. It posts Found for each result, and what every InputLine posts."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.FILTER)

    class Found(Message):
        """The files that match `text`: `mask` has a flag for each node of `tree`, None where there is nothing to filter by.

        `best` is the node that matches best, None unless the user just typed. More may follow unless `is_complete`.
        """

        def __init__(
            self, text: str, mask: Flags | None, best: int | None, *, is_complete: bool, tree: Tree | None = None
        ) -> None:
            self.text, self.mask, self.best, self.is_complete, self.tree = text, mask, best, is_complete, tree
            super().__init__()

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__("name  *.pyc  /regex/  >10M  is:removed  layer:3  !not", id=id)
        self._files: _Files | None = None
        self._index: NameIndex | None = None
        self._is_typed = False

    @property
    def _query(self) -> Query:
        from layerscope.search.query import parse

        return parse(self.text)

    @property
    def is_waiting(self) -> bool:
        """Tell whether something was typed, and there are no files yet to search."""
        return self.is_on and self._files is None and bool(self._query.conditions)

    def prepare(self, view: View | None, waste: Waste | None) -> None:
        """Set the files to search, those read so far while `waste` is None, and search them for what was typed already.

        Once the waste is known, the names are indexed in a thread, so that the first key finds them ready.
        """
        self._files = _Files(view, waste) if view is not None else None
        if self.is_on and self._query.conditions:
            self._search(self.text)
        elif waste is not None:
            self._build_index()

    def search_again(self, view: View | None) -> None:
        """Search for the same text again, among the files that are there after another layer."""
        if self._files is not None and view is not None:
            self._files = replace(self._files, view=view)
        if self.is_on and self._query.conditions:
            self._is_typed = False
            self._search(self.text)

    def show_count(self, count: int, *, is_complete: bool) -> None:
        """Show how many hits there are, or what is wrong with the query."""
        self._show_note(f"{count_text(count, 'hit')}{'' if is_complete else ' …'}")

    def _show_note(self, note: str) -> None:
        """Show what is wrong with the query, or else `note`."""
        problem = self._query.problem
        self.show_text(problem or note, is_wrong=bool(problem))

    def close(self) -> None:
        """Cancel the search and hide the line."""
        self.workers.cancel_group(self, "search")
        super().close()

    @on(InputLine.Typed)
    def _typed(self, event: InputLine.Typed) -> None:
        event.stop()
        self._is_typed = True
        query = self._query
        if query.conditions and self._files is None:
            self._show_note("searches as soon as a layer is read")
        elif query.conditions:
            self._search(event.text)
        else:
            self.workers.cancel_group(self, "search")
            self._show_note("")
            self.post_message(self.Found(event.text, None, None, is_complete=True))

    @on(Found)
    def _led_to_best(self, event: FilterBar.Found) -> None:
        """Lead the cursor to the best match once: more of the image may arrive when the user has gone on."""
        if event.best is not None and event.is_complete and event.text == self.text:
            self._is_typed = False

    @work(thread=True, exclusive=True, group="index")
    def _build_index(self) -> None:
        if self._files is not None:
            self._index_of(self._files.view.tree, get_current_worker())

    @work(thread=True, exclusive=True, group="search")
    def _search(self, text: str) -> None:
        from layerscope.search.query import parse
        from layerscope.search.search import search

        worker, files, is_typed = get_current_worker(), self._files, self._is_typed
        index = self._index_of(files.view.tree, worker) if files is not None else None
        if files is None or index is None:
            return
        try:
            for found in search(parse(text), index, files.view, files.waste, is_cancelled=lambda: worker.is_cancelled):
                if worker.is_cancelled:
                    return
                best, tree = found.best if is_typed else None, files.view.tree
                self.post_message(self.Found(text, found.mask, best, is_complete=found.is_complete, tree=tree))
        except UsageError as error:
            if not worker.is_cancelled:
                self.app.call_from_thread(self.show_text, str(error), is_wrong=True)

    def _index_of(self, tree: Tree, worker: Worker[Any]) -> NameIndex | None:
        """Return the index of a tree's names, made only once; None when cancelled."""
        from layerscope.search.names import NameIndex

        index = self._index
        if index is None or index.nodes is not tree.nodes:
            self._index = index = NameIndex.of(tree.nodes, lambda: worker.is_cancelled)
        return index
