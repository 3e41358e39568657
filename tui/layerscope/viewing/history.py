"""History of one path: all its versions, including hidden ones, and which layer ended each, for the list beside its content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.analysis import Contents
from layerscope.layers.table import Kind
from layerscope.oci.documents import HistoryStep
from layerscope.text import escape
from layerscope.tree.tree import Change, Tree

Fallen = dict[int, list[int]]
"""The entries that later entries of their own tar replaced, by node."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a layer did to a path.

    `entry` is the tree's entry number of the new version, -1 for a removal or an implied directory.
    `until` is the layer that ended the version: the image's layers + 1 while it is seen at the end, its own layer when
    the same tar holds the path again; for a removal it is the layer itself.
    """

    layer: int
    change: Change
    entry: int
    until: int

    @property
    def is_shadowed(self) -> bool:
        """Tell whether the version was never visible because a later entry of its own layer's tar replaced it."""
        return self.change is not Change.REMOVED and self.until == self.layer


def fallen_entries(tree: Tree) -> Fallen:
    """Find the entries that later entries of their own tar replaced, for the histories of all nodes at once."""
    fallen: Fallen = {}
    for entry in np.flatnonzero(tree.entry_until == tree.entry_layer).tolist():
        fallen.setdefault(int(tree.entry_node[entry]), []).append(entry)
    return fallen


def history_of(tree: Tree, node: int, fallen: Fallen) -> list[Event]:
    """Return every event of a node, oldest first."""
    events = list(_versions(tree, node))
    for entry in fallen.get(node, []):
        layer = int(tree.entry_layer[entry])
        events.append(Event(layer, Change.ADDED, entry, layer))
    return sorted(events, key=lambda event: (event.layer, not event.is_shadowed))


def _versions(tree: Tree, node: int) -> Iterator[Event]:
    versions = tree.versions
    seen_until = 0
    for number in tree.versions_of(node):
        layer, until = int(versions.layer[number]), int(versions.until[number])
        if 0 < seen_until < layer:
            yield Event(seen_until, Change.REMOVED, -1, seen_until)
        yield Event(layer, Change.MODIFIED if seen_until == layer else Change.ADDED, int(versions.entry[number]), until)
        seen_until = until
    if 0 < seen_until <= tree.layers:
        yield Event(seen_until, Change.REMOVED, -1, seen_until)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata in a tar header. `mode` has the permission bits only, `mtime` is in whole seconds since 1970."""

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


def seen_after(versions: Sequence[PathVersion], layer: int) -> int:
    """Return the index of the version that is seen after a layer, else of the last one before it; `versions` is not empty."""
    there = [index for index, version in enumerate(versions) if version.kind is not None]
    seen = [index for index in there if versions[index].layer <= layer < versions[index].until]
    before = [index for index in there if versions[index].layer <= layer]
    return (seen or before[-1:] or there[:1] or [0])[0]


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
