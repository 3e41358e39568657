"""The node that a path means: symlinks are followed inside the image's root, as a process in the container would see it."""

from __future__ import annotations

import os

import numpy as np

from layerscope.errors import NotFound
from layerscope.layers.table import Kind
from layerscope.layers.tar.names import normalize
from layerscope.text import did_you_mean, escape, nearest
from layerscope.tree.tree import Tree, View

MAX_HOPS = 40
"""Links followed for one path before it counts as a loop; Linux's number (path_resolution(7))."""
MAX_COMPARED = 5000
"""Names searched for similar ones, so that a mistyped path in a huge directory does not take seconds."""
NOUNS = {
    Kind.FILE: "a file",
    Kind.HARDLINK: "a file",
    Kind.SYMLINK: "a symlink",
    Kind.CHAR: "a character device",
    Kind.BLOCK: "a block device",
    Kind.DIRECTORY: "a directory",
    Kind.FIFO: "a fifo",
}


def resolve(view: View, path: bytes, *, follow_last: bool) -> int:
    """Find the node that `path` (from the root, with or without its leading `/`) means in `view`.

    Absolute targets start at the image's root and `..` never leaves it. `follow_last` says whether a symlink at the very end is
    followed; a `/` after it has it followed too. Raises NotFound, which says what is missing, where else it is, and near names.
    """
    return _Walk(view, path).to_end(follow_last=follow_last)


def shown_entry(view: View, node: int) -> int:
    """Return the entry that a visible node shows: its own, or the target of a hard link; -1 if there is none."""
    entry = int(view.entry[node])
    return int(view.tree.origin[entry]) if entry >= 0 else -1


def kind_of(view: View, node: int) -> Kind | None:
    """Return the kind of a visible node; a hard link has its target's kind, None when it leads nowhere."""
    tree, version = view.tree, int(view.seen[node])
    if not len(tree.versions) or tree.versions.kind[version] == Kind.DIRECTORY:
        return Kind.DIRECTORY
    entry = shown_entry(view, node)
    return Kind(tree.entries.kind[entry]) if entry >= 0 else None


def content_entry(view: View, node: int) -> int | None:
    """Return the regular-file entry whose bytes a visible node shows; None when it is not a file."""
    return shown_entry(view, node) if kind_of(view, node) is Kind.FILE else None


class _Walk:
    """One path being resolved, component by component; `_node` is the directory reached so far."""

    def __init__(self, view: View, path: bytes) -> None:
        self._view, self._tree, self._path = view, view.tree, path
        self._node = 0
        self._hops = 0

    def to_end(self, *, follow_last: bool) -> int:
        todo = _components(self._path)
        while todo:
            part = todo.pop()
            if kind_of(self._view, self._node) is not Kind.DIRECTORY:
                raise NotFound(
                    f"{self._shown} does not exist: {self._place} is {noun_of(self._view, self._node)}, not a directory"
                )
            if part == b"..":
                self._node = int(self._tree.nodes.parent[self._node])
            elif part != b".":
                node = self._child(part)
                if (todo or follow_last) and kind_of(self._view, node) is Kind.SYMLINK:
                    self._follow(node, todo)
                else:
                    self._node = node
        return self._node

    def _follow(self, node: int, todo: list[bytes]) -> None:
        self._hops += 1
        if self._hops > MAX_HOPS:
            raise NotFound(f"{self._shown} leads through more than {MAX_HOPS} symlinks: they form a loop")
        target = self._tree.entries.links[shown_entry(self._view, node)]
        todo += _components(target)
        if target.startswith(b"/"):
            self._node = 0

    def _child(self, name: bytes) -> int:
        directory = self._tree.nodes.paths[self._node]
        node = self._tree.nodes.find(directory + b"/" + name if directory else name)
        if node is None or not self._view.is_visible[node]:
            raise NotFound(self._missing(name, node))
        return node

    def _missing(self, name: bytes, node: int | None) -> str:
        when = f" after layer {self._view.last}" if self._view.last < self._tree.layers else ""
        sentence = f"{self._shown} is not in the image{when}"
        if normalize(self._path) != normalize(self._tree.nodes.paths[self._node] + b"/" + name):
            sentence += f": {self._place} has no {escape(name)}"
        history = "" if node is None else _elsewhere(self._tree, node, self._view.last)
        return sentence + (f"; {history}" if history else "") + did_you_mean(_near(self._view, self._node, name))

    @property
    def _shown(self) -> str:
        return "/" + escape(self._path.lstrip(b"/"))

    @property
    def _place(self) -> str:
        return "/" + escape(self._tree.nodes.paths[self._node])


def _components(path: bytes) -> list[bytes]:
    """Split a path, last part first, for use as a stack. A `/` at the end requires a directory, as `/.` does."""
    parts = [part for part in path.split(b"/") if part]
    return [*([b"."] if parts and path.endswith(b"/") else []), *reversed(parts)]


def noun_of(view: View, node: int) -> str:
    """Name the kind of a visible node for a sentence: `a file`, `a symlink`."""
    kind = kind_of(view, node)
    return NOUNS[kind] if kind is not None else "a broken hard link"


def _elsewhere(tree: Tree, node: int, layer: int) -> str:
    """Say in which layers a node that is not visible after `layer` is: before it was removed, else from a later layer on."""
    versions = [(int(tree.versions.layer[each]), int(tree.versions.until[each])) for each in tree.versions_of(node)]
    removed = [until for _, until in versions if until <= layer]
    if removed:
        return f"it was removed by layer {max(removed)}"
    added = [first for first, _ in versions if first > layer]
    return f"it is first added by layer {min(added)}" if added else ""


def _near(view: View, directory: int, name: bytes) -> list[str]:
    """Return at most three paths in a directory that the user may have meant."""
    nodes = view.tree.nodes
    below = slice(directory + 1, int(nodes.end[directory]))
    children = directory + 1 + np.flatnonzero((nodes.parent[below] == directory) & view.is_visible[below])
    names = {os.fsdecode(nodes.name(child)): child for child in children[:MAX_COMPARED].tolist()}
    near = nearest(os.fsdecode(name), names, most=3)
    return ["/" + os.fsdecode(nodes.paths[names[each]]) for each in near]
