"""What is judged: an image, which part of it is charged to its author, and what contributes most to a broken rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.gate.verdict import Finding
from layerscope.layers.table import Kind
from layerscope.search.find_nodes import nodes_that_fit
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Longs, View
from layerscope.units import count_text
from layerscope.waste.find import Waste, by_layer_pair

NodeMask = npt.NDArray[np.bool_]
"""One flag for each node of the tree."""

MOST = 100
"""Findings that one rule has at most: what a report can list."""
MOST_PAIRS = 12
_SHARE = 0.9
"""A directory represents a group of files if it contains this share of their bytes."""


@dataclass(frozen=True, eq=False)
class Subject:
    """An analyzed image as rules see it: the base's layers are not charged to its author.

    Where the base is not known, all layers are charged to the author.
    """

    analysis: Analysis

    @property
    def base_layers(self) -> int:
        """Return how many layers are the base's. They come first and are not charged to the author; 0 if no base is known."""
        return self.analysis.base_layers or 0

    @cached_property
    def own_waste(self) -> Waste:
        """Return the waste whose bytes the author's layers buried (removed, replaced or stored again)."""
        waste = self.analysis.waste
        return waste.part(~waste.is_base(self.base_layers)) if self.base_layers else waste

    @property
    def base_wasted_bytes(self) -> int:
        """Return the bytes that layers of the base buried themselves; 0 where the base is not known."""
        return self.analysis.waste.wasted_bytes - self.own_waste.wasted_bytes

    @property
    def own_content_bytes(self) -> int:
        return sum(self.analysis.layer_content_bytes[self.base_layers :])

    @cached_property
    def last(self) -> View:
        """Return the view after the last layer: what a container sees."""
        return self.analysis.tree.view(max(self.analysis.tree.layers, 1))

    @cached_property
    def _masks(self) -> dict[str, NodeMask]:
        return {}

    def fitting(self, glob: str) -> NodeMask:
        """Return a mask of the nodes that match a glob in any layer, and of everything below them."""
        if glob not in self._masks:
            self._masks[glob] = self._below(nodes_that_fit(self.analysis.tree.nodes, glob))
        return self._masks[glob]

    def _below(self, nodes: Ints) -> NodeMask:
        steps = np.zeros(len(self.analysis.tree) + 1, np.int32)
        np.add.at(steps, nodes, 1)
        np.add.at(steps, self.analysis.tree.nodes.end[nodes], -1)
        return np.asarray(np.cumsum(steps)[:-1] > 0)

    def content_bytes_of(self, mask: NodeMask) -> int:
        """Return the bytes that a container sees at the nodes of `mask`, counting a content with several names once."""
        entry = self.last.entry[np.flatnonzero(mask & self.last.is_visible)]
        tree = self.analysis.tree
        origin = tree.origin[entry[entry >= 0]] if len(tree.entries) else np.zeros(0, np.int32)
        sizes: Longs = tree.entries.size[np.unique(origin[origin >= 0])]
        return int(sizes.sum())


def waste_findings(subject: Subject, waste: Waste) -> tuple[Finding, ...]:
    """List waste by cause, writing layer and burying layer, most bytes first.

    The path of each finding is the deepest directory that holds nearly all of its bytes.
    """
    found = []
    for pair in by_layer_pair(waste)[:MOST_PAIRS]:
        rows = (waste.written_by == pair.written_by) & (waste.buried_by == pair.buried_by) & (waste.cause == pair.cause)
        found.append(
            Finding(
                path=_directory(subject, waste.part(np.asarray(rows))),
                layer=pair.written_by,
                buried_by=pair.buried_by,
                cause=pair.cause,
                size=pair.size,
                is_base=pair.buried_by <= subject.base_layers,
                note=count_text(pair.count, "file"),
            )
        )
    return tuple(found)


def layer_findings(subject: Subject) -> tuple[Finding, ...]:
    """List the author's layers that hold any content, biggest first."""
    base, sizes = subject.base_layers, subject.analysis.layer_content_bytes
    found = [Finding(layer=number, size=size) for number, size in enumerate(sizes, 1) if number > base and size]
    return tuple(sorted(found, key=lambda finding: -finding.size)[:MOST])


def entry_findings(subject: Subject, entries: Longs) -> tuple[Finding, ...]:
    """Return a finding for each of the biggest entries among `entries`, MOST at most, biggest first; equal sizes by path."""
    tree = subject.analysis.tree
    order = np.lexsort((tree.entry_node[entries], -tree.content_size(entries)))
    entries = entries[order[:MOST]]
    columns = (tree.entry_node[entries], tree.entry_layer[entries], tree.entry_until[entries], tree.content_size(entries))
    return tuple(
        Finding(
            path=tree.nodes.paths[node],
            layer=layer,
            buried_by=until if until <= tree.layers else None,
            size=size,
            is_base=layer <= subject.base_layers,
        )
        for node, layer, until, size in zip(*(column.tolist() for column in columns), strict=True)
    )


def own_files(subject: Subject, excluded: NodeMask | None) -> Longs:
    """Return the numbers of the author's regular-file entries, removed files too, without the nodes marked in `excluded`."""
    tree = subject.analysis.tree
    is_own = (tree.entries.kind == Kind.FILE) & (tree.entry_layer > subject.base_layers)
    if excluded is not None:
        is_own &= ~excluded[tree.entry_node]
    return np.flatnonzero(is_own)


def _directory(subject: Subject, waste: Waste) -> bytes:
    """Return the path of the deepest node that holds nearly all bytes of this waste at or below it."""
    nodes = subject.analysis.tree.nodes
    holds = np.flatnonzero(nodes.subtree_sums(waste.by_node(len(nodes))) >= _SHARE * waste.wasted_bytes)
    return nodes.paths[int(holds[np.argmax(nodes.depth[holds])])]
