"""Entries below a symlink: their paths are resolved inside the root, as containerd does when it unpacks them.

Rare, so it is exact and slow: one replay of all layers in order, keeping which symlinks stand. Most images never come here.
"""

from __future__ import annotations

from dataclasses import replace

from layerscope.layers.table import Kind
from layerscope.tree.keys import SEPARATOR, ancestors_of, directories_above, parent_of
from layerscope.tree.stack import LayerPaths, needed_by

MAX_HOPS = 255
"""Links followed for one path before it counts as a loop; containerd's number."""


def follow_symlinks(layers: list[LayerPaths]) -> None:
    """Rewrite, in place, every path whose parent is a symlink at its point in the stack."""
    links = {layer.keys[index] for layer in layers for index in layer.links}
    if links and any(not links.isdisjoint(_looked_up(layer)) for layer in layers):
        standing = _Links({}, set())
        for layer in layers:
            standing.apply(layer)
            layer.needed = needed_by(layer.number, layer.keys)


def _looked_up(layer: LayerPaths) -> set[bytes]:
    """Every directory that the layer's paths lead through; an opaque directory holds its marker."""
    others = (*layer.whiteouts, *layer.targets.values(), *(opaque + SEPARATOR for opaque in layer.opaques if opaque))
    return layer.needed | directories_above(others)


class _Links:
    """The symlinks that stand at one moment of the replay, by key, with their targets."""

    def __init__(self, targets: dict[bytes, bytes], above: set[bytes]) -> None:
        self._targets = targets
        self._above = above

    def apply(self, layer: LayerPaths) -> None:
        """Rewrite a layer's paths and take its symlinks.

        Markers are resolved as the tree will be with the layer's entries: where a directory replaces a link, an opaque marker
        in it says nothing about what the link led to.
        """
        if layer.whiteouts or layer.opaques:
            later = _Links(dict(self._targets), set(self._above))
            later._resolve_entries(replace(layer, keys=list(layer.keys), targets=dict(layer.targets)))
            layer.whiteouts = [later._resolved(key) for key in layer.whiteouts]
            layer.opaques = [later._resolved(key + SEPARATOR + b"x")[:-2] if key else b"" for key in layer.opaques]
            self._hide(set(layer.whiteouts), set(layer.opaques))
        self._resolve_entries(layer)

    def _resolve_entries(self, layer: LayerPaths) -> None:
        for index, key in enumerate(layer.keys):
            if index in layer.targets:
                layer.targets[index] = self._resolved(layer.targets[index])
            resolved = self._resolved(key)
            layer.keys[index] = resolved
            self._put(resolved, layer.kind[index] == Kind.DIRECTORY, layer.links.get(index))

    def _hide(self, whiteouts: set[bytes], opaques: set[bytes]) -> None:
        if b"" in opaques:
            self._targets.clear()
        gone = [
            key
            for key in self._targets
            if key in whiteouts or any(above in whiteouts or above in opaques for above in ancestors_of(key))
        ]
        for key in gone:
            del self._targets[key]

    def _put(self, key: bytes, is_directory: bool, target: bytes | None) -> None:  # noqa: FBT001
        if not is_directory and key in self._above:
            for below in [link for link in self._targets if link.startswith(key + SEPARATOR)]:
                del self._targets[below]
        for above in ancestors_of(key) if self._targets else ():
            self._targets.pop(above, None)  # only a loop's: it was kept as it is written and becomes a directory
        if target is None:
            self._targets.pop(key, None)
        else:
            self._targets[key] = target
            self._above |= directories_above([key])

    def _resolved(self, key: bytes) -> bytes:
        """`key` with its directory resolved; as it is when that directory is no link or a loop of them."""
        directory = parent_of(key)
        if not directory or not (
            directory in self._targets or any(above in self._targets for above in ancestors_of(directory))
        ):
            return key
        found = self._walk(directory)
        if found is None:
            return key
        base = key[len(directory) + 1 :]
        return found + SEPARATOR + base if found else base

    def _walk(self, directory: bytes) -> bytes | None:
        """Resolve a directory part by part inside the root; None for a loop."""
        todo = directory.split(SEPARATOR)[::-1]
        done: list[bytes] = []
        hops = 0
        while todo:
            part = todo.pop()
            if part == b"..":
                del done[-1:]
            elif part not in (b"", b"."):
                target = self._targets.get(SEPARATOR.join([*done, part]))
                if target is None:
                    done.append(part)
                    continue
                hops += 1
                if hops > MAX_HOPS:
                    return None
                if target.startswith(b"/"):
                    done.clear()
                todo += target.split(b"/")[::-1]
        return SEPARATOR.join(done)
