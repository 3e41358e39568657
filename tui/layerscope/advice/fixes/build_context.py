"""What a COPY brought along that no container needs: a repository's history."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.fix_context import FixContext, Mask
from layerscope.layers.table import Kind
from layerscope.text import escape
from layerscope.tree.tree import Longs, Tree
from layerscope.units import size_text

NAME = b".git"
DEEPEST = 8


def find_repositories(context: FixContext) -> Iterator[Fix]:
    """Return one fix per COPY of `.git` directories, whether they are still visible or not."""
    tree = context.tree
    is_inside = _is_inside(tree)
    is_own = (tree.entries.kind == Kind.FILE) & (tree.entry_layer > (context.base_layers or 0))
    entries = np.flatnonzero(is_own & ~context.is_taken & is_inside[tree.entry_node])
    for layer in np.unique(tree.entry_layer[entries]).tolist():
        yield from _fix(context, entries[tree.entry_layer[entries] == layer], layer)


def _fix(context: FixContext, entries: Longs, layer: int) -> Iterator[Fix]:
    origin, sizes = context.origin(layer), context.tree.entries.size[entries]
    size = int(sizes.sum())
    if not origin.is_copy or size < context.min_saving:
        return
    context.take(entries)
    paths = context.examples(context.tree.entry_node[entries], sizes)
    top = paths[0][: paths[0].index(NAME) + len(NAME)]
    sentence = f"{origin.quoted} copies /{escape(top)}, {size_text(size)}: add `.git` to .dockerignore"
    yield context.fix("dockerignore", (layer,), size, sentence, paths)


def _is_inside(tree: Tree) -> Mask:
    """Mark nodes inside a directory of that name, not deep down. Names are compared as four bytes of the paths' buffer."""
    nodes, paths = tree.nodes, tree.nodes.paths
    ends = paths.offsets[1:]
    is_long = ends - paths.offsets[:-1] - nodes.name_start == len(NAME)
    found = np.flatnonzero(is_long & (nodes.depth <= DEEPEST) & (nodes.end > np.arange(len(tree)) + 1))
    is_inside = np.zeros(len(tree), bool)
    for node in found.tolist():
        if nodes.name(node) == NAME:
            is_inside[node : nodes.end[node]] = True
    return is_inside
