"""Waste added up: by layer pair, by layer, by cause, by directory."""

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
    """What is wasted below a directory, its subdirectories included."""

    node: int
    size: int
    count: int


def by_layer_pair(waste: Waste) -> list[LayerPair]:
    """Every (written by, buried by, cause) there is, the most bytes first."""
    key = waste.written_by.astype(np.int64) << 24 | waste.buried_by.astype(np.int64) << 8 | waste.cause
    keys, sizes, counts = _summed(key, waste.size)
    pairs = [
        LayerPair(key >> 24, key >> 8 & 0xFFFF, Cause(key & 0xFF), size, count)
        for key, size, count in zip(keys.tolist(), sizes.tolist(), counts.tolist(), strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair.size)


def by_directory(tree: Tree, waste: Waste) -> list[DirectoryWaste]:
    """Every directory with waste below it, the most bytes first; a prefix sum over the nodes."""
    sizes, counts = (
        _prefix_sums(len(tree), waste.node.astype(np.int64), values) for values in (waste.size, np.ones(len(waste), np.int64))
    )
    end = tree.nodes.end
    nodes = np.arange(len(tree))
    below = sizes[end] - sizes[:-1]
    has_waste = (below > 0) & (end > nodes + 1)
    found = nodes[has_waste]
    found = found[np.lexsort((found, -below[found]))]
    count = counts[end[found]] - counts[found]
    return [DirectoryWaste(*row) for row in zip(found.tolist(), below[found].tolist(), count.tolist(), strict=True)]


def _prefix_sums(length: int, node: Longs, values: Longs) -> Longs:
    column = np.zeros(length + 1, np.int64)
    np.add.at(column, node + 1, values)
    return np.cumsum(column)


def _summed(key: Longs, size: Longs) -> tuple[Longs, Longs, Longs]:
    keys, index, counts = np.unique(key, return_inverse=True, return_counts=True)
    sizes = np.zeros(len(keys), np.int64)
    np.add.at(sizes, index, size)
    return keys, sizes, counts
