"""Finds the nodes that match a query in batches, so that the first ones appear while the rest is searched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from operator import ge, gt, le, lt

import numpy as np

from layerscope.layers.table import Kind
from layerscope.search.find_nodes import Fits, fitting
from layerscope.search.names import OTHER, NameIndex, fit_of, parts
from layerscope.search.query import Condition, Is, Query, Size, Text, Touched
from layerscope.tree.nodes import IMPLIED, Flags, Ints
from layerscope.tree.tree import Change, View
from layerscope.waste.find import Waste

FIRST_SECONDS, NEXT_SECONDS = 0.05, 0.25
"""Seconds until the first partial result, and between later ones."""
_MOST_IN_BATCH = 1 << 13
"""Names in a batch: 10 ms, even when a regular expression looks at each."""
_COMPARISONS = {">": gt, ">=": ge, "<": lt, "<=": le}
_CHANGES = {"added": Change.ADDED, "modified": Change.MODIFIED, "changed": Change.MODIFIED}
_KINDS = {"link": (Kind.SYMLINK, Kind.HARDLINK), "dir": (Kind.DIRECTORY,), "file": (Kind.FILE, Kind.HARDLINK)}
_EXECUTABLE = 0o111


@dataclass(frozen=True, slots=True, eq=False)
class SearchHits:
    """The nodes found so far: `mask` has a flag for each node, `best` is the one that matches best, None when there is none."""

    mask: Flags
    is_complete: bool
    best: int | None


def search(
    query: Query, index: NameIndex, view: View, waste: Waste | None, *, is_cancelled: Callable[[], bool]
) -> Iterator[SearchHits]:
    """Find the nodes that match `query` and existed at any time up to the view's last layer; never the root.

    Yields partial results while it takes long, and at last a SearchHits that is complete; ends without one when `is_cancelled`,
    which is called every few milliseconds, returns True. The best hit is the one whose name (or path) is the typed text, else
    begins with it, else contains it, of equals the shortest, and of these the one with the shortest path; without any words to
    search for it is the first. Raises UsageError when a regular expression takes too long.
    """
    candidates = _candidates(query, index, view, NodeColumns(view, waste), is_cancelled)
    if candidates is None:
        return
    conditions = [each for each in query.conditions if isinstance(each.test, Text)]
    if not conditions:
        yield SearchHits(candidates, is_complete=True, best=int(np.argmax(candidates)) if candidates.any() else None)
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


def _candidates(
    query: Query, index: NameIndex, view: View, columns: NodeColumns, is_cancelled: Callable[[], bool]
) -> Flags | None:
    """Return a flag for each node: whether it passes the tests that take one step for all nodes. None when cancelled."""
    candidates = view.is_there(with_gone=True)
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
    """Tests one batch of nodes after the other for text, and keeps the best hit so far."""

    def __init__(self, index: NameIndex, conditions: list[Condition], fits: list[Fits]) -> None:
        self.conditions, self._fits = conditions, fits
        self.best: int | None = None
        self._best_rank = np.iinfo(np.int64).max
        self._index = index
        texts = (each.test for each in conditions if isinstance(each.test, Text) and not each.is_negated)
        self._ranked = next((text for text in texts if text.literal), None)

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
        if self._ranked is not None:
            batch = self._index.batch(nodes, self._ranked)
            fits, lengths = fit_of(batch, self._ranked.literal), batch.stops - batch.starts
        paths = self._index.nodes.paths.offsets
        ranks = fits.astype(np.int64)
        for each in (lengths, paths[nodes + 1] - paths[nodes]):
            ranks = ranks << 24 | np.minimum(each, (1 << 24) - 1)
        first = int(np.argmin(ranks))
        if ranks[first] < self._best_rank:
            self.best, self._best_rank = int(nodes[first]), int(ranks[first])


@dataclass(frozen=True, eq=False)
class NodeColumns:
    """What each node of `view` is tested on: size, kind, change, waste.

    Removed nodes are tested on their last version. Without `waste`, no node counts as wasted.
    """

    view: View
    waste: Waste | None

    def passes(self, test: Size | Is | Touched) -> Flags:
        """Return a flag for each node: whether it passes a test."""
        if isinstance(test, Size):
            sizes = self.view.tree.content_size(self._entry)
            return np.asarray(self._is_file() & _COMPARISONS[test.comparison](sizes, test.content_bytes))
        return self._touched(test) if isinstance(test, Touched) else self._is(test.word)

    def _is(self, word: str) -> Flags:
        if word == "removed":
            # Also what went in an earlier layer: with a filter that has a line, too, and the same mark.
            return np.asarray(~self.view.is_visible)
        if word in _CHANGES:
            return np.asarray(self.view.change == _CHANGES[word])
        if word in _KINDS:
            return self._has_kind(*_KINDS[word])
        if word == "wasted":
            return self._wasted()
        modes = np.append(self.view.tree.entries.mode, np.uint16(0))
        return np.asarray(self._is_file() & (modes[self._entry] & _EXECUTABLE != 0))

    @cached_property
    def _last(self) -> Ints:
        return self.view.last_versions()

    @cached_property
    def _entry(self) -> Ints:
        """Return the entry that each node is tested on; IMPLIED (-1) also for nodes that only later layers add."""
        entries = np.append(self.view.tree.versions.entry, np.int32(IMPLIED))
        return np.asarray(entries[self._last])

    def _has_kind(self, *kinds: Kind) -> Flags:
        fits = np.append(np.isin(self.view.tree.versions.kind, kinds), False)  # -1, for no version, finds the last
        return np.asarray(fits[self._last])

    def _is_file(self) -> Flags:
        return self._has_kind(Kind.FILE, Kind.HARDLINK)

    def _wasted(self) -> Flags:
        wasted = np.zeros(len(self.view.seen), bool)
        if self.waste is not None:
            wasted[self.waste.node] = True
        return wasted

    def _touched(self, test: Touched) -> Flags:
        """Return a flag for each node: whether one of the layers `test.first` to `test.last` wrote or removed it.

        The layer that ends a version removed or replaced it.
        """
        versions, layers = self.view.tree.versions, self.view.tree.layers
        first, last = min(test.first, layers + 1), min(test.last, layers)
        touched = np.zeros(len(self.view.seen), bool)
        for column in (versions.layer, versions.until):
            touched[versions.node[(column >= first) & (column <= last)]] = True
        return touched
