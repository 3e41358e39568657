"""The merged tree of a whole image, and what is seen of it after a layer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Entries, Kind, Problem
from layerscope.tree.nodes import IMPLIED, Flags, Ints, Nodes, Shape
from layerscope.tree.versions import Layers, Versions

Longs = npt.NDArray[np.int64]


class Change(IntEnum):
    """What a range of layers did to a node. The numbers are the column's values."""

    UNCHANGED = 0
    ADDED = 1
    MODIFIED = 2
    REMOVED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """All nodes of an image with all their versions, merged once.

    `entries` are those of all layers, one after the other; `entry_layer` their layer (int16, from 1); `entry_node` the
    node each one names; `origin` the entry that brought what it shows: itself, a hard link's target, or -1.
    `entry_until` is the layer that buries the entry's name (its own layer for one that its own tar buries; `layers` + 1
    when it is seen at the end). `xattrs` are those of the few entries that have any, `devices` the major and minor numbers of
    all devices, both by entry.
    """

    layers: int
    nodes: Nodes
    versions: Versions
    entries: Entries
    entry_layer: Layers
    entry_node: Ints
    entry_until: Layers
    origin: Ints
    xattrs: dict[int, dict[bytes, bytes]]
    devices: dict[int, tuple[int, int]]
    problems: tuple[Problem, ...]

    def __len__(self) -> int:
        return len(self.nodes)

    def versions_of(self, node: int) -> range:
        """Return the numbers of a node's versions, oldest first."""
        start, stop = np.searchsorted(self.versions.node, [node, node + 1]).tolist()
        return range(start, stop)

    def content_size(self, entry: Longs | Ints) -> Longs:
        """Return the content bytes of each entry; 0 for everything but files, and for IMPLIED."""
        if not len(self.entries):
            return np.zeros(len(entry), np.int64)
        origin = np.where(entry >= 0, self.origin[entry], -1)
        return np.where(origin >= 0, self.entries.size[origin], 0)

    def xattrs_of(self, entry: int) -> dict[bytes, bytes]:
        """Return an entry's extended attributes: those of its content, and those that a hard link's own header adds."""
        if entry < 0 or not self.xattrs:
            return {}
        return self.xattrs.get(int(self.origin[entry]), {}) | self.xattrs.get(entry, {})

    def device_of(self, entry: int) -> tuple[int, int] | None:
        """Return the major and minor number of a device; None for anything else, and where the header has none."""
        return self.devices.get(int(self.origin[entry])) if entry >= 0 else None

    def view(self, first: int, last: int | None = None) -> View:
        """Compute what is visible after layer `last`, and what the layers `first` to `last` changed relative to those below.

        `view(k)` has the changes of layer k alone. Layers count from 1; no tree is copied, only columns over versions compared.
        """
        last = first if last is None else last
        if not 1 <= first <= last <= max(self.layers, 1):
            raise IndexError(f"no layers {first} to {last} in {self.layers}")
        return View(self, first, last, self._seen_after(first - 1), self._seen_after(last))

    def written_by(self, layer: int) -> View:
        """Compute the view of what layer `layer` alone wrote and shows, with the directories around it: all of it is ADDED."""
        seen = self._seen_after(layer)
        is_own = (seen >= 0) & (self.versions.layer[seen] == layer) if len(self.versions) else np.zeros(len(seen), bool)
        is_own[0] = True
        seen[~Shape.of(self.nodes).with_above(is_own)] = -1
        return View(self, layer, layer, np.full(len(seen), -1, np.int32), seen)

    def _seen_after(self, layer: int) -> Ints:
        versions = self.versions
        seen = np.full(len(self.nodes), -1, np.int32)
        shown = np.flatnonzero((versions.layer <= layer) & (versions.until > layer))
        seen[versions.node[shown]] = shown
        return seen


