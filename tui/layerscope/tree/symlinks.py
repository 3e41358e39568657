"""Symlinks among the parents of paths, resolved inside the image's root.

This is done in a layer's own tar, as engines do when they unpack it, and among the layers below, for the few paths that need
it.

Entries are unpacked through a symlink of their own layer only: Docker and Podman on overlayfs and containerd unpack a layer
into a directory of its own, where a path below a lower layer's symlink becomes a directory. Rare, so this is exact and slow: a
replay of the layer in order, keeping which symlinks stand. Most images never come here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import numpy as np

from layerscope.layers.table import Entries, Kind, Severity
from layerscope.tree.layer_paths import SEPARATOR, LayerPaths, Marker, ancestors_of, directories_above, find_needed, parent_of
from layerscope.tree.nodes import PathRows
from layerscope.tree.versions import Versions

MAX_HOPS = 255
"""Links followed for one path before it counts as a loop; containerd's number."""
LOOP = "an entry below a loop of symlinks: no engine unpacks it"
LEADS_OUT = (
    "an entry below a symlink of its own layer to a directory that the layer does not have (yet): Docker (except with "
    "containerd's store) and Podman refuse it (except the vfs driver where a layer below has the directory); containerd and "
    "umoci follow the symlink, as layerscope does"
)
LinkOf = Callable[[bytes], bytes | None]
OnHop = Callable[[bytes], None]


def follow_symlinks(layers: list[LayerPaths]) -> None:
    """Rewrite, in place, every path whose parent is a symlink of its layer at its point in the tar."""
    for layer in layers:
        links = {layer.keys[index] for index in layer.links}
        if links and not links.isdisjoint(_looked_up(layer)):
            _Replay(layer).run()
            find_needed(layer)


def _looked_up(layer: LayerPaths) -> set[bytes]:
    """Return every directory that the layer's paths lead through; an opaque directory contains its marker."""
    return layer.needed | layer.marked | directories_above(layer.targets.values())


def walk(directory: bytes, link_of: LinkOf, on_hop: OnHop | None = None) -> bytes | None:
    """Resolve the key of a directory part by part inside the root; None for a loop.

    `link_of` returns the target of the symlink at a key, None if there is no symlink; `on_hop` is called with the key that each
    symlink led to.
    """
    todo = directory.split(SEPARATOR)[::-1]
    done: list[bytes] = []
    open_links: list[int] = []
    hops = 0
    while todo:
        part = todo.pop()
        if part == b"..":
            del done[-1:]
        elif part not in (b"", b"."):
            done.append(part)
            target = link_of(SEPARATOR.join(done))
            if target is not None:
                hops += 1
                if hops > MAX_HOPS:
                    return None
                done = [] if target.startswith(b"/") else done[:-1]
                open_links.append(len(todo))
                todo += target.split(b"/")[::-1]
        while open_links and len(todo) <= open_links[-1]:
            open_links.pop()
            if on_hop is not None:
                on_hop(SEPARATOR.join(done))
    return SEPARATOR.join(done)


class _Replay:
    """One layer's tar, replayed entry by entry: its symlinks at the moment, with their targets, and its directories so far."""

    def __init__(self, layer: LayerPaths) -> None:
        self._layer = layer
        self._targets: dict[bytes, bytes] = {}
        self._directories = {b""}

    def run(self) -> None:
        """Rewrite the keys of the layer's entries, hard link targets, whiteouts and opaque directories."""
        layer = self._layer
        layer.keys = list(layer.keys)
        markers = [(row, layer.whiteouts, key) for key, row in layer.whiteouts]
        markers += [(row, layer.opaques, key) for key, row in layer.opaques]
        by_row = {row: list(found) for row, found in groupby(sorted(markers, key=_row), key=_row)}
        whiteouts, opaques = list[Marker](), list[Marker]()
        for index in range(len(layer.keys) + 1):
            for row, kept, key in by_row.get(index, ()):
                if kept is layer.whiteouts:
                    whiteouts.append((self._resolved(key), row))
                else:
                    opaques.append((self._resolved(key + SEPARATOR + b"x")[:-2] if key else b"", row))
            if index < len(layer.keys):
                self._take(index)
        layer.whiteouts, layer.opaques = whiteouts, opaques

    def _take(self, index: int) -> None:
        layer = self._layer
        if index in layer.targets:
            layer.targets[index] = self._resolved(layer.targets[index])
        key = layer.keys[index] = self._resolved(layer.keys[index])
        self._put(key, layer.links.get(index), is_directory=layer.kind[index] == Kind.DIRECTORY)

    def _put(self, key: bytes, target: bytes | None, *, is_directory: bool) -> None:
        if not is_directory and key in self._directories:
            self._directories.discard(key)
            self._targets = {link: to for link, to in self._targets.items() if not link.startswith(key + SEPARATOR)}
        above = ancestors_of(key)
        for link in above if self._targets else ():
            self._targets.pop(link, None)  # only a loop's: it was kept as it is written and becomes a directory
        self._directories.update((key, *above) if is_directory else above)
        if target is None:
            self._targets.pop(key, None)
        else:
            self._targets[key] = target

    def _resolved(self, key: bytes) -> bytes:
        """Return `key` with its directory resolved; unchanged if no symlink is above `key`, or if symlinks form a loop."""
        directory = parent_of(key)
        if not directory or self._targets.keys().isdisjoint((directory, *ancestors_of(directory))):
            return key
        found = walk(directory, self._targets.get, self._arrive)
        if found is None:
            self._layer.findings.add(directory, LOOP, Severity.REFUSED)
            return key
        base = key[len(directory) + 1 :]
        return found + SEPARATOR + base if found else base

    def _arrive(self, directory: bytes) -> None:
        if directory not in self._directories and directory not in self._targets:
            self._layer.findings.add(directory, LEADS_OUT, Severity.DIFFERS)


def _row(marker: tuple[int, list[Marker], bytes]) -> int:
    return marker[0]


class LowerLayers:
    """Looks up paths, by sort key, in the layers below a layer, whose number is `number`."""

    def __init__(self, entries: Entries, rows: PathRows, versions: Versions) -> None:
        self._entries, self._rows, self.versions = entries, rows, versions

    def version(self, key: bytes, number: int) -> int | None:
        """Return the version that the lower layers show at a path, through symlinks among its parents; None if there is none.

        A symlink at the path itself is not followed.
        """
        found = self._seen(key, number)
        if found is not None or number == 1 or not parent_of(key):
            return found
        directory = self._resolved(parent_of(key), number)
        if directory is None:
            return None
        name = key.rpartition(SEPARATOR)[2]
        return self._seen(directory + SEPARATOR + name if directory else name, number)

    def target(self, key: bytes, number: int) -> bytes:
        """Return the path that a symlink finally leads to, or the symlink's own path if it leads in a circle."""
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
