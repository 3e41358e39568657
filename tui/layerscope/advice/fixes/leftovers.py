"""Fixes for files that nobody needs in an image, whether a container sees them or not.

These are package caches, package managers' databases written again, a repository's history that a COPY brought along, and
contents alive at several paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.buried import groups
from layerscope.advice.fixes.fix_context import FixContext, Mask, places, the_runs
from layerscope.advice.fixes.known_caches import CACHES, KnownCache
from layerscope.layers.table import Kind
from layerscope.text import escape
from layerscope.tree.tree import Longs, Tree
from layerscope.units import size_text
from layerscope.waste.find import Cause

HOME_DEPTH = 4
"""How deep a home may lie: /root, /home/user, /var/lib/jenkins."""

DATABASES = (
    b"lib/apk/db",
    b"usr/lib/sysimage/rpm",
    b"var/cache/debconf",
    b"var/lib/apt/extended_states",
    b"var/lib/dnf",
    b"var/lib/dpkg",
    b"var/lib/pacman/local",
    b"var/lib/rpm",
)
REPOSITORY = b".git"
DEEPEST = 8

SMALLEST = 4096
"""Smaller contents are not compared: a link to one saves no block of a disk."""
LEAST_SHARE = 0.01
"""Copies within one layer (vendored packages, mostly) are worth a sentence from this share of the image's content on."""
COMPARED = 4_000
COMPARED_BYTES = 256 << 20
"""How many contents, and bytes of them, are compared at most, biggest first: 30 ms where they have to be hashed."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The entries of one cache, in one home, that the author's layers hold, alive and buried."""

    cache: KnownCache
    home: bytes
    entries: Longs


