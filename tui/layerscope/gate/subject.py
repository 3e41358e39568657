"""What is judged: an image, and which part of it is charged to its author."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.search.find_nodes import nodes_that_fit
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Longs, View
from layerscope.waste.find import Waste

NodeMask = npt.NDArray[np.bool_]
"""One flag a node."""


@dataclass(frozen=True, eq=False)
class Subject:
    """An analysis as rules see it. Where the base is not known, all layers are charged to the author."""

    analysis: Analysis

    @property
    def base_layers(self) -> int:
        """Count how many leading layers are not charged to the author."""
        return self.analysis.base_layers or 0

    @cached_property
    def own_waste(self) -> Waste:
        """Return the waste that the author's layers buried."""
        waste = self.analysis.waste
        return waste.part(~waste.is_base(self.base_layers)) if self.base_layers else waste

    @property
    def base_wasted_bytes(self) -> int:
        """Return the bytes that the base's layers buried; 0 where the base is not known."""
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
        """Mark the nodes that match a glob in any layer, and everything below them."""
        if glob not in self._masks:
            self._masks[glob] = self._below(nodes_that_fit(self.analysis.tree.nodes, glob))
        return self._masks[glob]

    def _below(self, nodes: Ints) -> NodeMask:
        steps = np.zeros(len(self.analysis.tree) + 1, np.int32)
        np.add.at(steps, nodes, 1)
        np.add.at(steps, self.analysis.tree.nodes.end[nodes], -1)
        return np.asarray(np.cumsum(steps)[:-1] > 0)

    def content_bytes_of(self, mask: NodeMask) -> int:
        """Return the bytes that a container sees at these nodes, each content once, however many of its names are among
        them.
        """
        entry = self.last.entry[np.flatnonzero(mask & self.last.is_visible)]
        tree = self.analysis.tree
        origin = tree.origin[entry[entry >= 0]] if len(tree.entries) else np.zeros(0, np.int32)
        sizes: Longs = tree.entries.size[np.unique(origin[origin >= 0])]
        return int(sizes.sum())
