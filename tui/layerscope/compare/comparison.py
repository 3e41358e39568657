"""What one image has that another has not: layers by diff_id, and files as a container sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.layers.table import Entries, Kind
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Change, Longs, View

Nodes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """`old` against `new`. The columns are of the paths that differ after the last layers, the most bytes first.

    `change` is a Change (uint8), never UNCHANGED; `old_node` and `new_node` are the path's nodes in the two trees, -1 where it
    is not seen (int64); `old_size` and `new_size` its content bytes there (int64; directories have none).
    `shared_layers` is the number of leading layers that both have.
    """

    old: Analysis
    new: Analysis
    shared_layers: int
    change: npt.NDArray[np.uint8]
    old_node: Nodes
    new_node: Nodes
    old_size: Longs
    new_size: Longs

    def __len__(self) -> int:
        return len(self.change)

    def path(self, row: int) -> bytes:
        """The path that a row is about."""
        node = int(self.new_node[row])
        if node >= 0:
            return self.new.tree.nodes.paths[node]
        return self.old.tree.nodes.paths[int(self.old_node[row])]

    @property
    def content_grown(self) -> int:
        """How many content bytes more the new image has."""
        return self.new.waste.content_bytes - self.old.waste.content_bytes

    @property
    def wasted_grown(self) -> int:
        """How many wasted bytes more the new image has."""
        return self.new.waste.wasted_bytes - self.old.waste.wasted_bytes

    def count(self, change: Change) -> int:
        """How many paths differ so."""
        return int(np.count_nonzero(self.change == change))

    def bytes_of(self, change: Change) -> int:
        """Content bytes that are there more (REMOVED: less) because of paths that differ so."""
        rows = self.change == change
        return abs(int(self.new_size[rows].sum()) - int(self.old_size[rows].sum()))


def compare(old: Analysis, new: Analysis) -> Comparison:
    """Hold two images against each other. A path is MODIFIED when its kind, size, mode, owner, link target or time differs,
    or its content, where reading gave the identity of both.
    """
    before, after = _last_view(old), _last_view(new)
    pairs = _matched(before, after)
    change = np.full(len(pairs), Change.UNCHANGED, np.uint8)
    change[pairs[:, 0] < 0] = Change.ADDED
    change[pairs[:, 1] < 0] = Change.REMOVED
    both = np.flatnonzero((pairs >= 0).all(axis=1))
    change[both[_differs(before, after, pairs[both])]] = Change.MODIFIED
    pairs, change = pairs[change != Change.UNCHANGED], change[change != Change.UNCHANGED]
    old_size, new_size = _sizes(before, pairs[:, 0]), _sizes(after, pairs[:, 1])
    order = np.argsort(-np.abs(new_size - old_size), kind="stable")
    return Comparison(
        old=old,
        new=new,
        shared_layers=_shared_layers(old, new),
        change=change[order],
        old_node=pairs[order, 0],
        new_node=pairs[order, 1],
        old_size=old_size[order],
        new_size=new_size[order],
    )


def _last_view(analysis: Analysis) -> View:
    return analysis.tree.view(max(analysis.tree.layers, 1))


def _shared_layers(old: Analysis, new: Analysis) -> int:
    for number, (mine, theirs) in enumerate(zip(old.image.layers, new.image.layers, strict=False)):
        if mine.diff_id is None or mine.diff_id != theirs.diff_id:
            return number
    return min(len(old.image.layers), len(new.image.layers))


def _matched(before: View, after: View) -> Nodes:
    """Shape (n, 2): the nodes of each path that is seen in either, -1 where it is not; without the root."""
    old_nodes, new_nodes = (np.flatnonzero(view.is_visible[1:]) + 1 for view in (before, after))
    old_paths = {before.tree.nodes.paths[node]: node for node in old_nodes.tolist()}
    new_paths = after.tree.nodes.paths
    partner = np.array([old_paths.pop(new_paths[node], -1) for node in new_nodes.tolist()], np.int64).reshape(-1)
    gone = np.array(list(old_paths.values()), np.int64).reshape(-1)
    return np.stack([np.concatenate([partner, gone]), np.concatenate([new_nodes, np.full(len(gone), -1)])], axis=1)


def _differs(before: View, after: View, pairs: Nodes) -> npt.NDArray[np.bool_]:
    """Which pairs of nodes that are seen in both differ. A directory's time is no difference: every build writes it anew."""
    old, new = before.entry[pairs[:, 0]], after.entry[pairs[:, 1]]
    differs = np.asarray((old < 0) != (new < 0), bool)
    rows = np.flatnonzero((old >= 0) & (new >= 0))
    old, new = old[rows], new[rows]
    mine, theirs = before.tree.entries, after.tree.entries
    found = np.asarray(before.tree.content_size(old) != after.tree.content_size(new), bool)
    for left, right in ((mine.mode, theirs.mode), (mine.uid, theirs.uid), (mine.gid, theirs.gid)):
        found |= left[old] != right[new]
    was_directory, is_directory = mine.kind[old] == Kind.DIRECTORY, theirs.kind[new] == Kind.DIRECTORY
    found |= was_directory != is_directory
    found |= (mine.mtime[old] != theirs.mtime[new]) & ~is_directory
    found |= _has_other_content(mine, theirs, old, new) | _leads_elsewhere(mine, theirs, old, new)
    differs[rows] = found
    return differs


def _has_other_content(mine: Entries, theirs: Entries, old: Ints, new: Ints) -> npt.NDArray[np.bool_]:
    """Where the identity of both is known, whether it is another."""
    left, right = mine.content_id[old], theirs.content_id[new]
    is_known = left.any(axis=1) & right.any(axis=1)
    return np.asarray(is_known & (left != right).any(axis=1), bool)


def _leads_elsewhere(mine: Entries, theirs: Entries, old: Ints, new: Ints) -> npt.NDArray[np.bool_]:
    """Symlinks, few as they are, one by one."""
    elsewhere = np.zeros(len(old), bool)
    links = np.flatnonzero((mine.kind[old] == Kind.SYMLINK) & (theirs.kind[new] == Kind.SYMLINK))
    for row in links.tolist():
        elsewhere[row] = mine.links[int(old[row])] != theirs.links[int(new[row])]
    return elsewhere


def _sizes(view: View, nodes: Nodes) -> Longs:
    sizes = np.zeros(len(nodes), np.int64)
    there = nodes >= 0
    sizes[there] = view.size[nodes[there]]
    return sizes