def find_caches(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each cache and each layer that wrote into it."""
    for found in _caches(context):
        layers = context.entry_layer[found.entries]
        for layer in np.unique(layers).tolist():
            yield from _cache_fix(context, found, found.entries[layers == layer], layer)


def _cache_fix(context: FixContext, found: _Found, entries: Longs, layer: int) -> Iterator[Fix]:
    sizes = context.tree.entries.size[entries]
    size = int(sizes.sum())
    if size < context.min_saving:
        return
    context.take(entries)
    origin = context.origin(layer)
    waste = context.waste
    buried_by: list[int] = np.unique(waste.buried_by[np.isin(waste.entry, entries)]).tolist()
    what = f"{size_text(size)} of {found.cache.name}"
    live = int(sizes[context.is_live[entries]].sum())
    home = "/" + escape(found.home).replace("`", "'")
    remedy = found.cache.remedy.replace("{home}", home.rstrip("/"))
    if origin.is_copy:
        remedy = "leave them out of what is copied"
    late = ""
    if buried_by:
        removes = f"{places([context.origin(each) for each in buried_by])} remove{'s' * (len(buried_by) == 1)}"
        late = f" ({removes} {f'{size_text(size - live)} of it' if live else 'it'} too late)"
    where = f" in layer {layer}" if origin.line else ""
    verb = "brings" if origin.is_copy else "leaves"
    sentence = f"{origin.quoted} {verb} {what}{where}: {remedy}{late}"
    examples = context.examples(context.tree.entry_node[entries], sizes)
    fix = context.fix(found.cache.kind, (layer, *buried_by), size, sentence, examples)
    yield replace(fix, by_hand=_why_not(context, found.cache, layer))


def _why_not(context: FixContext, cache: KnownCache, layer: int) -> str:
    """Say which later RUN keeps a cache from being removed where it was filled; empty if none is known."""
    for origin in context.origins[layer:]:
        words = re.split(r"[\s;&|()]+", origin.text)
        if origin.is_run and any(word.rpartition("/")[2] in cache.tools for word in words):
            return f"{origin.place.capitalize()} works from it, and cannot be joined with the RUN that fills it."
    return ""


def _caches(context: FixContext) -> Iterator[_Found]:
    homes = homes_in(context.tree)
    is_own = (context.tree.entries.kind == Kind.FILE) & (context.entry_layer > (context.base_layers or 0))
    for cache in CACHES:
        for home, nodes in cache_tops(context.tree, cache, homes).items():
            entries = _entries(context, nodes, is_own)
            if len(entries):
                yield _Found(cache, home, entries)


def cache_tops(tree: Tree, cache: KnownCache, homes: dict[bytes, list[bytes]]) -> dict[bytes, list[int]]:
    """Return the directories of a cache (nodes of the tree), by the home they lie in; those in no home count as root's."""
    tops = [(b"root", node) for path in cache.directories for node in _matching(tree, path)]
    for path in cache.at_home:
        found = ((home, tree.nodes.find(_below(home, path))) for home in homes.get(path.partition(b"/")[0], ()))
        tops += [(home, node) for home, node in found if node is not None]
    by_home: dict[bytes, list[int]] = {}
    for home, node in tops:
        by_home.setdefault(home, []).append(node)
    return by_home


def _entries(context: FixContext, nodes: list[int], is_own: Mask) -> Longs:
    """Return the numbers of the author's unclaimed file entries all of whose names lie below these nodes."""
    tree = context.tree
    is_inside = np.zeros(len(tree), bool)
    for node in nodes:
        is_inside[node : tree.nodes.end[node]] = True
    entries = np.flatnonzero(is_inside[tree.entry_node] & is_own & ~context.is_taken)
    links = np.flatnonzero((tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0))
    # pnpm, uv and conda link from their store into the places of use: what is linked so saves nothing.
    elsewhere = tree.origin[links[~is_inside[tree.entry_node[links]]]]
    return entries[~np.isin(entries, elsewhere)] if len(elsewhere) else entries


def homes_in(tree: Tree) -> dict[bytes, list[bytes]]:
    """Map the first name of each path that a cache has in a home (`.cache`) to the shallow directories that contain it."""
    nodes = tree.nodes
    wanted = {path.partition(b"/")[0] for cache in CACHES for path in cache.at_home}
    homes: dict[bytes, list[bytes]] = {name: [] for name in wanted}
    shallow = np.flatnonzero((nodes.depth > 0) & (nodes.depth <= HOME_DEPTH))
    first = np.frombuffer(nodes.paths.buffer, np.uint8)[nodes.paths.offsets[shallow] + nodes.name_start[shallow]]
    for node in shallow[np.isin(first, [name[0] for name in wanted])].tolist():  # their names' first bytes leave few
        name = nodes.name(node)
        if name in wanted:
            homes[name].append(nodes.paths[int(nodes.parent[node])])
    return homes


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


def find_databases(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each RUN that rewrites package databases which other RUNs wrote, but not the base's or a COPY's.

    Package managers rewrite their databases at every call, so only fewer calls make this less.
    """
    rows = context.open_rows()
    is_inside = np.zeros(len(context.tree), bool)
    for path in DATABASES:
        node = context.tree.nodes.find(path)
        if node is not None:
            is_inside[node : context.tree.nodes.end[node]] = True
    rows = rows[is_inside[context.waste.node[rows]]]
    for group in groups(context, list(Cause), among=rows):
        if group.burier.is_run and group.writer.is_run and not group.writer.is_base:
            yield group.fix(
                "package-database",
                f"rewrites {group.amount} of the package manager's database that {the_runs(group.writers)} wrote: "
                "install and remove packages in one RUN",
            )
    context.take(context.waste.entry[rows])


def find_repositories(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each COPY or ADD that brought `.git` directories, whether they are still visible or not."""
    tree = context.tree
    is_inside = _in_repository(tree)
    is_own = (tree.entries.kind == Kind.FILE) & (context.entry_layer > (context.base_layers or 0))
    entries = np.flatnonzero(is_own & ~context.is_taken & is_inside[tree.entry_node])
    for layer in np.unique(context.entry_layer[entries]).tolist():
        yield from _repository_fix(context, entries[context.entry_layer[entries] == layer], layer)


def _repository_fix(context: FixContext, entries: Longs, layer: int) -> Iterator[Fix]:
    origin, sizes = context.origin(layer), context.tree.entries.size[entries]
    size = int(sizes.sum())
    if not origin.is_copy or size < context.min_saving:
        return
    context.take(entries)
    paths = context.examples(context.tree.entry_node[entries], sizes)
    top = paths[0][: paths[0].index(REPOSITORY) + len(REPOSITORY)]
    sentence = f"{origin.quoted} copies /{escape(top)}, {size_text(size)}: add `.git` to .dockerignore"
    yield context.fix("dockerignore", (layer,), size, sentence, paths)


def _in_repository(tree: Tree) -> Mask:
    """Return a mask of the nodes: true for `.git` directories that are not deep down, and for everything in them.

    Only nodes whose names have four bytes are looked at.
    """
    nodes, paths = tree.nodes, tree.nodes.paths
    ends = paths.offsets[1:]
    is_long = ends - paths.offsets[:-1] - nodes.name_start == len(REPOSITORY)
    found = np.flatnonzero(is_long & (nodes.depth <= DEEPEST) & (nodes.end > np.arange(len(tree)) + 1))
    is_inside = np.zeros(len(tree), bool)
    for node in found.tolist():
        if nodes.name(node) == REPOSITORY:
            is_inside[node : nodes.end[node]] = True
    return is_inside


def find_live_duplicates(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each pair of layers of which one stores copies of visible files that the other brought first."""
    copies, originals = _pairs(context)
    key = _born(context, copies) << 16 | _born(context, originals)
    for value in np.unique(key).tolist():
        layer, origin, part = value >> 16, value & 0xFFFF, copies[key == value]
        size = int(context.tree.entries.size[part].sum())
        least = round(LEAST_SHARE * context.waste.content_bytes) if layer == origin else 0
        if size >= max(context.min_saving, least) and not context.origin(layer).is_base:
            yield _duplicate_fix(context, (layer, origin), part, size)


def _born(context: FixContext, entries: Longs) -> Longs:
    """Return the number of the layer that first brought each entry's path: a later chown makes no new copy."""
    versions = context.tree.versions
    return versions.layer[np.searchsorted(versions.node, context.tree.entry_node[entries])].astype(np.int64)


def _duplicate_fix(context: FixContext, layers: tuple[int, int], copies: Longs, size: int) -> Fix:
    context.take(copies)
    copier, source = context.origin(layers[0]), context.origin(layers[1])
    amount = f"{copier.quoted} {'copies' if copier.is_copy else 'writes'} {size_text(size)}"
    paths = context.examples(context.tree.entry_node[copies], context.tree.entries.size[copies])
    if copier == source:
        once = "keep one and hard link the others in that RUN" if copier.is_run else "keep one and link the others to it"
        sentence = f"{amount} of layer {copier.number} more than once, under several paths: {once}"
        return context.fix("duplicate", layers[:1], size, sentence, paths)
    there = "the base" if source.is_base else f"layer {source.number}{f' ({source.place})' if source.line else ''}"
    remedy = "make it a symlink" if copier.is_run else "leave it out, and make it a symlink"
    return context.fix("duplicate", layers, size, f"{amount} that {there} has at other paths: {remedy}", paths)


def _pairs(context: FixContext) -> tuple[Longs, Longs]:
    """Return the entries that are copies, and the original of each: the entry of the same content with the oldest path.

    Of equally old paths the first by name is the original. Compared are large visible contents that no fix has claimed and
    whose size another one has too; only the biggest if there are many.
    """
    tree, sizes = context.tree, context.tree.entries.size
    live = np.flatnonzero(context.is_live & ~context.is_taken & (sizes >= SMALLEST))
    _, group, counts = np.unique(sizes[live], return_inverse=True, return_counts=True)
    live = live[counts[group] > 1]
    live = live[np.argsort(-sizes[live], kind="stable")][:COMPARED]
    compared = live[np.cumsum(sizes[live]) <= COMPARED_BYTES]
    ids = context.analysis.identity.ids(compared)
    is_known = ids.any(axis=1)
    compared, ids = compared[is_known], ids[is_known]
    order = np.lexsort((tree.entry_node[compared], _born(context, compared), ids[:, 1], ids[:, 0]))
    compared, ids = compared[order], ids[order]
    is_first = np.ones(len(ids), bool)
    is_first[1:] = (ids[1:] != ids[:-1]).any(axis=1)
    original = compared[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]] if len(ids) else compared
    is_copy = ~is_first & (context.entry_layer[compared] > (context.base_layers or 0))
    return compared[is_copy], original[is_copy]
