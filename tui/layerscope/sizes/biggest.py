"""The biggest files of an image, flat: every version of every file with its layer, biggest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from layerscope.analysis import Analysis
from layerscope.layers.table import Kind
from layerscope.tree.nodes import Flags, Ints
from layerscope.tree.tree import Longs
from layerscope.tree.versions import Layers


class Fate(Enum):
    """Which files are listed. The values are the words shown."""

    ANY = "seen or wasted"
    WASTED = "wasted only"
    SEEN = "seen only"


class FileOrder(Enum):
    """What files are sorted by. The values are the words shown."""

    SIZE = "size"
    PATH = "path"
    LAYER = "layer"


@dataclass(frozen=True, slots=True, eq=False)
class Biggest:
    """Versions of files as columns: `size` in bytes (int64), `node` the path's, `layer` the one that wrote it.

    `row` is the version's row in the image's Waste (int32), -1 for one that a container sees.
    """

    size: Longs
    node: Ints
    layer: Layers
    row: Ints

    def __len__(self) -> int:
        return len(self.size)

    @classmethod
    def of(cls, analysis: Analysis) -> Biggest:
        """List all that have any bytes, biggest first; of equals the first path, and of a path the first layer."""
        tree, waste = analysis.tree, analysis.waste
        row = np.full(len(tree.entries), -1, np.int32)
        row[waste.entry] = np.arange(len(waste), dtype=np.int32)
        entry = np.flatnonzero((tree.entries.kind == Kind.FILE) & (tree.entries.size > 0))
        # A file that a later entry of its own layer replaces is no version, but its bytes are there.
        files = cls(tree.entries.size[entry], tree.entry_node[entry], tree.entry_layer[entry], row[entry])
        return files.in_order(FileOrder.SIZE)

    def part(self, *, layer: int = 0, fate: Fate = Fate.ANY, nodes: Flags | None = None) -> Biggest:
        """Keep those that layer `layer` wrote (0: any), of one fate, and whose node is flagged in `nodes` (None: any)."""
        keep = np.ones(len(self), bool)
        if layer:
            keep &= self.layer == layer
        if fate is not Fate.ANY:
            keep &= (self.row >= 0) == (fate is Fate.WASTED)
        if nodes is not None:
            keep &= nodes[self.node]
        return self._at(np.flatnonzero(keep))

    def in_order(self, order: FileOrder) -> Biggest:
        """Sort by size, biggest first; by path; or by layer, and in it by size."""
        if order is FileOrder.PATH:
            return self._at(np.lexsort((self.layer, self.node)))
        if order is FileOrder.LAYER:
            return self._at(np.lexsort((self.node, -self.size, self.layer)))
        return self._at(np.lexsort((self.layer, self.node, -self.size)))

    def _at(self, rows: Longs) -> Biggest:
        return replace(self, size=self.size[rows], node=self.node[rows], layer=self.layer[rows], row=self.row[rows])
