"""What the user marked to leave out of a smaller image: wasted contents, and paths that a container sees."""

from __future__ import annotations

import numpy as np

from layerscope.analysis import Analysis
from layerscope.slim.plan import Chosen, SlimOptions
from layerscope.tree.tree import Longs


class SlimMarks:
    """Marks on rows of the image's Waste and on nodes of its tree.

    Without a mark on waste, all waste goes. A marked node goes with all below it. The layers of the base stay as they are, so
    that nothing of theirs is marked.
    """

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self._spared = analysis.base_layers or 0
        self._may_go = analysis.waste.written_by > self._spared
        self._rows = np.zeros(len(analysis.waste), bool)
        self.nodes: set[int] = set()
        self.options = SlimOptions(spared_layers=self._spared)
        """What goes by the marks: another object after each change."""

    @property
    def has_rows(self) -> bool:
        """Tell whether waste is marked."""
        return bool(self._rows.any())

    @property
    def has_any(self) -> bool:
        """Tell whether anything is marked."""
        return bool(self.nodes) or self.has_rows

    def share(self, rows: Longs) -> float:
        """Return how many of some rows of the Waste are marked, of those that may be: 0.0 for none, 1.0 for all."""
        allowed = rows[self._may_go[rows]]
        return float(self._rows[allowed].mean()) if len(allowed) else 0.0

    def toggle_rows(self, rows: Longs) -> str:
        """Mark some rows of the Waste, or remove their marks if all have one; return why that cannot be, or nothing."""
        allowed = rows[self._may_go[rows]]
        if not len(allowed):
            return "The base's layers wrote it, and they stay as they are."
        self._rows[allowed] = not self._rows[allowed].all()
        self._change()
        return ""

    def toggle_node(self, node: int) -> str:
        """Mark a node, or remove its mark; return why that cannot be, or nothing."""
        end = int(self.analysis.tree.nodes.end[node])
        if node in self.nodes:
            self.nodes.discard(node)
        elif self.marked_above(node):
            return "It goes with the directory above it, which is marked."
        elif self._is_spared(node, end):
            return "It is in the base's layers, which stay as they are."
        else:
            self.nodes.difference_update([each for each in self.nodes if node < each < end])
            self.nodes.add(node)
        self._change()
        return ""

    def marked_above(self, node: int) -> bool:
        """Tell whether a directory above a node is marked."""
        parent = self.analysis.tree.nodes.parent
        while node and self.nodes:
            node = int(parent[node])
            if node in self.nodes:
                return True
        return False

    def _is_spared(self, node: int, end: int) -> bool:
        """Tell whether each path from `node` to before `end` is in a layer of the base."""
        versions = self.analysis.tree.versions
        chosen = (versions.node >= node) & (versions.node < end)
        spared = np.unique(versions.node[chosen & (versions.layer <= self._spared)])
        return len(spared) == len(np.unique(versions.node[chosen]))

    def _change(self) -> None:
        nodes = np.zeros(len(self.analysis.tree.nodes), bool)
        nodes[list(self.nodes)] = True
        rows = self._rows.copy() if self.has_rows else np.ones_like(self._rows)
        self.options = SlimOptions(spared_layers=self._spared, chosen=Chosen(rows, nodes) if self.has_any else None)
