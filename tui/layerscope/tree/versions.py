"""From which layer to which each version of a node is seen: the rules for whiteouts, opaque directories and replacement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Kind
from layerscope.tree.layer_paths import LayerPaths
from layerscope.tree.nodes import FALLEN, IMPLIED, Ints, Nodes, PathRows

Layers = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Versions:
    """The versions of all nodes, sorted by node, then layer; each is seen after the layers `layer <= k < until`.

    `entry` is IMPLIED for directories that no entry names; `until` is the number of layers + 1 for what is seen at the end.
    `kind` is the entry's.
    """

    node: Ints
    layer: Layers
    until: Layers
    entry: Ints
    kind: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.node)

    def at(self, node: Ints, layer: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Return, for each pair of `node` and `layer`, the number of the version that the layer gave the node; -1 for none."""
        key = self._keys(self.node, self.layer)
        wanted = self._keys(node, layer)
        found = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
        return np.where(key[found] == wanted, found, -1) if len(key) else np.full(len(wanted), -1)

    @staticmethod
    def _keys(node: Ints, layer: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        return node.astype(np.int64) << 16 | layer


def versions_of(rows: PathRows, nodes: Nodes, layers: list[LayerPaths], entry_kind: npt.NDArray[np.uint8]) -> Versions:
    """Compute from and until which layer each version is seen: each layer in turn hides and replaces what lower layers show."""
    is_winner = _winners(rows, layers)
    node, layer, entry = rows.node[is_winner], rows.layer[is_winner], rows.entry[is_winner]
    kind = np.full(len(entry), Kind.DIRECTORY, np.uint8)
    kind[entry != IMPLIED] = entry_kind[entry[entry != IMPLIED]]
    acting = _Stack(nodes, node, kind, entry == IMPLIED, len(layers))
    by_layer = np.argsort(layer, kind="stable")
    bounds = np.searchsorted(layer[by_layer], np.arange(1, len(layers) + 2))
    for paths, start, stop in zip(layers, bounds, bounds[1:], strict=False):
        acting.apply(paths, by_layer[start:stop], rows)
    counts = acting.is_effective
    return Versions(node[counts], layer[counts], acting.until[counts], entry[counts], kind[counts])


def _winners(rows: PathRows, layers: list[LayerPaths]) -> npt.NDArray[np.bool_]:
    """Return a flag for each row: whether it is the last of its path in its layer, without rows that the layer replaced."""
    fallen = [FALLEN, *(layer.first + index for layer in layers for index in layer.shadowed)]
    is_standing = ~np.isin(rows.entry, fallen) if len(fallen) > 1 else np.ones(len(rows.node), bool)
    standing = np.flatnonzero(is_standing)
    node, layer = rows.node[standing], rows.layer[standing]
    is_last = np.ones(len(standing), bool)
    is_last[:-1] = (node[1:] != node[:-1]) | (layer[1:] != layer[:-1])
    winners = np.zeros(len(rows.node), bool)
    winners[standing[is_last]] = True
    return winners


class _Stack:
    """The visible versions while layers are added one by one: `_seen[node]` is the version, -1 for none."""

    def __init__(
        self, nodes: Nodes, node: Ints, kind: npt.NDArray[np.uint8], is_implied: npt.NDArray[np.bool_], count: int
    ) -> None:
        self._nodes, self._node, self._kind, self._is_implied = nodes, node, kind, is_implied
        self._seen = np.full(len(nodes), -1, np.int32)
        self.until = np.full(len(node), count + 1, np.int16)
        self.is_effective = np.ones(len(node), bool)

    def apply(self, paths: LayerPaths, versions: npt.NDArray[np.int64], rows: PathRows) -> None:
        # A whiteout hides the layers below, never its own layer, so what is hidden goes first.
        if paths.number > 1:
            self._bury(self._hidden(paths, versions, rows), paths.number)
        node = self._node[versions]
        before = self._seen[node]
        is_new = ~self._is_implied[versions] | (before < 0) | (self._kind[before] != Kind.DIRECTORY)
        self.is_effective[versions] = is_new
        replaced = before[is_new]
        self.until[replaced[replaced >= 0]] = paths.number
        self._seen[node[is_new]] = versions[is_new]

    def _hidden(self, paths: LayerPaths, versions: npt.NDArray[np.int64], rows: PathRows) -> npt.NDArray[np.int64]:
        """Return the subtrees that a layer hides (shape (2, n): starts, ends): its whiteouts, opaques, replaced directories."""
        end = self._nodes.end
        whiteouts = [node for key, _ in paths.whiteouts if (node := rows.find(key)) is not None]
        opaques = [node for key, _ in paths.opaques if (node := rows.find(key)) is not None]
        node = self._node[versions[self._kind[versions] != Kind.DIRECTORY]]
        replaced = node[end[node] > node + 1]
        inner = np.concatenate([np.array(opaques, np.int64), replaced])
        starts = np.concatenate([np.array(whiteouts, np.int64), inner + 1])
        ends = np.concatenate([end[np.array(whiteouts, np.int64)], end[inner]])
        return np.stack([starts, ends])

    def _bury(self, subtrees: npt.NDArray[np.int64], number: int) -> None:
        starts, ends = subtrees
        if not len(starts):
            return
        first = int(starts.min())
        steps = np.zeros(max(int(ends.max()), first) - first + 1, np.int32)
        np.add.at(steps, starts - first, 1)
        np.add.at(steps, ends - first, -1)
        hidden = first + np.flatnonzero(np.cumsum(steps)[:-1] > 0)
        versions = self._seen[hidden]
        self.until[versions[versions >= 0]] = number
        self._seen[hidden] = -1
