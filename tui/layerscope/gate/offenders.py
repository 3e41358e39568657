"""What contributes most to a broken rule: waste by layer pair, the biggest files, the biggest layers."""

from __future__ import annotations

import numpy as np

from layerscope.gate.subject import NodeMask, Subject
from layerscope.gate.verdict import Finding
from layerscope.layers.table import Kind
from layerscope.tree.tree import Longs
from layerscope.units import count_text
from layerscope.waste.find import Waste, by_layer_pair

MOST = 100
"""Findings that one rule has at most: what a report can list."""
MOST_PAIRS = 12
_SHARE = 0.9
"""A directory represents a group of files if it contains this share of their bytes."""


def waste_findings(subject: Subject, waste: Waste) -> tuple[Finding, ...]:
    """List waste by cause and layer pair, most bytes first, each with the deepest directory that holds nearly all of it."""
    base = subject.base_layers
    return tuple(
        Finding(
            path=_directory(subject, waste.part(_of_pair(waste, pair.written_by, pair.buried_by, pair.cause))),
            layer=pair.written_by,
            buried_by=pair.buried_by,
            cause=pair.cause,
            size=pair.size,
            is_base=pair.buried_by <= base,
            note=count_text(pair.count, "file"),
        )
        for pair in by_layer_pair(waste)[:MOST_PAIRS]
    )


def layer_findings(subject: Subject) -> tuple[Finding, ...]:
    """List the author's layers that hold any content, biggest first."""
    base, sizes = subject.base_layers, subject.analysis.layer_content_bytes
    found = [Finding(layer=number, size=size) for number, size in enumerate(sizes, 1) if number > base and size]
    return tuple(sorted(found, key=lambda finding: -finding.size)[:MOST])


def entry_findings(subject: Subject, entries: Longs) -> tuple[Finding, ...]:
    """List at most MOST entries, biggest first; equal sizes by path."""
    tree = subject.analysis.tree
    order = np.lexsort((tree.entry_node[entries], -tree.content_size(entries)))
    entries = entries[order[:MOST]]
    columns = (tree.entry_node[entries], tree.entry_layer[entries], tree.entry_until[entries], tree.content_size(entries))
    return tuple(
        Finding(
            path=tree.nodes.paths[node],
            layer=layer,
            buried_by=until if until <= tree.layers else None,
            size=size,
            is_base=layer <= subject.base_layers,
        )
        for node, layer, until, size in zip(*(column.tolist() for column in columns), strict=True)
    )


def own_files(subject: Subject, excluded: NodeMask | None) -> Longs:
    """Return the regular-file entries of the author's layers, including those that a later layer removes."""
    tree = subject.analysis.tree
    is_own = (tree.entries.kind == Kind.FILE) & (tree.entry_layer > subject.base_layers)
    if excluded is not None:
        is_own &= ~excluded[tree.entry_node]
    return np.flatnonzero(is_own)


def _of_pair(waste: Waste, written_by: int, buried_by: int, cause: int) -> NodeMask:
    return np.asarray((waste.written_by == written_by) & (waste.buried_by == buried_by) & (waste.cause == cause))


def _directory(subject: Subject, waste: Waste) -> bytes:
    """Find the deepest node that holds nearly all of these bytes at or below it."""
    nodes = subject.analysis.tree.nodes
    holds = np.flatnonzero(nodes.subtree_sums(waste.by_node(len(nodes))) >= _SHARE * waste.wasted_bytes)
    return nodes.paths[int(holds[np.argmax(nodes.depth[holds])])]
