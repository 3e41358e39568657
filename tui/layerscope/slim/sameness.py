"""Whether two trees show the same at the end, though one of them lacks entries that the other has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.slim.fates import Rows, taken_strings
from layerscope.tree.nodes import Flags
from layerscope.tree.tree import Tree, View

METADATA = ("mode", "uid", "gid", "mtime")
Longs = npt.NDArray[np.int64]


def differences(tree: Tree, other: Tree, rows: Rows, *, may_lack: Flags) -> list[bytes]:
    """Compare what two images show at the end.

    `rows` (int64) are the numbers that the second's entries have in the first; where a hard link became the file, it is the
    link's. The second may lack the nodes flagged in `may_lack`, by the first's numbers.

    Returns the paths that differ. Each has to show the same entry with the same content, mode, owner, time, extended attributes
    and device: then kind, size, links and bytes are the same, since these are the entry's.
    """
    if not tree.layers:
        return []
    view, after = tree.view(tree.layers), other.view(other.layers)
    nodes, there = np.flatnonzero(view.is_visible), np.flatnonzero(after.is_visible)
    left, right = (taken_strings(*pair) for pair in ((tree.nodes.paths, nodes), (other.nodes.paths, there)))
    odd: list[bytes] = []
    if left.buffer != right.buffer or not np.array_equal(left.offsets, right.offsets):
        nodes, there, odd = _paired(tree, nodes, left.tolist(), there, right.tolist(), may_lack)
    is_same = _shows_same(view, nodes, after, there, rows)
    return [*odd, *(tree.nodes.paths[node] for node in nodes[~is_same].tolist())]


def _paired(
    tree: Tree, nodes: Longs, left: list[bytes], there: Longs, right: list[bytes], may_lack: Flags
) -> tuple[Longs, Longs, list[bytes]]:
    """Return the nodes of both trees that have one path, and the paths of others that there should not be."""
    number = {path: index for index, path in enumerate(right)}
    at = np.fromiter((number.get(path, -1) for path in left), np.int64, len(left))
    lacking = nodes[(at < 0) & ~may_lack[nodes]]
    extra = set(right).difference(left)
    return nodes[at >= 0], there[at[at >= 0]], [*(tree.nodes.paths[node] for node in lacking.tolist()), *sorted(extra)]


def _shows_same(view: View, nodes: Longs, after: View, there: Longs, rows: Rows) -> npt.NDArray[np.bool_]:
    tree, other = view.tree, after.tree
    entry, found = view.entry[nodes].astype(np.int64), after.entry[there].astype(np.int64)
    is_same = np.asarray(entry == _in_first(found, rows))
    named = np.flatnonzero(is_same & (entry >= 0))
    left, right = entry[named], found[named]
    origin, brought = tree.origin[left], other.origin[right].astype(np.int64)
    same = origin == np.where(brought >= 0, tree.origin[_in_first(brought, rows)], -1)
    same &= brought == _of_first_name(origin, brought)
    for column in METADATA:
        same &= getattr(tree.entries, column)[left] == getattr(other.entries, column)[right]
    if tree.xattrs or other.xattrs:
        for index, (one, two) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
            same[index] &= tree.xattrs_of(one) == other.xattrs_of(two)
    is_same[named] = same
    return is_same


def _of_first_name(origin: npt.NDArray[np.int32], brought: Longs) -> Longs:
    """Return for each name what the first name of its content (by `origin`) has as `brought`: all names are to share one."""
    _, first, group = np.unique(origin, return_index=True, return_inverse=True)
    return np.asarray(brought[first[group]])


def _in_first(entry: Longs, rows: Rows) -> Longs:
    """Return the numbers in the first tree of the second's entries; -1 stays."""
    return np.where(entry >= 0, rows[entry], -1) if len(rows) else entry
