"""The layers of two images side by side, and why a layer with the same instruction differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.compare.comparison import IS_OTHER, METADATA, Aspect, Mask, PairedEntries, compare_entries, origins
from layerscope.layers.table import LayerTable
from layerscope.sources.image import StoredLayer
from layerscope.tree.tree import Change

MOST_ALIGNED = 2000
"""Layers that are aligned by their instructions: Docker stops at 127."""


class LayerState(StrEnum):
    """The relation of a layer to the other image: the same by diff_id, changed (same instruction or place), or only in one."""

    SHARED = "shared"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class PairedLayer:
    """A layer of `old` beside one of `new`, by number; None where there is none."""

    old: int | None
    new: int | None
    state: LayerState


@dataclass(frozen=True, slots=True, eq=False)
class LayerDifference:
    """The differences within a changed layer, as paths in the order of the new tar, then the old one.

    `times` differ only in their time, `metadata` in mode, owner or xattrs and perhaps times, `content` in kind or content;
    `unknown` have equal sizes, and contents that could not be compared; `links` have equal contents, but are hard links of
    other names. `hidden` were visible below and are hidden by one image's layer alone; `markers` are the whiteouts and opaque
    directories that are in one tar only, whether they hide anything or not. `both` are the paths of both layers, each one's
    entries side by side in `pairs`.
    """

    added: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    content: tuple[bytes, ...]
    metadata: tuple[bytes, ...]
    times: tuple[bytes, ...]
    unknown: tuple[bytes, ...]
    links: tuple[bytes, ...]
    hidden: tuple[bytes, ...]
    markers: tuple[bytes, ...]
    both: list[bytes]
    pairs: PairedEntries
    is_reordered: bool

    @property
    def is_only_times(self) -> bool:
        """Tell whether nothing but times differs, so that a build that kept times would have made the same layer."""
        return bool(self.times) and not self._has_others

    @property
    def is_nothing(self) -> bool:
        """Tell whether only the tar itself differs: another order, other headers."""
        return not self.times and not self._has_others

    @property
    def _has_others(self) -> bool:
        others = (self.added, self.removed, self.content, self.metadata, self.unknown, self.links, self.hidden, self.markers)
        return any(others)

    @property
    def idle_markers(self) -> tuple[bytes, ...]:
        """Return the markers that make no difference to what is visible."""
        return tuple(
            marker for marker in self.markers if not any(path == marker or _is_below(path, marker) for path in self.hidden)
        )

    def aspects_of(self, paths: tuple[bytes, ...]) -> Aspect:
        """Return all aspects that differ in any of these paths, which both layers have."""
        wanted = set(paths)
        rows = [row for row, path in enumerate(self.both) if path in wanted]
        return Aspect(int(np.bitwise_or.reduce(self.pairs.aspects[rows], initial=0)))


def _is_below(path: bytes, directory: bytes) -> bool:
    return not directory or path.startswith(directory + b"/")


def pair_layers(old: Analysis, new: Analysis) -> list[PairedLayer]:
    """Pair the layers of two images in order; a layer that only one image has is paired with None, at its place."""
    mine, theirs = old.image.layers, new.image.layers
    pairs = _aligned([_said(layer) for layer in mine], [_said(layer) for layer in theirs])
    return [PairedLayer(left, right, _state(old, new, left, right)) for left, right in pairs]


def _said(layer: StoredLayer) -> tuple[str, str]:
    """Return a layer's text in the history: for tools without Dockerfiles only the comment distinguishes layers."""
    return (layer.history.created_by, layer.history.comment) if layer.history else ("", "")


def _state(old: Analysis, new: Analysis, left: int | None, right: int | None) -> LayerState:
    if left is None:
        return LayerState.ADDED
    if right is None:
        return LayerState.REMOVED
    mine, theirs = old.image.layers[left - 1].diff_id, new.image.layers[right - 1].diff_id
    return LayerState.SHARED if mine is not None and mine == theirs else LayerState.CHANGED


