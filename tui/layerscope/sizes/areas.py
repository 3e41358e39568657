"""The bytes that layers write at and below each node of a tree, and how many of them are wasted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from layerscope.analysis import Analysis
from layerscope.layers.table import Kind
from layerscope.tree.nodes import Flags, Ints
from layerscope.tree.tree import Longs


@dataclass(frozen=True, slots=True, eq=False)
class LayerPart:
    """What one layer writes at and below a node: bytes of files, and how many of them no container sees."""

    layer: int
    size: int
    wasted: int


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """For each node, the content bytes at and below it that layer number `layer` writes, or all layers (0): int64 columns.

    `size` counts every version of every file, `wasted` those of it that no container sees.
    """

    analysis: Analysis
    layer: int
    size: Longs
    wasted: Longs

    @classmethod
    def of(cls, analysis: Analysis, layer: int = 0) -> Areas:
        """Sum the bytes of one layer, or of all (0)."""
        tree, waste = analysis.tree, analysis.waste
        first = analysis.contents.stack.first
        part = slice(first[layer - 1], first[layer]) if layer else slice(None)
        sizes = np.where(tree.entries.kind[part] == Kind.FILE, tree.entries.size[part], 0)
        wasted = tree.entry_node[waste.entry], waste.size
        if layer:
            is_own = waste.written_by == layer
            wasted = wasted[0][is_own], wasted[1][is_own]
        return cls(analysis, layer, _sums(analysis, tree.entry_node[part], sizes), _sums(analysis, *wasted))

    def children(self, node: int) -> Ints:
        """Return the nodes directly below a node that have bytes, biggest first."""
        nodes = self.analysis.tree.nodes
        inside = np.flatnonzero(nodes.parent[node + 1 : nodes.end[node]] == node) + (node + 1)
        inside = inside[self.size[inside] > 0]
        return inside[np.argsort(-self.size[inside], kind="stable")].astype(np.int32)

    def files(self, node: int) -> int:
        """Return how many contents the bytes at and below a node are."""
        return int(np.count_nonzero(self._inside(node) & (self.analysis.tree.entries.kind == Kind.FILE)))

    def by_layer(self, node: int) -> list[LayerPart]:
        """Return what each layer writes at and below a node, biggest first; nothing for layers that write nothing there."""
        tree, waste, first = self.analysis.tree, self.analysis.waste, self.analysis.contents.stack.first
        is_inside = self._inside(node)
        counted = np.where(is_inside & (tree.entries.kind == Kind.FILE), tree.entries.size, 0)
        sizes = [int(counted[start:end].sum()) for start, end in pairwise(first)]
        lost = np.where(is_inside[waste.entry], waste.size, 0)
        wasted = np.bincount(waste.written_by, weights=lost, minlength=len(first)).astype(np.int64)
        parts = (LayerPart(layer, size, int(wasted[layer])) for layer, size in enumerate(sizes, start=1) if size)
        return sorted(parts, key=lambda part: -part.size)

    def _inside(self, node: int) -> Flags:
        """Return a flag for each entry: whether it is at or below a node, in the layers meant."""
        tree = self.analysis.tree
        flags = (tree.entry_node >= node) & (tree.entry_node < tree.nodes.end[node])
        return np.asarray(flags & (tree.entry_layer == self.layer) if self.layer else flags)


def _sums(analysis: Analysis, nodes: Ints, sizes: Longs) -> Longs:
    # As floating point, which is exact to 9 PB.
    own = np.bincount(nodes, weights=sizes, minlength=len(analysis.tree)).astype(np.int64)
    return analysis.tree.nodes.subtree_sums(own)
