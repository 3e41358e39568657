"""Comparison of two images: layers by diff_id, and files as a container sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.compare.entries import Aspect, compare_entries
from layerscope.layers.table import Kind
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Change, Longs, View

Nodes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The comparison of `old` and `new`. The columns are of the paths that differ after the last layers, the most bytes
    first.

    `change` is a Change (uint8), never UNCHANGED; `aspects` what differs of a path that is in both (uint16, bits of
    `compare.entries.Aspect`; KIND also where only one image has an entry of its own for a directory); `old_node` and `new_node`
    are the path's nodes in the two trees, -1 where it is not visible (int64); `old_size` and `new_size` its content bytes there
    (int64; directories have none). `shared_layers` is the number of leading layers that both have. `directory_times` is the
    number of directories that differ only in their time, which are not among the rows: every build writes new ones;
    `uncompared` that of files of equal size that could not be compared.
    """

    old: Analysis
    new: Analysis
    shared_layers: int
    change: npt.NDArray[np.uint8]
    aspects: npt.NDArray[np.uint16]
    directory_times: int
    uncompared: int
    old_node: Nodes
    new_node: Nodes
    old_size: Longs
    new_size: Longs

    def __len__(self) -> int:
        return len(self.change)

    def path(self, row: int) -> bytes:
        """Return the path of a row."""
        node = int(self.new_node[row])
        if node >= 0:
            return self.new.tree.nodes.paths[node]
        return self.old.tree.nodes.paths[int(self.old_node[row])]

    @property
    def content_grown(self) -> int:
        """Return the content bytes of the new image minus those of the old one."""
        return self.new.waste.content_bytes - self.old.waste.content_bytes

    @property
    def wasted_grown(self) -> int:
        """Return the wasted bytes of the new image minus those of the old one."""
        return self.new.waste.wasted_bytes - self.old.waste.wasted_bytes

    def count(self, change: Change) -> int:
        """Count the paths with one of these changes."""
        return int(np.count_nonzero(self.change == change))

    def bytes_of(self, change: Change) -> int:
        """Return the content bytes that paths with one of these changes add, or for REMOVED take away."""
        rows = self.change == change
        return abs(int(self.new_size[rows].sum()) - int(self.old_size[rows].sum()))


def compare(old: Analysis, new: Analysis) -> Comparison:
    """Compare two images. A path is MODIFIED when its kind, size, content, mode, owner, link target, device number, extended
    attributes or time differs; contents of equal size are read where their identity is not known.
    """
    before, after = _last_view(old), _last_view(new)
    pairs = _matched(before, after)
    change = np.full(len(pairs), Change.UNCHANGED, np.uint8)
    change[pairs[:, 0] < 0] = Change.ADDED
    change[pairs[:, 1] < 0] = Change.REMOVED
    both = np.flatnonzero((pairs >= 0).all(axis=1))
    found = _aspects(old, new, before.entry[pairs[both, 0]], after.entry[pairs[both, 1]])
    aspects = np.zeros(len(pairs), np.uint16)
    aspects[both] = found.aspects
    change[both[found.aspects > 0]] = Change.MODIFIED
    rows = np.flatnonzero(change != Change.UNCHANGED)
    old_size, new_size = _sizes(before, pairs[rows, 0]), _sizes(after, pairs[rows, 1])
    order = np.argsort(-np.abs(new_size - old_size), kind="stable")
    rows = rows[order]
    return Comparison(
        old=old,
        new=new,
        shared_layers=_shared_layers(old, new),
        change=change[rows],
        aspects=aspects[rows],
        directory_times=found.directory_times,
        uncompared=found.uncompared,
        old_node=pairs[rows, 0],
        new_node=pairs[rows, 1],
        old_size=old_size[order],
        new_size=new_size[order],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _PathDifferences:
    """The differences of paths that are in both images."""

    aspects: npt.NDArray[np.uint16]
    directory_times: int
    uncompared: int


def _aspects(old: Analysis, new: Analysis, left: Ints, right: Ints) -> _PathDifferences:
    """Compare pairs of visible entries; a directory that no entry names differs from one that has an entry."""
    aspects = np.where((left < 0) != (right < 0), np.uint16(Aspect.KIND), np.uint16(0))
    rows = np.flatnonzero((left >= 0) & (right >= 0))
    pairs = compare_entries(old, new, left[rows], right[rows])
    is_directory = new.tree.entries.kind[pairs.right] == Kind.DIRECTORY
    directory_times = int(np.count_nonzero(is_directory & (pairs.aspects == Aspect.TIME)))
    pairs.aspects[is_directory] &= ~np.uint16(Aspect.TIME)
    aspects[rows] = pairs.aspects
    return _PathDifferences(aspects, directory_times, int(np.count_nonzero(pairs.is_uncompared)))


def _last_view(analysis: Analysis) -> View:
    return analysis.tree.view(max(analysis.tree.layers, 1))


def _shared_layers(old: Analysis, new: Analysis) -> int:
    for number, (mine, theirs) in enumerate(zip(old.image.layers, new.image.layers, strict=False)):
        if mine.diff_id is None or mine.diff_id != theirs.diff_id:
            return number
    return min(len(old.image.layers), len(new.image.layers))


def _matched(before: View, after: View) -> Nodes:
    """Return the nodes of each path that is visible in either image, shape (n, 2): -1 where it is not; without the root."""
    old_nodes, new_nodes = (np.flatnonzero(view.is_visible[1:]) + 1 for view in (before, after))
    old_paths = {before.tree.nodes.paths[node]: node for node in old_nodes.tolist()}
    new_paths = after.tree.nodes.paths
    partner = np.array([old_paths.pop(new_paths[node], -1) for node in new_nodes.tolist()], np.int64).reshape(-1)
    gone = np.array(list(old_paths.values()), np.int64).reshape(-1)
    return np.stack([np.concatenate([partner, gone]), np.concatenate([new_nodes, np.full(len(gone), -1)])], axis=1)


def _sizes(view: View, nodes: Nodes) -> Longs:
    sizes = np.zeros(len(nodes), np.int64)
    there = nodes >= 0
    sizes[there] = view.size[nodes[there]]
    return sizes
