"""Tables of all layers -> the merged tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerscope.layers.table import Entries, LayerTable
from layerscope.layers.walk import NO_ENTRIES
from layerscope.tree.contents import origins_of
from layerscope.tree.nodes import Ints, Rows, nodes_of, sort_rows
from layerscope.tree.stack import settle, stack_of
from layerscope.tree.symlinks import follow_symlinks
from layerscope.tree.tree import Tree
from layerscope.tree.versions import Layers, Versions, versions_of


def merge(tables: Sequence[LayerTable]) -> Tree:
    """Merge the layers, base first, by the rules of OCI image-spec `layer.md`; where that is silent, as containerd does.

    117,000 entries take 0.15 s, a million 1.5 s.
    """
    layers = stack_of(tables)
    follow_symlinks(layers)
    for layer in layers:
        settle(layer)
    rows = sort_rows(layers)
    nodes = nodes_of(rows.keys)
    entries = Entries.concatenate([table.entries for table in tables]) if tables else NO_ENTRIES
    versions = versions_of(rows, nodes, layers, entries.kind)
    origin, problems = origins_of(entries, layers, rows, versions)
    entry_layer = np.repeat(np.arange(1, len(tables) + 1, dtype=np.int16), [len(table.entries) for table in tables])
    return Tree(
        layers=len(tables),
        nodes=nodes,
        versions=versions,
        entries=entries,
        entry_layer=entry_layer,
        entry_node=_entry_nodes(rows, len(entries)),
        entry_until=_entry_until(versions, entry_layer),
        origin=origin,
        xattrs={layer.first + entry: found for layer, table in zip(layers, tables, strict=True) for entry, found in table.xattrs.items()},
        problems=(*(problem for table in tables for problem in table.problems), *problems),
    )


def _entry_nodes(rows: Rows, count: int) -> Ints:
    nodes = np.zeros(count, np.int32)
    named = rows.entry >= 0
    nodes[rows.entry[named]] = rows.node[named]
    return nodes


def _entry_until(versions: Versions, entry_layer: Layers) -> Layers:
    """An entry that gave no version was buried by its own tar."""
    until = entry_layer.copy()
    named = versions.entry >= 0
    until[versions.entry[named]] = versions.until[named]
    return until
