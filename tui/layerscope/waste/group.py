"""Totals of waste: by layer pair, by layer, by cause, by directory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerscope.tree.tree import Longs, Tree
from layerscope.waste.find import Cause, Waste


@dataclass(frozen=True, slots=True)
class LayerPair:
    """What one layer wrote and another buried for one cause: bytes and number of contents."""

    written_by: int
    buried_by: int
    cause: Cause
    size: int
    count: int


@dataclass(frozen=True, slots=True)
class DirectoryWaste:
    """The waste below a directory, including its subdirectories."""

    node: int
    size: int
    count: int


def by_layer_pair(waste: Waste) -> list[LayerPair]:
    """Return every existing combination (written by, buried by, cause), the most bytes first."""
    key = waste.written_by.astype(np.int64) << 24 | waste.buried_by.astype(np.int64) << 8 | waste.cause
    keys, sizes, counts = _summed(key, waste.size)
    pairs = [
        LayerPair(key >> 24, key >> 8 & 0xFFFF, Cause(key & 0xFF), size, count)
        for key, size, count in zip(keys.tolist(), sizes.tolist(), counts.tolist(), strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair.size)


def by_directory(tree: Tree, waste: Waste) -> list[DirectoryWaste]:
    """Return every directory with waste below it, the most bytes first."""
    nodes = tree.nodes
    sizes = nodes.subtree_sums(waste.by_node(len(nodes)))
    counts = nodes.subtree_sums(np.bincount(waste.node, minlength=len(nodes)))
    found = np.flatnonzero((sizes > 0) & (nodes.end > np.arange(1, len(nodes) + 1)))
    found = found[np.lexsort((found, -sizes[found]))]
    rows = (found, sizes[found], counts[found])
    return [DirectoryWaste(*row) for row in zip(*(column.tolist() for column in rows), strict=True)]


def _summed(key: Longs, size: Longs) -> tuple[Longs, Longs, Longs]:
    keys, index, counts = np.unique(key, return_inverse=True, return_counts=True)
    sizes = np.zeros(len(keys), np.int64)
    np.add.at(sizes, index, size)
    return keys, sizes, counts
