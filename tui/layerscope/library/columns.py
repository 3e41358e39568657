"""Entries and waste as columns: lists and numpy arrays of one length, by name, as data frames are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.layers.table import Kind
from layerscope.report.encode import path_fields
from layerscope.report.listings import TYPES, nodes_below
from layerscope.tree.tree import Change, View
from layerscope.waste.find import Cause

Columns = dict[str, list[str] | list[None] | npt.NDArray[Any]]
UNKNOWN = -1
"""What the columns of numbers have for a directory that no layer names."""
_TYPES = np.array([TYPES[kind] for kind in Kind])
_CHANGES = np.array([change.name.lower() for change in Change])
_CAUSES = np.array([cause.word for cause in Cause])


def entry_columns(view: View) -> Columns:
    """Return what is seen in a view, a row for each path in depth-first order, without the root."""
    tree, nodes = view.tree, np.array(nodes_below(view, 0), np.int64)
    nodes = nodes[nodes > 0]
    entry = view.entry[nodes]

    def of_entry(column: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        return np.append(column.astype(np.int64), UNKNOWN)[entry]  # IMPLIED, which is -1, finds the last

    origin = of_entry(tree.origin)
    shown = np.where(origin >= 0, origin, entry)  # a hard link shows what its target is
    kind = np.append(tree.entries.kind, Kind.DIRECTORY)[shown]
    paths, links = tree.nodes.paths.tolist(), [""] * len(nodes)
    for row in np.flatnonzero(kind == Kind.SYMLINK).tolist():
        links[row] = text_of(tree.entries.links[int(shown[row])], root=b"")
    return {
        "path": [text_of(paths[node]) for node in nodes.tolist()],
        "type": _TYPES[kind],
        "content_bytes": view.size[nodes],
        "counted_bytes": view.counted_size[nodes],
        "mode": of_entry(tree.entries.mode),
        "uid": of_entry(tree.entries.uid),
        "gid": of_entry(tree.entries.gid),
        "mtime": of_entry(tree.entries.mtime),
        "layer": of_entry(tree.entry_layer),
        "change": _CHANGES[view.change[nodes]],
        "linkname": links,
    }


def waste_columns(analysis: Analysis) -> Columns:
    """Return what is wasted, a row for each content, biggest first."""
    waste, paths = analysis.waste, analysis.tree.nodes.paths.tolist()
    base = analysis.base_layers
    return {
        "path": [text_of(paths[node]) for node in waste.node.tolist()],
        "wasted_bytes": waste.size.copy(),
        "cause": _CAUSES[waste.cause],
        "written_by": waste.written_by.astype(np.int64),
        "buried_by": waste.buried_by.astype(np.int64),
        "is_base": [None] * len(waste) if base is None else waste.is_base(base),
    }


def text_of(path: bytes, *, root: bytes = b"/") -> str:
    """Return a path as text; each byte of it that is not UTF-8 becomes `\\xNN`."""
    return path_fields(path, root=root)["path"]
