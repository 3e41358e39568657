"""The same content alive at several paths: one copy and links to it would do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.fix_context import FixContext, LayerOrigin
from layerscope.tree.tree import Longs
from layerscope.units import size_text

SMALLEST = 4096
"""Smaller contents are not compared: a link to one saves no block of a disk."""
LEAST_SHARE = 0.01
"""Copies within one layer (vendored packages, mostly) are worth a sentence from this share of the image's content on."""
COMPARED = 4_000
COMPARED_BYTES = 256 << 20
"""How many contents, and bytes of them, are compared at most, biggest first: 30 ms where they have to be hashed."""


def find_live_duplicates(context: FixContext) -> Iterator[Fix]:
    """Return one fix per pair of layers: the one that brought copies, and the one that brought their originals."""
    copies, originals = _pairs(context)
    key = _born(context, copies) << 16 | _born(context, originals)
    for value in np.unique(key).tolist():
        layer, origin, part = value >> 16, value & 0xFFFF, copies[key == value]
        size = int(context.tree.entries.size[part].sum())
        least = round(LEAST_SHARE * context.waste.content_bytes) if layer == origin else 0
        if size >= max(context.min_saving, least) and not context.origin(layer).is_base:
            yield _fix(context, (layer, origin), part, size)


def _born(context: FixContext, entries: Longs) -> Longs:
    """Return the layer that first brought each entry's path: a later chown makes no new copy."""
    versions = context.tree.versions
    return versions.layer[np.searchsorted(versions.node, context.tree.entry_node[entries])].astype(np.int64)


def _fix(context: FixContext, layers: tuple[int, int], copies: Longs, size: int) -> Fix:
    context.take(copies)
    copier, source = context.origin(layers[0]), context.origin(layers[1])
    amount = f"{copier.quoted} {'copies' if copier.is_copy else 'writes'} {size_text(size)}"
    paths = context.examples(context.tree.entry_node[copies], context.tree.entries.size[copies])
    if copier == source:
        sentence = f"{amount} of layer {copier.number} more than once, under several paths: {_once(copier)}"
        return context.fix("duplicate", layers[:1], size, sentence, paths)
    there = "the base" if source.is_base else f"layer {source.number}{f' ({source.place})' if source.line else ''}"
    remedy = "link to it instead" if copier.is_run else "leave it out, and link to it"
    return context.fix("duplicate", layers, size, f"{amount} that {there} has at other paths: {remedy}", paths)


def _once(origin: LayerOrigin) -> str:
    return "keep one and hard link the others in that RUN" if origin.is_run else "keep one and link the others to it"


def _pairs(context: FixContext) -> tuple[Longs, Longs]:
    """Return entries whose content another entry has too, with that entry: the one with the oldest path, first by name."""
    tree = context.tree
    compared = _compared(context)
    ids = context.analysis.identity.ids(compared)
    is_known = ids.any(axis=1)
    compared, ids = compared[is_known], ids[is_known]
    order = np.lexsort((tree.entry_node[compared], _born(context, compared), ids[:, 1], ids[:, 0]))
    compared, ids = compared[order], ids[order]
    is_first = np.ones(len(ids), bool)
    is_first[1:] = (ids[1:] != ids[:-1]).any(axis=1)
    original = compared[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]] if len(ids) else compared
    is_copy = ~is_first & (tree.entry_layer[compared] > (context.base_layers or 0))
    return compared[is_copy], original[is_copy]


def _compared(context: FixContext) -> Longs:
    """Return large visible contents outside of other fixes whose size another has too; only the biggest if there are many."""
    sizes = context.tree.entries.size
    live = np.flatnonzero(context.is_live & ~context.is_taken & (sizes >= SMALLEST))
    _, group, counts = np.unique(sizes[live], return_inverse=True, return_counts=True)
    live = live[counts[group] > 1]
    live = live[np.argsort(-sizes[live], kind="stable")][:COMPARED]
    return live[np.cumsum(sizes[live]) <= COMPARED_BYTES]
