"""Conditions on columns of nodes: size, change, kind, waste and layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import ge, gt, le, lt

import numpy as np

from layerscope.layers.table import Kind
from layerscope.search.row_visibility import last_versions
from layerscope.search.terms import Is, Size, Touched
from layerscope.tree.nodes import IMPLIED, Ints
from layerscope.tree.shape import Flags
from layerscope.tree.tree import Change, View
from layerscope.waste.find import Waste

_COMPARISONS = {">": gt, ">=": ge, "<": lt, "<=": le}
_CHANGES = {"added": Change.ADDED, "modified": Change.MODIFIED, "changed": Change.MODIFIED}
_KINDS = {"link": (Kind.SYMLINK, Kind.HARDLINK), "dir": (Kind.DIRECTORY,), "file": (Kind.FILE, Kind.HARDLINK)}
_EXECUTABLE = 0o111


@dataclass(frozen=True, eq=False)
class NodeColumns:
    """The columns of each node in `view`; removed nodes have those of their last version. Without `waste`, nothing is
    wasted.
    """

    view: View
    waste: Waste | None

    def passes(self, test: Size | Is | Touched) -> Flags:
        """Return one flag a node: whether it passes a test."""
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
        return self._wasted() if word == "wasted" else self._executable()

    @cached_property
    def _last(self) -> Ints:
        return last_versions(self.view)

    @cached_property
    def _entry(self) -> Ints:
        """Return the entry of each node; IMPLIED also for nodes that do not exist yet."""
        entries = np.append(self.view.tree.versions.entry, np.int32(IMPLIED))
        return np.asarray(entries[self._last])

    def _has_kind(self, *kinds: Kind) -> Flags:
        fits = np.append(np.isin(self.view.tree.versions.kind, kinds), False)  # -1, for no version, finds the last
        return np.asarray(fits[self._last])

    def _is_file(self) -> Flags:
        return self._has_kind(Kind.FILE, Kind.HARDLINK)

    def _executable(self) -> Flags:
        modes = np.append(self.view.tree.entries.mode, np.uint16(0))
        return np.asarray(self._is_file() & (modes[self._entry] & _EXECUTABLE != 0))

    def _wasted(self) -> Flags:
        wasted = np.zeros(len(self.view.seen), bool)
        if self.waste is not None:
            wasted[self.waste.node] = True
        return wasted

    def _touched(self, test: Touched) -> Flags:
        """Return one flag a node: whether one of the layers wrote or removed it. The layer that ends a version removed or
        replaced it.
        """
        versions, layers = self.view.tree.versions, self.view.tree.layers
        first, last = min(test.first, layers + 1), min(test.last, layers)
        touched = np.zeros(len(self.view.seen), bool)
        for column in (versions.layer, versions.until):
            touched[versions.node[(column >= first) & (column <= last)]] = True
        return touched