def _aligned(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> Iterator[tuple[int | None, int | None]]:
    """Yield pairs of layer numbers, from 1: layers with equal instructions; between these, layers at the same place.

    Where one side has fewer layers, the other's are paired with None.
    """
    if max(len(old), len(new)) > MOST_ALIGNED:
        blocks = [("replace", 0, len(old), 0, len(new))]
    else:
        blocks = list(SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
    for _, start, stop, from_, to in blocks:
        for step in range(max(stop - start, to - from_)):
            left, right = start + step, from_ + step
            yield (left + 1 if left < stop else None, right + 1 if right < to else None)


def layer_difference(old: Analysis, new: Analysis, pair: PairedLayer) -> LayerDifference:
    """Compare the two layers of a pair; contents of equal size are compared, and read where their identity is not known."""
    assert pair.old is not None, "a changed layer is in both"
    assert pair.new is not None, "a changed layer is in both"
    sides = _Side(old, pair.old), _Side(new, pair.new)
    mine, theirs = (side.rows() for side in sides)
    both = [path for path in theirs if path in mine]
    left, right = (
        np.array([rows[path] for path in both], np.int64) + side.first for side, rows in zip(sides, (mine, theirs), strict=True)
    )
    pairs = compare_entries(old, new, left, right)
    pairs.aspects[_is_linked_otherwise(pairs)] |= np.uint16(Aspect.LINKS)
    codes = _classes(pairs).tolist()
    picked = {
        name: tuple(path for path, found in zip(both, codes, strict=True) if found == code)
        for code, name in enumerate(_CLASSES)
    }
    return LayerDifference(
        added=tuple(path for path in theirs if path not in mine),
        removed=tuple(path for path in mine if path not in theirs),
        content=picked["content"],
        metadata=picked["metadata"],
        times=picked["times"],
        unknown=picked["unknown"],
        links=picked["links"],
        hidden=_hidden_once(*sides),
        markers=tuple(sorted({path for _, path in sides[0].markers() ^ sides[1].markers()})),
        both=both,
        pairs=pairs,
        is_reordered=list(mine) != list(theirs),
    )


_CLASSES = ("same", "times", "links", "metadata", "unknown", "content")
_SAME, _TIMES, _LINKS, _METADATA, _UNKNOWN, _CONTENT = range(len(_CLASSES))


@dataclass(frozen=True, slots=True)
class _Side:
    """One layer of one image."""

    analysis: Analysis
    number: int

    @property
    def table(self) -> LayerTable:
        return self.analysis.contents.stack.tables[self.number - 1]

    @property
    def first(self) -> int:
        """Return the number of the layer's first entry among those of all layers."""
        return self.analysis.contents.stack.first[self.number - 1]

    def rows(self) -> dict[bytes, int]:
        """Return the paths in the layer's tar, each with the index of its last entry."""
        return {path: row for row, path in enumerate(self.table.entries.paths.tolist())}

    def markers(self) -> set[tuple[bool, bytes]]:
        """Return the markers: whether each is an opaque directory, and its path."""
        return {*((False, path) for path in self.table.whiteouts), *((True, path) for path in self.table.opaques)}

    def hidden(self) -> list[bytes]:
        """Return the topmost paths that were visible below the layer and are not visible with it."""
        view = self.analysis.tree.view(self.number)
        is_removed = view.change == Change.REMOVED
        nodes = self.analysis.tree.nodes
        tops = np.flatnonzero(is_removed & ~is_removed[nodes.parent])
        return [nodes.paths[node] for node in tops.tolist()]

    def shows(self, path: bytes) -> bool:
        """Tell whether a path is visible with the layer on top."""
        node = self.analysis.tree.nodes.find(path)
        return node is not None and bool(self.analysis.tree.view(self.number).is_visible[node])


def _hidden_once(old: _Side, new: _Side) -> tuple[bytes, ...]:
    """Return the paths that one of two layers hides, and that are visible in the other image after its layer."""
    found = [path for side, other in ((old, new), (new, old)) for path in side.hidden() if other.shows(path)]
    return tuple(sorted(found))


def _classes(pairs: PairedEntries) -> npt.NDArray[np.uint8]:
    """Return the greatest difference of each pair, as an index of _CLASSES."""
    classes = np.full(len(pairs.left), _SAME, np.uint8)
    classes[pairs.has(Aspect.TIME)] = _TIMES
    classes[pairs.has(Aspect.LINKS)] = _LINKS
    classes[pairs.has(METADATA)] = _METADATA
    classes[pairs.is_uncompared] = _UNKNOWN
    classes[pairs.has(IS_OTHER)] = _CONTENT
    return classes


def _is_linked_otherwise(pairs: PairedEntries) -> Mask:
    """Return a flag for each pair: whether it has the same content on both sides, but as a hard link of other names."""
    names = []
    for analysis, entries in ((pairs.old, pairs.left), (pairs.new, pairs.right)):
        contents = origins(analysis.tree, entries)
        _, first, group = np.unique(contents, return_index=True, return_inverse=True)
        # For each pair the first one with the same content.
        names.append(first[group.reshape(-1)] if len(contents) else contents)
    return np.asarray((names[0] != names[1]) & ~pairs.has(IS_OTHER), bool)
