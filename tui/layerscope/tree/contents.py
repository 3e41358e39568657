"""Which content each name shows: hard links are names of a content that a regular-file entry brought."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Entries, Kind, Problem
from layerscope.tree.nodes import Ints, Rows
from layerscope.tree.stack import LayerPaths
from layerscope.tree.versions import Versions

NONE = -1


def origins_of(entries: Entries, layers: list[LayerPaths], rows: Rows, versions: Versions) -> tuple[Ints, list[Problem]]:
    """For each entry the entry that brought what it shows: itself, or what a hard link leads to (-1: nothing).

    A hard link names what its target path held last in the same tar, else what it shows in the layers below, else what
    the same tar brings later. A link that leads nowhere is a problem.
    """
    origin = np.arange(len(entries), dtype=np.int32)
    origin[entries.kind == Kind.HARDLINK] = NONE
    problems: list[Problem] = []
    if any(layer.targets for layer in layers):
        finder = _Finder(rows, versions, origin)
        for layer in layers:
            finder.link(layer)
            problems += finder.dangling(layer, entries)
    return origin, problems


class _Finder:
    """Looks up what a path held at an entry's moment."""

    def __init__(self, rows: Rows, versions: Versions, origin: Ints) -> None:
        self._rows, self._versions, self._origin = rows, versions, origin
        self._row_bounds = np.searchsorted(rows.node, np.arange(len(rows.keys) + 1))
        self._version_bounds = np.searchsorted(versions.node, np.arange(len(rows.keys) + 1))

    def link(self, layer: LayerPaths) -> None:
        """Set the origin of every hard link of a layer. Links to later entries come last: those may be links themselves."""
        late = []
        for index, target in sorted(layer.targets.items()):
            node = self._rows.find(target)
            if node is None:
                continue
            entry = layer.first + index
            found = self._before(node, layer, entry)
            if found is None:
                late.append((entry, node))
            else:
                self._origin[entry] = self._origin_of(found)
        for entry, node in late:
            self._origin[entry] = self._origin_of(self._after(node, layer, entry))

    def dangling(self, layer: LayerPaths, entries: Entries) -> list[Problem]:
        """The layer's hard links that lead nowhere."""
        return [
            Problem(layer.number, entries.paths[entry], "a hard link whose target is not there")
            for index in layer.targets
            if self._origin[entry := layer.first + index] == NONE
        ]

    def _origin_of(self, entry: int) -> int:
        """What an entry shows; nothing for an implied directory."""
        return NONE if entry < 0 else int(self._origin[entry])

    def _before(self, node: int, layer: LayerPaths, entry: int) -> int | None:
        earlier = [found for found in self._of_layer(node, layer.number) if 0 <= found < entry]
        return max(earlier) if earlier else self._below(node, layer.number)

    def _after(self, node: int, layer: LayerPaths, entry: int) -> int:
        later = [found for found in self._of_layer(node, layer.number) if found > entry]
        return max(later, default=NONE)

    def _of_layer(self, node: int, number: int) -> list[int]:
        part = slice(self._row_bounds[node], self._row_bounds[node + 1])
        found: list[int] = self._rows.entry[part][self._rows.layer[part] == number].tolist()
        return found

    def _below(self, node: int, number: int) -> int | None:
        """The entry that the path shows after the layers below `number`; None where it shows nothing."""
        part = slice(self._version_bounds[node], self._version_bounds[node + 1])
        is_seen = (self._versions.layer[part] < number) & (self._versions.until[part] >= number)
        found: npt.NDArray[np.int32] = self._versions.entry[part][is_seen]
        return int(found[0]) if len(found) else None
