"""The metadata of hard links: names of one inode show what the last header of it said, as engines unpack them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerscope.layers.table import Entries, Kind, Severity
from layerscope.tree.keys import key_of
from layerscope.tree.nodes import Ints
from layerscope.tree.stack import LayerPaths

OF_A_LINK = (
    "its mode, owner or times differ in the header of a hard link to it: Docker, Podman and containerd give those to all "
    "names, as shown here; umoci keeps the first"
)
Xattrs = dict[int, dict[bytes, bytes]]


def with_inodes(entries: Entries, layers: list[LayerPaths], origin: Ints, xattrs: Xattrs) -> tuple[Entries, Xattrs]:
    """Return the entries with the mode, owner and times of their inodes: those of its last header in the same layer, hard links
    included.

    Of a link to a symlink that is the owner alone. Xattrs add up, as nothing takes them from an inode.
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
    """Return the xattrs of every header of an inode, for each of its names."""
    together: Xattrs = {}
    for name, inode in zip(names, group, strict=True):
        if name in xattrs:
            together[inode] = together.get(inode, {}) | xattrs[name]
    return xattrs | {name: together[inode] for name, inode in zip(names, group, strict=True) if inode in together}
