"""What a path shows in the layers below one, with symlinks among its parents followed; for the few paths that need it."""

from __future__ import annotations

import numpy as np

from layerscope.layers.table import Entries, Kind
from layerscope.tree.keys import SEPARATOR, parent_of
from layerscope.tree.nodes import PathRows
from layerscope.tree.symlinks import walk
from layerscope.tree.versions import Versions


class LowerLayers:
    """Lookup of paths by sort key. `number` is the layer that is added on top of the ones searched."""

    def __init__(self, entries: Entries, rows: PathRows, versions: Versions) -> None:
        self._entries, self._rows, self.versions = entries, rows, versions

    def version(self, key: bytes, number: int) -> int | None:
        """Return the visible version of a path without following its own symlink; None for nothing."""
        found = self._seen(key, number)
        if found is not None or number == 1 or not parent_of(key):
            return found
        directory = self._resolved(parent_of(key), number)
        if directory is None:
            return None
        name = key.rpartition(SEPARATOR)[2]
        return self._seen(directory + SEPARATOR + name if directory else name, number)

    def target(self, key: bytes, number: int) -> bytes:
        """Return the path that a symlink finally leads to; its own where it is circular."""
        found = self._resolved(key, number)
        return (key if found is None else found).replace(SEPARATOR, b"/")

    def leads_to_directory(self, key: bytes, number: int) -> bool:
        """Tell whether a path is a directory, or a symlink to one."""
        directory = self._resolved(key, number)
        found = self._seen(directory, number) if directory else None
        return directory == b"" or (found is not None and bool(self.versions.kind[found] == Kind.DIRECTORY))

    def _resolved(self, directory: bytes, number: int) -> bytes | None:
        return walk(directory, lambda key: self._link(key, number))

    def _link(self, key: bytes, number: int) -> bytes | None:
        version = self._seen(key, number)
        if version is None or self.versions.kind[version] != Kind.SYMLINK:
            return None
        return self._entries.links[int(self.versions.entry[version])]

    def _seen(self, key: bytes, number: int) -> int | None:
        node = self._rows.find(key)
        if node is None:
            return None
        # Of the column's own type, or numpy converts the whole column for each question.
        start, stop = np.searchsorted(self.versions.node, np.array([node, node + 1], self.versions.node.dtype))
        found = np.flatnonzero((self.versions.layer[start:stop] < number) & (self.versions.until[start:stop] >= number))
        return int(start + found[0]) if len(found) else None
