"""What the package says of a stack of layers, in the words of the model, so that the two can be compared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from layerscope.layers.content import BlobContent
from layerscope.layers.readers.blob import read_layer
from layerscope.layers.table import Kind, LayerStack
from layerscope.tree.merge import merge
from layerscope.tree.tree import Change, Tree
from layerscope.waste.find import Cause, Waste, find
from layerscope.waste.identity import ContentIdentity
from support import model
from support.image_builder import Compress, Layer, blob, squeeze
from support.kept_images import KeptImages

CHANGES: dict[Change, model.Change] = {
    Change.ADDED: "added",
    Change.MODIFIED: "modified",
    Change.REMOVED: "removed",
    Change.UNCHANGED: "unchanged",
}
CAUSES: dict[Cause, model.Cause] = {
    Cause.OVERWRITTEN: "overwritten",
    Cause.METADATA: "metadata",
    Cause.IDENTICAL: "identical",
    Cause.DELETED: "deleted",
    Cause.MOVED: "moved",
    Cause.SHADOWED: "shadowed",
}


@dataclass(frozen=True, slots=True)
class Stacked:
    """Layers that were stored, read back and merged."""

    tree: Tree
    contents: tuple[BlobContent, ...]

    @classmethod
    def of(cls, layers: Iterable[Layer], compress: Compress = "none") -> Stacked:
        blobs = [blob(squeeze(layer.tar(), compress)) for layer in layers]
        reads = [read_layer(stored, layer=number) for number, stored in enumerate(blobs, 1)]
        contents = tuple(BlobContent.of(stored, read) for stored, read in zip(blobs, reads, strict=True))
        return cls(merge(LayerStack.of([read.table for read in reads])), contents)

    def waste(self) -> Waste:
        return find(self.tree, ContentIdentity(self.tree, self.contents))

    def wasted(self) -> tuple[model.Waste, ...]:
        """The wasted contents, in the model's order."""
        found, paths = self.waste(), self.tree.nodes.paths
        columns = (found.node, found.size, found.cause, found.written_by, found.buried_by)
        items = [
            model.Waste(paths[node], size, CAUSES[Cause(cause)], written_by, buried_by)
            for node, size, cause, written_by, buried_by in zip(*(column.tolist() for column in columns), strict=True)
        ]
        return tuple(sorted(items, key=lambda item: (item.path, item.written_by, item.buried_by, item.bytes, item.cause)))


def tree_of(layers: Iterable[Layer], compress: Compress = "none") -> Tree:
    return Stacked.of(layers, compress).tree


def state_of(tree: Tree, layer: int) -> model.State:
    """What `tree.view(layer)` says, without the root."""
    view = tree.view(layer)
    visible: dict[bytes, model.Node] = {}
    changes: dict[bytes, model.Change] = {}
    for node in range(1, len(tree)):
        path = tree.nodes.paths[node]
        change = CHANGES[Change(view.change[node])]
        if view.is_visible[node]:
            visible[path] = _node(tree, int(view.entry[node]), int(view.size[node]))
        if view.is_visible[node] or change == "removed":
            changes[path] = change
    return model.State(visible, changes)


def _node(tree: Tree, entry: int, size: int) -> model.Node:
    entries = tree.entries
    if entry < 0:
        return model.Node("directory", None, None, None, size, b"", None)
    origin = int(tree.origin[entry])
    kind = Kind(entries.kind[origin if origin >= 0 else entry])
    return model.Node(
        kind="file" if kind is Kind.HARDLINK else kind.name.lower(),
        mode=int(entries.mode[entry]),
        uid=int(entries.uid[entry]),
        gid=int(entries.gid[entry]),
        size=size,
        linkname=entries.links[origin] if kind is Kind.SYMLINK else b"",
        layer=int(tree.entry_layer[entry]),
    )


OF_DOCKER = (b"dev", b"etc", b"proc", b"sys", b".dockerenv")
"""What Docker adds to every container below what the container wrote."""


def seen(tree: Tree) -> dict[bytes, Any]:
    """What the last view shows, without which layer it is from and what Docker adds."""
    visible = state_of(tree, tree.layers).visible
    return {
        path: (node.kind, node.mode, node.uid, node.gid, node.size, node.linkname)
        for path, node in visible.items()
        if path.split(b"/")[0] not in OF_DOCKER
    }


@contextmanager
def as_somebody_else(kept: KeptImages) -> Iterator[None]:
    """As a user who may ask the engine and not read its storage."""
    shutil.chown(kept.root.parent / "s", 65534)
    kept.root.parent.chmod(0o755)
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