@dataclass(frozen=True, eq=False)
class View:
    """What is seen after layer `last`: `seen[node]` is a version, -1 for none; `before[node]` the same before layer `first`."""

    tree: Tree
    first: int
    last: int
    before: Ints
    seen: Ints

    @cached_property
    def is_visible(self) -> Flags:
        """Return a flag for each node: whether it is visible after layer `last`. The root is."""
        return self.seen >= 0

    @cached_property
    def change(self) -> npt.NDArray[np.uint8]:
        """Return a Change for each node; UNCHANGED also for nodes that are not there at all."""
        change = np.zeros(len(self.seen), np.uint8)
        was_there = self.before >= 0
        change[self.is_visible & ~was_there] = Change.ADDED
        change[~self.is_visible & was_there] = Change.REMOVED
        change[self.is_visible & was_there & (self.before != self.seen)] = Change.MODIFIED
        return change

    @cached_property
    def entry(self) -> Ints:
        """Return the entry seen at each node; IMPLIED (-1) for parents that no entry names and for nodes that are not there."""
        return self._entries_of(self.seen)

    @cached_property
    def size(self) -> Longs:
        """Return the content bytes of each visible node, 0 for all but files; every name of a content shows its size."""
        return self.tree.content_size(self.entry)

    @cached_property
    def removed_size(self) -> Longs:
        """Return the content bytes of each REMOVED node as they were below layer `first`; 0 for all others."""
        before = np.where(self.change == Change.REMOVED, self.before, -1)
        return self.tree.content_size(self._entries_of(before))

    @cached_property
    def counted_size(self) -> Longs:
        """Return `size` with each content counted at its first name only, so that sums are what a disk would hold."""
        size = self.size.copy()
        linked = np.flatnonzero(self._linked)
        origin = self.tree.origin[self.entry[linked]]
        first = np.unique(origin, return_index=True)[1]
        is_repeat = np.ones(len(linked), bool)
        is_repeat[first] = False
        size[linked[is_repeat]] = 0
        return size

    @cached_property
    def subtree_bytes(self) -> Longs:
        """Return the content bytes below and at each node, each content once."""
        return self.tree.nodes.subtree_sums(self.counted_size)

    @cached_property
    def subtree_removed_bytes(self) -> Longs:
        """Return the content bytes of what these layers removed below and at each node."""
        return self.tree.nodes.subtree_sums(self.removed_size)

    @cached_property
    def subtree_files(self) -> Longs:
        """Return the number of visible nodes at and below each node that are not directories."""
        kind = self.tree.versions.kind[self.seen] if len(self.tree.versions) else np.zeros(len(self.seen), np.uint8)
        return self.tree.nodes.subtree_sums(self.is_visible & (kind != Kind.DIRECTORY))

    @cached_property
    def subtree_changed_bytes(self) -> Longs:
        """Return the content bytes below and at each node that these layers added, modified or removed."""
        return self.tree.nodes.subtree_sums(np.where(self.change != Change.UNCHANGED, self.counted_size, 0) + self.removed_size)

    @cached_property
    def subtree_changes(self) -> Longs:
        """Return the number of changed nodes at and below each node."""
        return self.tree.nodes.subtree_sums(self.change != Change.UNCHANGED)

    def is_there(self, *, with_gone: bool) -> Flags:
        """Return a flag for each node: whether it is visible, or the layers `first` to `last` removed it.

        With `with_gone`, nodes that existed at any time before have the flag, too.
        """
        there = self.is_visible | (self.change == Change.REMOVED)
        if with_gone:
            there[self.tree.versions.node[self.tree.versions.layer <= self.last]] = True
        return np.asarray(there)

    def has_change(self, changes: frozenset[Change]) -> Flags:
        """Return a flag for each node: whether its change is one of `changes`; nodes removed earlier count as UNCHANGED."""
        is_meant = np.zeros(len(Change), bool)
        is_meant[list(changes)] = True
        return np.asarray(is_meant[self.change])

    def last_versions(self) -> Ints:
        """Return the version (int32) that describes each node: the visible one, or the one that was removed.

        For a REMOVED node that is the one before layer `first`, for a node removed earlier its last. It is -1 for nodes that
        only later layers add.
        """
        versions = self.tree.versions
        last = np.full(len(self.seen), -1, np.int32)
        # Versions are in the order of layers, and of several values for one place numpy keeps the last.
        until_now = np.flatnonzero(versions.layer <= self.last)
        last[versions.node[until_now]] = until_now
        return np.where(self.change == Change.REMOVED, self.before, last)

    @cached_property
    def _linked(self) -> Flags:
        """Return a flag for each node: whether its entry is a hard link or has hard links to it."""
        entry, tree = self.entry, self.tree
        if not len(tree.entries):
            return np.zeros(len(entry), bool)
        has_links = np.zeros(len(tree.entries), bool)
        links = np.flatnonzero((tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0))
        has_links[links] = True
        has_links[tree.origin[links]] = True
        return (entry >= 0) & has_links[entry]

    def _entries_of(self, versions: Ints) -> Ints:
        entries = np.full(len(versions), IMPLIED, np.int32)
        there = versions >= 0
        entries[there] = self.tree.versions.entry[versions[there]]
        return entries
