"""Identical contents that are visible at several paths: not waste, since a container sees each of them, but worth knowing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerscope.layers.table import Kind
from layerscope.tree.tree import Longs, Tree
from layerscope.waste.identity import ContentIdentity

COMPARED = 20_000
"""The most contents compared, biggest first; only in small images are these all files."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One content at several paths: its size, and the nodes of its copies in path order; hard links of one copy count once."""

    size: int
    nodes: tuple[int, ...]

    @property
    def extra_bytes(self) -> int:
        """Return the bytes of all copies but one."""
        return self.size * (len(self.nodes) - 1)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """All groups, the most extra bytes first. Contents smaller than `compared_from` bytes were not compared."""

    groups: tuple[Duplicate, ...]
    compared_from: int

    @property
    def extra_bytes(self) -> int:
        """Return the bytes of all copies but one of each group."""
        return sum(group.extra_bytes for group in self.groups)


def find_duplicates(tree: Tree, identity: ContentIdentity) -> Duplicates:
    """Compare the contents that are visible after the last layer and have the same size as another."""
    candidates, compared_from = _candidates(tree)
    ids = identity.ids(candidates)
    known = ids.any(axis=1)
    candidates, ids = candidates[known], ids[known]
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    candidates, ids = candidates[order], ids[order]
    starts = np.flatnonzero(np.append(True, (ids[1:] != ids[:-1]).any(axis=1))) if len(ids) else np.zeros(0, np.int64)
    counts = np.diff(np.append(starts, len(ids)))
    groups = [_group(tree, candidates[start : start + count]) for start, count in zip(starts, counts, strict=True) if count > 1]
    groups.sort(key=lambda group: (-group.extra_bytes, group.nodes))
    return Duplicates(tuple(groups), compared_from)


def _candidates(tree: Tree) -> tuple[Longs, int]:
    """Return the visible, nonempty contents that share their size with another; the biggest when there are too many."""
    entries = tree.entries
    alive = np.flatnonzero((entries.kind == Kind.FILE) & (tree.entry_until > tree.layers) & (entries.size > 0))
    _, group, counts = np.unique(entries.size[alive], return_inverse=True, return_counts=True)
    shared = alive[counts[group] > 1]
    if len(shared) <= COMPARED:
        return shared, 1
    smallest = int(np.partition(entries.size[shared], -COMPARED)[-COMPARED]) + 1
    return shared[entries.size[shared] >= smallest], smallest


def _group(tree: Tree, entries: Longs) -> Duplicate:
    return Duplicate(int(tree.entries.size[entries[0]]), tuple(sorted(tree.entry_node[entries].tolist())))
