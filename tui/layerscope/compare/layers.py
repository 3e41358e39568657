"""The layers of two images side by side, and why a layer that both have by its instruction is not the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.layers.table import Entries, Kind, LayerTable
from layerscope.tree.tree import Longs

MOST_ALIGNED = 2000
"""Layers that are aligned by their instructions: Docker stops at 127."""


class LayerState(StrEnum):
    """Whether both images have a layer: the same one by diff_id, or another of the same instruction or place."""

    SHARED = "shared"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class PairedLayer:
    """A layer of `old` beside one of `new`, by number; None where there is no such."""

    old: int | None
    new: int | None
    state: LayerState


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """What is different in a changed layer, as paths in the order of the new tar, then the old one.

    `times` differ in nothing else, `metadata` in mode, owner or xattrs and perhaps times, `content` in what they are or hold;
    `unknown` have one size, and a content that could not be compared. `markers` are whiteouts on one side only.
    """

    added: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    content: tuple[bytes, ...]
    metadata: tuple[bytes, ...]
    times: tuple[bytes, ...]
    unknown: tuple[bytes, ...]
    markers: tuple[bytes, ...]

    @property
    def is_only_times(self) -> bool:
        """Whether a build that kept times would have given the same layer."""
        others = (self.added, self.removed, self.content, self.metadata, self.unknown, self.markers)
        return bool(self.times) and not any(others)

    @property
    def is_nothing(self) -> bool:
        """Whether only the tar itself is written differently: another order, other headers."""
        return (
            not self.times
            and not self.is_only_times
            and not any((self.added, self.removed, self.content, self.metadata, self.unknown, self.markers))
        )


def pair_layers(old: Analysis, new: Analysis) -> list[PairedLayer]:
    """Layers in order, those of one image alone among them where they stand."""
    mine, theirs = old.image.layers, new.image.layers
    pairs = _aligned([layer.created_by for layer in mine], [layer.created_by for layer in theirs])
    return [PairedLayer(left, right, _state(old, new, left, right)) for left, right in pairs]


def _state(old: Analysis, new: Analysis, left: int | None, right: int | None) -> LayerState:
    if left is None:
        return LayerState.ADDED
    if right is None:
        return LayerState.REMOVED
    mine, theirs = old.image.layers[left - 1].diff_id, new.image.layers[right - 1].diff_id
    return LayerState.SHARED if mine is not None and mine == theirs else LayerState.CHANGED


def _aligned(old: list[str], new: list[str]) -> Iterator[tuple[int | None, int | None]]:
    """Numbers from 1, side by side: equal instructions, then by place what stands between equal ones."""
    if max(len(old), len(new)) > MOST_ALIGNED:
        blocks = [("replace", 0, len(old), 0, len(new))]
    else:
        blocks = list(SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
    for _, start, stop, from_, to in blocks:
        for step in range(max(stop - start, to - from_)):
            left, right = start + step, from_ + step
            yield (left + 1 if left < stop else None, right + 1 if right < to else None)


def layer_difference(old: Analysis, new: Analysis, pair: PairedLayer) -> LayerDifference:
    """What differs in a layer that both images have; contents of one size are compared, and read where they are not known."""
    assert pair.old is not None, "a changed layer is in both"
    assert pair.new is not None, "a changed layer is in both"
    sides = _Side(old, pair.old), _Side(new, pair.new)
    mine, theirs = (side.rows() for side in sides)
    both = [path for path in theirs if path in mine]
    left, right = (np.array([rows[path] for path in both], np.int64) for rows in (mine, theirs))
    classes = _classes(*sides, left, right)
    picked = {
        name: tuple(path for path, found in zip(both, classes.tolist(), strict=True) if found == code)
        for code, name in enumerate(_CLASSES)
    }
    return LayerDifference(
        added=tuple(path for path in theirs if path not in mine),
        removed=tuple(path for path in mine if path not in theirs),
        content=picked["content"],
        metadata=picked["metadata"],
        times=picked["times"],
        unknown=picked["unknown"],
        markers=tuple(sorted(sides[0].markers() ^ sides[1].markers())),
    )


_CLASSES = ("same", "times", "metadata", "unknown", "content")
_SAME, _TIMES, _METADATA, _UNKNOWN, _CONTENT = range(len(_CLASSES))


@dataclass(frozen=True, slots=True)
class _Side:
    """One layer of one image."""

    analysis: Analysis
    number: int

    @property
    def table(self) -> LayerTable:
        return self.analysis.contents.stack.tables[self.number - 1]

    @property
    def entries(self) -> Entries:
        return self.table.entries

    def rows(self) -> dict[bytes, int]:
        """Path -> its last row."""
        return {path: row for row, path in enumerate(self.entries.paths.tolist())}

    def markers(self) -> set[bytes]:
        return {*self.table.whiteouts, *self.table.opaques}

    def hashes(self, rows: Longs) -> npt.NDArray[np.uint64]:
        return self.analysis.identity.hashes(rows + self.analysis.contents.stack.first[self.number - 1])


def _classes(old: _Side, new: _Side, left: Longs, right: Longs) -> npt.NDArray[np.uint8]:
    """What differs most of each pair of rows, as an index of _CLASSES."""
    mine, theirs = old.entries, new.entries
    classes = np.full(len(left), _SAME, np.uint8)
    classes[mine.mtime[left] != theirs.mtime[right]] = _TIMES
    has_other = np.zeros(len(left), bool)
    for one, other in ((mine.mode, theirs.mode), (mine.uid, theirs.uid), (mine.gid, theirs.gid)):
        has_other |= one[left] != other[right]
    classes[has_other | _has_other_xattrs(old.table, new.table, left, right)] = _METADATA
    is_other = (mine.kind[left] != theirs.kind[right]) | (mine.size[left] != theirs.size[right])
    is_other |= _leads_elsewhere(mine, theirs, left, right)
    compared = np.flatnonzero(~is_other & (mine.kind[left] == Kind.FILE) & (mine.size[left] > 0))
    ours, others = old.hashes(left[compared]), new.hashes(right[compared])
    is_known = ours.any(axis=1) & others.any(axis=1)
    classes[compared[~is_known]] = _UNKNOWN
    is_other[compared[is_known & (ours != others).any(axis=1)]] = True
    classes[is_other] = _CONTENT
    return classes


def _has_other_xattrs(mine: LayerTable, theirs: LayerTable, left: Longs, right: Longs) -> npt.NDArray[np.bool_]:
    if not mine.xattrs and not theirs.xattrs:
        return np.zeros(len(left), bool)
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    return np.array([mine.xattrs.get(old) != theirs.xattrs.get(new) for old, new in pairs], bool)


def _leads_elsewhere(mine: Entries, theirs: Entries, left: Longs, right: Longs) -> npt.NDArray[np.bool_]:
    """Links, few as they are, one by one."""
    elsewhere = np.zeros(len(left), bool)
    for row in np.flatnonzero(np.isin(mine.kind[left], (Kind.SYMLINK, Kind.HARDLINK))).tolist():
        elsewhere[row] = mine.links[int(left[row])] != theirs.links[int(right[row])]
    return elsewhere
