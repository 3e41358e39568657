"""Package caches that a layer holds, seen by the container or buried by a later layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.fix_context import FixContext, Mask, places
from layerscope.advice.fixes.known_caches import CACHES, KnownCache
from layerscope.layers.table import Kind
from layerscope.text import escape
from layerscope.tree.tree import Longs, Tree
from layerscope.units import size_text

HOME_DEPTH = 4
"""How deep a home may lie: /root, /home/user, /var/lib/jenkins."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The own entries, alive and buried, of one cache."""

    cache: KnownCache
    home: bytes
    entries: Longs


def find_caches(context: FixContext) -> Iterator[Fix]:
    """Return one fix per cache and layer that wrote it."""
    for found in _caches(context):
        layers = context.tree.entry_layer[found.entries]
        for layer in np.unique(layers).tolist():
            yield from _fix(context, found, found.entries[layers == layer], layer)


def _fix(context: FixContext, found: _Found, entries: Longs, layer: int) -> Iterator[Fix]:
    sizes = context.tree.entries.size[entries]
    size = int(sizes.sum())
    if size < context.min_saving:
        return
    context.take(entries)
    origin = context.origin(layer)
    buried_by = _buriers(context, entries)
    what = f"{size_text(size)} of {found.cache.name}"
    live = int(sizes[context.is_live[entries]].sum())
    home = "/" + escape(found.home).replace("`", "'")
    remedy = found.cache.remedy.replace("{home}", home.rstrip("/"))
    if origin.is_copy:
        remedy = "leave them out of what is copied"
    late = f" ({_late(context, buried_by)} {_part(size - live, live)} too late)" if buried_by else ""
    where = f" in layer {layer}" if origin.line else ""
    verb = "brings" if origin.is_copy else "leaves"
    sentence = f"{origin.quoted} {verb} {what}{where}: {remedy}{late}"
    yield context.fix(
        found.cache.kind, (layer, *buried_by), size, sentence, context.examples(context.tree.entry_node[entries], sizes)
    )


def _late(context: FixContext, layers: list[int]) -> str:
    return f"{places([context.origin(layer) for layer in layers])} remove{'s' * (len(layers) == 1)}"


def _part(buried: int, live: int) -> str:
    return f"{size_text(buried)} of it" if live else "it"


def _buriers(context: FixContext, entries: Longs) -> list[int]:
    waste = context.waste
    layers: list[int] = np.unique(waste.buried_by[np.isin(waste.entry, entries)]).tolist()
    return layers


def _caches(context: FixContext) -> Iterator[_Found]:
    homes, is_own = _homes(context.tree), _is_own(context)
    for cache in CACHES:
        for home, nodes in _tops(context.tree, cache, homes).items():
            entries = _entries(context, nodes, is_own)
            if len(entries):
                yield _Found(cache, home, entries)


def _tops(tree: Tree, cache: KnownCache, homes: dict[bytes, list[bytes]]) -> dict[bytes, list[int]]:
    """Return the directories of a cache, by the home they lie in; those in no home count as root's."""
    tops = [(b"root", node) for path in cache.directories for node in _matching(tree, path)]
    for path in cache.at_home:
        found = ((home, tree.nodes.find(_below(home, path))) for home in homes.get(path.partition(b"/")[0], ()))
        tops += [(home, node) for home, node in found if node is not None]
    by_home: dict[bytes, list[int]] = {}
    for home, node in tops:
        by_home.setdefault(home, []).append(node)
    return by_home


def _is_own(context: FixContext) -> Mask:
    """Mark contents that an own layer wrote and, if they are buried, an own layer buried."""
    return np.asarray((context.tree.entries.kind == Kind.FILE) & (context.tree.entry_layer > (context.base_layers or 0)), bool)


def _entries(context: FixContext, nodes: list[int], is_own: Mask) -> Longs:
    """Return the author's contents whose names all lie below these nodes."""
    tree = context.tree
    is_inside = np.zeros(len(tree), bool)
    for node in nodes:
        is_inside[node : tree.nodes.end[node]] = True
    entries = np.flatnonzero(is_inside[tree.entry_node] & is_own & ~context.is_taken)
    links = np.flatnonzero((tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0))
    # pnpm, uv and conda link from their store into the places of use: what is linked so saves nothing.
    elsewhere = tree.origin[links[~is_inside[tree.entry_node[links]]]]
    return entries[~np.isin(entries, elsewhere)] if len(elsewhere) else entries


def _homes(tree: Tree) -> dict[bytes, list[bytes]]:
    """Return, for each first name of a cache in a home, the directories near the root that contain such a name."""
    nodes = tree.nodes
    wanted = {path.partition(b"/")[0] for cache in CACHES for path in cache.at_home}
    homes: dict[bytes, list[bytes]] = {name: [] for name in wanted}
    for node in _shallow(tree, {name[0] for name in wanted}):
        name = nodes.name(node)
        if name in wanted:
            homes[name].append(nodes.paths[int(nodes.parent[node])])
    return homes


def _shallow(tree: Tree, first_bytes: set[int]) -> list[int]:
    """Return the nodes near the root whose name starts with one of these bytes."""
    nodes = tree.nodes
    buffer = np.frombuffer(nodes.paths.buffer, np.uint8)
    shallow = np.flatnonzero((nodes.depth > 0) & (nodes.depth <= HOME_DEPTH))
    first = buffer[nodes.paths.offsets[shallow] + nodes.name_start[shallow]]
    found: list[int] = shallow[np.isin(first, list(first_bytes))].tolist()
    return found


def _below(home: bytes, path: bytes) -> bytes:
    return home + b"/" + path if home else path


def _matching(tree: Tree, pattern: bytes) -> list[int]:
    """Return the nodes that match a path; `*` stands for one name."""
    before, star, after = pattern.partition(b"*/")
    if not star:
        node = tree.nodes.find(pattern)
        return [] if node is None else [node]
    top = tree.nodes.find(before.rstrip(b"/"))
    if top is None:
        return []
    children = top + 1 + np.flatnonzero(tree.nodes.parent[top + 1 : tree.nodes.end[top]] == top)
    paths = (tree.nodes.paths[child] + b"/" + after for child in children.tolist())
    return [node for path in paths if (node := tree.nodes.find(path)) is not None]
