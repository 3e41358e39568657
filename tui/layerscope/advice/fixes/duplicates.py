"""The same content alive at several paths: one copy and links to it would do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.fix_context import Maker, Scene
from layerscope.tree.tree import Longs
from layerscope.units import size_text

SMALLEST = 4096
"""Smaller contents are not compared: a link to one saves no block of a disk."""
LEAST_SHARE = 0.01
"""Copies within one layer (vendored packages, mostly) are worth a sentence from this share of the image's content on."""
COMPARED = 4_000
COMPARED_BYTES = 256 << 20
"""How many contents, and bytes of them, are compared at most, biggest first: 30 ms where they have to be hashed."""


def find_live_duplicates(scene: Scene) -> Iterator[Fix]:
    """One fix for each layer that brought copies and each layer that brought what they are copies of."""
    copies, originals = _pairs(scene)
    key = _born(scene, copies) << 16 | _born(scene, originals)
    for value in np.unique(key).tolist():
        layer, origin, part = value >> 16, value & 0xFFFF, copies[key == value]
        size = int(scene.tree.entries.size[part].sum())
        least = round(LEAST_SHARE * scene.waste.content_bytes) if layer == origin else 0
        if size >= max(scene.trifle, least) and not scene.maker(layer).is_base:
            yield _fix(scene, (layer, origin), part, size)


def _born(scene: Scene, entries: Longs) -> Longs:
    """The layer that first brought each entry's path: a later chown of it made no new copy."""
    versions = scene.tree.versions
    return versions.layer[np.searchsorted(versions.node, scene.tree.entry_node[entries])].astype(np.int64)


def _fix(scene: Scene, layers: tuple[int, int], copies: Longs, size: int) -> Fix:
    scene.take(copies)
    maker, origin = scene.maker(layers[0]), scene.maker(layers[1])
    amount = f"{maker.quoted} {'copies' if maker.is_copy else 'writes'} {size_text(size)}"
    paths = scene.examples(scene.tree.entry_node[copies], scene.tree.entries.size[copies])
    if maker == origin:
        sentence = f"{amount} of layer {maker.number} more than once, under several paths: {_once(maker)}"
        return scene.fix("duplicate", layers[:1], size, sentence, paths)
    there = "the base" if origin.is_base else f"layer {origin.number}{f' ({origin.place})' if origin.line else ''}"
    remedy = "link to it instead" if maker.is_run else "leave it out, and link to it"
    return scene.fix("duplicate", layers, size, f"{amount} that {there} has at other paths: {remedy}", paths)


def _once(maker: Maker) -> str:
    return "keep one and hard link the others in that RUN" if maker.is_run else "keep one and link the others to it"


def _pairs(scene: Scene) -> tuple[Longs, Longs]:
    """Own entries whose content another entry has too, and that entry: the one of the oldest path, first by name."""
    tree = scene.tree
    compared = _compared(scene)
    ids = scene.analysis.identity.ids(compared)
    is_known = ids.any(axis=1)
    compared, ids = compared[is_known], ids[is_known]
    order = np.lexsort((tree.entry_node[compared], _born(scene, compared), ids[:, 1], ids[:, 0]))
    compared, ids = compared[order], ids[order]
    is_first = np.ones(len(ids), bool)
    is_first[1:] = (ids[1:] != ids[:-1]).any(axis=1)
    original = compared[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]] if len(ids) else compared
    is_copy = ~is_first & (tree.entry_layer[compared] > (scene.base_layers or 0))
    return compared[is_copy], original[is_copy]


def _compared(scene: Scene) -> Longs:
    """Contents that are alive, not small, of a size that another has, and in no other fix; the biggest when they are many."""
    sizes = scene.tree.entries.size
    live = np.flatnonzero(scene.is_live & ~scene.is_taken & (sizes >= SMALLEST))
    _, group, counts = np.unique(sizes[live], return_inverse=True, return_counts=True)
    live = live[counts[group] > 1]
    live = live[np.argsort(-sizes[live], kind="stable")][:COMPARED]
    return live[np.cumsum(sizes[live]) <= COMPARED_BYTES]
