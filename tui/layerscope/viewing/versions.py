"""The versions of one path, ready to be listed next to its content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerscope.analysis import Contents
from layerscope.layers.table import Kind
from layerscope.oci.documents import HistoryStep
from layerscope.text import escape
from layerscope.tree.history import Event, history_of
from layerscope.tree.tree import Change, Tree


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of a header. `mode` has the permission bits only, `mtime` is in whole seconds since 1970."""

    mode: int
    uid: int
    gid: int
    mtime: int


@dataclass(frozen=True, slots=True)
class PathVersion:
    """One change that `layer` made to a path, and the path's metadata afterwards.

    `entry` is the tree's entry number, -1 for a removal or a directory that no entry names; `origin` is the entry with the
    content that is shown (a hard link's target), -1 for none. `kind` is the origin's, None for a removal; `size` is in content
    bytes. `until` is the layer that ended the version, the image's layers + 1 for one that is visible at the end.
    """

    layer: int
    change: Change
    entry: int
    origin: int
    kind: Kind | None
    metadata: Metadata | None
    size: int
    link: str
    """The target of a symlink or a hard link, escaped; empty for all else."""
    until: int
    is_shadowed: bool
    step: HistoryStep | None
    """The layer's history step as the image has it: not escaped, nor cleaned."""

    @property
    def content_entry(self) -> int | None:
        """Return the entry to load; None if the version is not a file."""
        return self.origin if self.kind is Kind.FILE else None


def versions_of_path(contents: Contents, node: int) -> list[PathVersion]:
    """Return every event of a node's history, oldest first, including removals and versions that their own layer replaced."""
    tree = contents.tree
    entries = np.flatnonzero(tree.entry_node == node)
    fallen = entries[tree.entry_until[entries] == tree.entry_layer[entries]].tolist()
    return [_version(contents, event) for event in history_of(tree, node, {node: fallen})]


def _version(contents: Contents, event: Event) -> PathVersion:
    tree, entry = contents.tree, event.entry
    origin = int(tree.origin[entry]) if entry >= 0 else -1
    return PathVersion(
        layer=event.layer,
        change=event.change,
        entry=entry,
        origin=origin,
        kind=None if event.change is Change.REMOVED else _kind(tree, entry, origin),
        metadata=_metadata(tree, entry) if entry >= 0 else None,
        size=int(tree.entries.size[origin]) if origin >= 0 else 0,
        link=escape(tree.entries.links[entry]) if entry >= 0 else "",
        until=event.until,
        is_shadowed=event.is_shadowed,
        step=contents.image.layers[event.layer - 1].history,
    )


def _kind(tree: Tree, entry: int, origin: int) -> Kind:
    """Return an entry's kind: for a hard link its target's; a broken one stays a hard link."""
    if entry < 0:
        return Kind.DIRECTORY
    return Kind(int(tree.entries.kind[origin if origin >= 0 else entry]))


def _metadata(tree: Tree, entry: int) -> Metadata:
    entries = tree.entries
    return Metadata(int(entries.mode[entry]), int(entries.uid[entry]), int(entries.gid[entry]), int(entries.mtime[entry]))
