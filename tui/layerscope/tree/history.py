"""History of one path: all its versions, including hidden ones, and what ended each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from layerscope.tree.tree import Change, Tree


@dataclass(frozen=True, slots=True)
class Event:
    """What `layer` did to a path. `entry` is the tree's entry number of the new version, -1 for a removal or an implied
    directory.

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


Fallen = dict[int, list[int]]
"""The entries that later entries of their own tar replaced, by node."""


def fallen_entries(tree: Tree) -> Fallen:
    """Find entries that gave no version, once for all histories."""
    fallen: Fallen = {}
    for entry in np.flatnonzero(tree.entry_until == tree.entry_layer).tolist():
        fallen.setdefault(int(tree.entry_node[entry]), []).append(entry)
    return fallen


def history_of(tree: Tree, node: int, fallen: Fallen) -> list[Event]:
    """Return every event of a node, oldest first."""
    events = [*_versions(tree, node), *_shadowed(tree, fallen.get(node, []))]
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


def _shadowed(tree: Tree, entries: list[int]) -> Iterator[Event]:
    for entry in entries:
        layer = int(tree.entry_layer[entry])
        yield Event(layer, Change.ADDED, entry, layer)
