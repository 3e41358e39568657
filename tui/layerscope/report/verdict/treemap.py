"""The treemap of the HTML report: an image's biggest directories and files, with their bytes and wasted bytes by layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from layerscope.analysis import Analysis
from layerscope.layers.table import Kind
from layerscope.sizes.areas import Areas
from layerscope.sizes.colors import HUES, SHADES
from layerscope.text import escape
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Longs
from layerscope.wording.style import cut_middle

MOST = 2500
"""Nodes of a page, the biggest: on a screen of a million dots the rest is dust, and a page stays below 1 MB."""
LONGEST_NAME = 120


@dataclass(frozen=True, slots=True, eq=False)
class Treemap:
    """Columns about the biggest nodes of a tree (the kept nodes), in depth-first order, the root first.

    `node` is each node's number in the tree, `parent` its parent's index among the kept nodes (-1 for the root), `size` the
    bytes that all layers write at and below it, `files` the number of contents these are, `wasted` those bytes that no
    container sees. `written` and `lost` are `size` and `wasted` by layer, of shape (layers, kept nodes).
    """

    node: Longs
    parent: Longs
    size: Longs
    files: Longs
    wasted: Longs
    written: Longs
    lost: Longs


def treemap(analysis: Analysis, *, most: int = MOST) -> Treemap:
    """Build the treemap of the `most` biggest nodes. Their parents are always included, because they are at least as big."""
    tree, waste = analysis.tree, analysis.waste
    contents = np.flatnonzero(tree.entries.kind == Kind.FILE)
    nodes, sizes = tree.entry_node[contents], tree.entries.size[contents]
    whole = Areas.of(analysis).size
    kept = _biggest(whole, most)
    end = tree.nodes.end[kept].astype(np.int64)
    firsts = np.searchsorted(contents, analysis.contents.stack.first)
    wasted_nodes, layer = tree.entry_node[waste.entry], waste.written_by
    written = [_between(nodes[start:stop], sizes[start:stop], kept, end) for start, stop in pairwise(firsts.tolist())]
    lost = [
        _between(wasted_nodes[layer == number], waste.size[layer == number], kept, end) for number in range(1, tree.layers + 1)
    ]
    parent = np.searchsorted(kept, tree.nodes.parent[kept])
    parent[0] = -1
    return Treemap(
        node=kept,
        parent=parent,
        size=whole[kept],
        files=_between(nodes, np.ones(len(nodes), np.int64), kept, end),
        wasted=_between(wasted_nodes, waste.size, kept, end),
        written=np.array(written, np.int64).reshape(tree.layers, len(kept)),
        lost=np.array(lost, np.int64).reshape(tree.layers, len(kept)),
    )


def _biggest(whole: Longs, most: int) -> Longs:
    """Return the numbers of at most `most` of the biggest nodes, whose sizes are `whole`. Only the root may have no bytes."""
    least = int(np.partition(whole, -most)[-most]) if len(whole) > most else 0
    is_kept = whole > least
    is_kept[0] = True
    return np.flatnonzero(is_kept)


def _between(nodes: Ints, sizes: Longs, first: Longs, end: Longs) -> Longs:
    """Return an array with the sum of `sizes` in each subtree; `nodes` says where each size is.

    Subtree i is the nodes from `first[i]` up to, but without, `end[i]`.
    """
    order = np.argsort(nodes, kind="stable")
    sums = np.zeros(len(nodes) + 1, np.int64)
    np.cumsum(sizes[order], out=sums[1:])
    sorted_nodes = nodes[order]
    return np.asarray(sums[np.searchsorted(sorted_nodes, end)] - sums[np.searchsorted(sorted_nodes, first)])


def treemap_fields(analysis: Analysis, found: Treemap) -> dict[str, Any]:
    """Encode the treemap for the page's script: columns by node, in `parts` each node's bytes by layer
    without zeros, and the colors."""
    node, layer = np.nonzero(found.written.T)
    return {
        "name": [cut_middle(escape(analysis.tree.nodes.name(each)), LONGEST_NAME) for each in found.node.tolist()],
        "parent": found.parent.tolist(),
        "size": found.size.tolist(),
        "files": found.files.tolist(),
        "wasted": found.wasted.tolist(),
        "parts": {
            "count": np.bincount(node, minlength=len(found.node)).tolist(),
            "layer": (layer + 1).tolist(),
            "size": found.written.T[node, layer].tolist(),
            "wasted": found.lost.T[node, layer].tolist(),
        },
        "hues": list(HUES),
        "shades": SHADES,
    }
