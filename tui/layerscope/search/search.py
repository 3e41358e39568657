"""Finding the nodes that match a query in batches, so that the first ones appear while the rest is searched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from layerscope.search.conditions import NodeColumns
from layerscope.search.find_nodes import Fits, fitting
from layerscope.search.matching import OTHER, fit_of
from layerscope.search.name_index import NameIndex, parts
from layerscope.search.row_visibility import is_there
from layerscope.search.terms import Condition, Query, Text
from layerscope.tree.nodes import Ints
from layerscope.tree.shape import Flags
from layerscope.tree.tree import View
from layerscope.waste.find import Waste

FIRST_SECONDS, NEXT_SECONDS = 0.05, 0.25
"""Seconds until the first partial result, and between later ones."""
_MOST_IN_BATCH = 1 << 13
"""Names in a batch: 10 ms, even when a regular expression looks at each."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchHits:
    """The nodes found so far (one flag a node), whether these are all, and the best of them; None when there is none."""

    mask: Flags
    is_complete: bool
    best: int | None


def search(
    query: Query, index: NameIndex, view: View, waste: Waste | None, *, is_cancelled: Callable[[], bool]
) -> Iterator[SearchHits]:
    """Find the nodes that match `query` and existed at any time up to the view's last layer; never the root.

    Yields partial results while it takes long, and at last a SearchHits that is complete; ends without one when `is_cancelled`,
    which is called every few milliseconds, returns True. The best hit is the one whose name (or path) is the typed text, else
    begins with it, else contains it, and of equals the shortest; without any words to search for it is the first. Raises
    UsageError when a regular expression takes too long.
    """
    candidates = _candidates(query, index, view, NodeColumns(view, waste), is_cancelled)
    if candidates is None:
        return
    conditions = [each for each in query.conditions if isinstance(each.test, Text)]
    if not conditions:
        yield SearchHits(candidates, is_complete=True, best=_first(candidates))
        return
    with ExitStack() as stack:
        fits = [stack.enter_context(fitting(each.test, is_cancelled)) for each in conditions if isinstance(each.test, Text)]
        yield from _found(_TextSearch(index, conditions, fits), candidates, index, is_cancelled)


def _found(texts: _TextSearch, candidates: Flags, index: NameIndex, is_cancelled: Callable[[], bool]) -> Iterator[SearchHits]:
    due = time.monotonic() + FIRST_SECONDS
    mask = np.zeros(len(candidates), bool)
    for nodes in _batches(candidates, index):
        if is_cancelled():
            return
        mask[texts.found(nodes)] = True
        if texts.best is not None and time.monotonic() >= due:
            yield SearchHits(mask.copy(), is_complete=False, best=texts.best)
            due = time.monotonic() + NEXT_SECONDS
    if not is_cancelled():
        yield SearchHits(mask, is_complete=True, best=texts.best)


def _first(mask: Flags) -> int | None:
    return int(np.argmax(mask)) if mask.any() else None


def _candidates(
    query: Query, index: NameIndex, view: View, columns: NodeColumns, is_cancelled: Callable[[], bool]
) -> Flags | None:
    """Return the nodes that pass all conditions on whole columns; None when cancelled."""
    candidates = is_there(view, with_gone=True)
    candidates[0] = False
    for condition in query.conditions:
        if is_cancelled():
            return None
        if not isinstance(condition.test, Text):
            candidates &= columns.passes(condition.test) ^ condition.is_negated
        elif not condition.is_negated:
            candidates &= index.can_match(condition.test)
    return candidates


def _batches(candidates: Flags, index: NameIndex) -> Iterator[Ints]:
    """Yield the candidates in batches of a few thousand, bounded by the bytes of their paths."""
    nodes = np.flatnonzero(candidates).astype(np.int32)
    lengths = index.nodes.paths.offsets[nodes + 1] - index.nodes.paths.offsets[nodes]
    for part in parts(lengths, _MOST_IN_BATCH):
        yield nodes[part]


class _TextSearch:
    """Searches one batch after the other for words, and keeps the best hit so far."""

    def __init__(self, index: NameIndex, conditions: list[Condition], fits: list[Fits]) -> None:
        self.conditions, self._fits = conditions, fits
        self.best: int | None = None
        self._best_fit = (OTHER + 1, 0)
        self._index = index
        self._ranked = next((each.test for each in conditions if _is_ranked(each)), None)

    def found(self, nodes: Ints) -> Ints:
        """Return those of `nodes` (ascending) that pass all conditions."""
        for condition, fits in zip(self.conditions, self._fits, strict=True):
            if len(nodes) and isinstance(condition.test, Text):
                nodes = nodes[fits(self._index.batch(nodes, condition.test)) ^ condition.is_negated]
        if len(nodes):
            self._rank(nodes)
        return nodes

    def _rank(self, nodes: Ints) -> None:
        lengths = self._index.offsets[nodes + 1] - self._index.offsets[nodes]
        fits = np.full(len(nodes), OTHER, np.uint8)
        if isinstance(self._ranked, Text):
            batch = self._index.batch(nodes, self._ranked)
            fits, lengths = fit_of(batch, self._ranked.literal), batch.stops - batch.starts
        best = int(np.argmin(fits.astype(np.int64) << 48 | lengths))
        fit = (int(fits[best]), int(lengths[best]))
        if fit < self._best_fit:
            self.best, self._best_fit = int(nodes[best]), fit


def _is_ranked(condition: Condition) -> bool:
    return isinstance(condition.test, Text) and bool(condition.test.literal) and not condition.is_negated
