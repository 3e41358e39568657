"""Reads a file of an image as some of its layers have it."""

from __future__ import annotations

from layerscope.analysis import Analysis
from layerscope.errors import CorruptLayer, NotCompared
from layerscope.layers.table import Kind

MOST_READ = 1 << 20


def content_below(analysis: Analysis, path: bytes, layer: int, *, most: int = MOST_READ) -> bytes | None:
    """Return a file as the layers below `layer` have it; None if there is none, it is longer, or cannot be read."""
    tree = analysis.tree
    node = tree.nodes.find(path)
    versions = tree.versions
    for version in tree.versions_of(node) if node is not None else ():
        if versions.layer[version] < layer <= versions.until[version] and versions.entry[version] >= 0:
            entry = int(tree.origin[versions.entry[version]])
            return _content(analysis, entry, most) if entry >= 0 and tree.entries.kind[entry] == Kind.FILE else None
    return None


def _content(analysis: Analysis, entry: int, most: int) -> bytes | None:
    number = int(analysis.tree.entry_layer[entry])
    layer, columns = analysis.contents.layers[number - 1], analysis.tree.entries
    if layer is None or columns.size[entry] > most:
        return None
    first = analysis.contents.stack.first[number - 1]
    try:
        return b"".join(layer.pieces(entry - first, int(columns.content_offset[entry]), int(columns.size[entry])))
    except (CorruptLayer, NotCompared):
        return None
