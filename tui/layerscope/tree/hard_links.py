"""Hard links: each is another name of the content that a regular-file entry brought.

All names of one inode show the mode, owner and times that its last header gave, as engines unpack them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerscope.layers.table import Entries, Kind, Severity
from layerscope.layers.tar.names import OVERLAYFS, VFS
from layerscope.tree.layer_paths import LayerPaths, key_of
from layerscope.tree.nodes import IMPLIED, Ints, PathRows
from layerscope.tree.symlinks import LowerLayers

NONE = -1
TO_NOTHING = "a hard link to a missing path: no engine unpacks it"
TO_LATER = "a hard link that comes before its target: no engine unpacks it"
TO_ITSELF = "a hard link to itself: no engine unpacks it"
TO_DIRECTORY = "a hard link to a directory: no engine unpacks it"
TO_LOWER = (
    f"a hard link to a path that only a lower layer has: {OVERLAYFS} refuse it; umoci and {VFS} link to it, as shown here"
)
OF_A_LINK = (
    "its mode, owner or times differ in the header of a hard link to it: Docker, Podman and containerd give those to all "
    "names, as shown here; umoci keeps the first"
)
Xattrs = dict[int, dict[bytes, bytes]]


def origins_of(entries: Entries, layers: list[LayerPaths], rows: PathRows, lower: LowerLayers) -> Ints:
    """Return for each entry the entry that holds its content: itself, or what a hard link leads to (-1: nothing).

    A hard link names what its target path held last in the same tar, else what it shows in the layers below, else what
    the same tar brings later. Each case but the first is recorded in the layer's findings.
    """
    origin = np.arange(len(entries), dtype=np.int32)
    origin[entries.kind == Kind.HARDLINK] = NONE
    if any(layer.targets for layer in layers):
        finder = _Finder(entries, rows, lower, origin)
        for layer in layers:
            finder.link(layer)
    return origin


class _Finder:
    """Resolves hard links: finds what the target path of each held when its entry was written."""

    def __init__(self, entries: Entries, rows: PathRows, lower: LowerLayers, origin: Ints) -> None:
        self._entries, self._rows, self._lower, self._origin = entries, rows, lower, origin
        self._bounds = np.searchsorted(rows.node, np.arange(len(rows.keys) + 1))

    def link(self, layer: LayerPaths) -> None:
        """Resolve every hard link of a layer. Links to later entries come last, because those may be links themselves."""
        late = []
        for index, target in sorted(layer.targets.items()):
            entry = layer.first + index
            own = self._of_layer(target, layer.number)
            earlier = [found for found in own if 0 <= found < entry]
            if target == layer.keys[index]:
                layer.findings.add(target, TO_ITSELF, Severity.REFUSED)
            if earlier:
                self._set(entry, max(earlier))
                if self._entries.kind[max(earlier)] == Kind.DIRECTORY:
                    layer.findings.add(layer.keys[index], TO_DIRECTORY, Severity.REFUSED)
            elif not self._link_below(layer, index, target):
                late.append((index, own))
        for index, own in late:
            self._link_after(layer, index, own)

    def _link_below(self, layer: LayerPaths, index: int, target: bytes) -> bool:
        """Link to the target in the lower layers, if it exists there."""
        version = self._lower.version(target, layer.number)
        if version is None:
            return False
        versions = self._lower.versions
        if versions.kind[version] == Kind.DIRECTORY:
            layer.findings.add(layer.keys[index], TO_DIRECTORY, Severity.REFUSED)
        else:
            self._set(layer.first + index, int(versions.entry[version]))
            layer.findings.add(layer.keys[index], TO_LOWER, Severity.DIFFERS)
        return True

    def _link_after(self, layer: LayerPaths, index: int, own: list[int]) -> None:
        later = max((found for found in own if found > layer.first + index), default=NONE)
        if later >= 0:
            self._set(layer.first + index, later)
        is_implied = later < 0 and IMPLIED in own
        text = TO_DIRECTORY if is_implied else TO_LATER if later >= 0 else TO_NOTHING
        layer.findings.add(layer.keys[index], text, Severity.REFUSED)

    def _set(self, entry: int, target: int) -> None:
        """Make an entry show the content that the entry `target` shows; do nothing if `target` is a directory."""
        if self._entries.kind[target] != Kind.DIRECTORY:
            self._origin[entry] = self._origin[target]

    def _of_layer(self, key: bytes, number: int) -> list[int]:
        """Return the entry numbers that a path has in one layer, IMPLIED (-1) and FALLEN (-2) among them."""
        node = self._rows.find(key)
        if node is None:
            return []
        part = slice(self._bounds[node], self._bounds[node + 1])
        found: list[int] = self._rows.entry[part][self._rows.layer[part] == number].tolist()
        return found


def with_inodes(entries: Entries, layers: list[LayerPaths], origin: Ints, xattrs: Xattrs) -> tuple[Entries, Xattrs]:
    """Return the entries with the mode, owner and times of their inodes: as the last header of the inode in the layer has them.

    That header may be a hard link's; a hard link to a symlink changes only the owner. The xattrs of all headers of an inode
    add up, as nothing takes them from an inode.
    """
    links = np.flatnonzero((entries.kind == Kind.HARDLINK) & (origin >= 0))
    if not len(links):
        return entries, xattrs
    layer_of = np.searchsorted([layer.first for layer in layers], np.arange(len(entries)), side="right")
    brought = origin[links].astype(np.int64)
    names = np.unique(np.concatenate([links, brought[layer_of[brought] == layer_of[links]]]))
    group = np.unique(origin[names].astype(np.int64) * (len(layers) + 1) + layer_of[names], return_inverse=True)[1]
    last = np.zeros(len(names), np.int64)
    np.maximum.at(last, group, names)
    columns = {name: getattr(entries, name).copy() for name in ("mode", "uid", "gid", "mtime")}
    is_symlink = entries.kind[origin[names]] == Kind.SYMLINK
    is_changed = np.zeros(len(names), bool)
    for name, column in columns.items():
        source = np.where(is_symlink, origin[names], last[group]) if name in ("mode", "mtime") else last[group]
        column[names] = getattr(entries, name)[source]
        is_changed |= (column != getattr(entries, name))[names]
    for entry in names[is_changed & (origin[names] == names)].tolist():
        layers[layer_of[entry] - 1].findings.add(key_of(entries.paths[entry]), OF_A_LINK, Severity.DIFFERS)
    return replace(entries, **columns), _joined(xattrs, names.tolist(), group.tolist()) if xattrs else xattrs


def _joined(xattrs: Xattrs, names: list[int], group: list[int]) -> Xattrs:
    """Return `xattrs` in which each of `names` has those of all headers of its inode; `group` is the number of its inode."""
    together: Xattrs = {}
    for name, inode in zip(names, group, strict=True):
        if name in xattrs:
            together[inode] = together.get(inode, {}) | xattrs[name]
    return xattrs | {name: together[inode] for name, inode in zip(names, group, strict=True) if inode in together}
