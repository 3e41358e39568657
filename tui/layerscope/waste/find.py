"""Finds every wasted byte, once: its cause, and the layers that wrote and buried it (ARCHITECTURE.md, "Waste").

Also sums waste by layer pair and by directory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Kind
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Longs, Tree
from layerscope.tree.versions import Layers
from layerscope.waste.identity import ContentIdentity

ESTARGZ_TABLE = b"stargz.index.json"
ESTARGZ_LANDMARKS = (b".prefetch.landmark", b".no.prefetch.landmark")
"""Files that eStargz puts into the root of every layer's tar (stargz-snapshotter `docs/estargz.md`)."""
LARGEST_LANDMARK = 1


class Cause(IntEnum):
    """The reason why a content is wasted. The numbers are the column's values; `name.lower()` is the word that reports use."""

    OVERWRITTEN = 0
    METADATA = 1
    IDENTICAL = 2
    DELETED = 3
    MOVED = 4
    SHADOWED = 5

    @property
    def word(self) -> str:
        """Return the cause in lower case, as reports name it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, eq=False)
class Waste:
    """The wasted contents of an image as columns, biggest first; `content_bytes` = `live_bytes` + sum of `size`.

    `entry` is the regular-file entry that has the content, `node` the path of its last name, `size` its bytes, `cause` a Cause,
    `written_by` and `buried_by` layer numbers. `estargz_bytes` are eStargz's own files, which every layer has: they count as
    live, whatever buries them.
    """

    entry: Ints
    node: Ints
    size: Longs
    cause: npt.NDArray[np.uint8]
    written_by: Layers
    buried_by: Layers
    content_bytes: int
    live_bytes: int
    estargz_bytes: int = 0

    def __len__(self) -> int:
        return len(self.entry)

    @property
    def wasted_bytes(self) -> int:
        """Return the sum of `size`."""
        return int(self.size.sum())

    @property
    def efficiency(self) -> float:
        """Return live bytes divided by content bytes; 1 for an image without content."""
        return self.live_bytes / self.content_bytes if self.content_bytes else 1.0

    def part(self, rows: npt.NDArray[np.bool_]) -> Waste:
        """Return the contents flagged in `rows` alone; the totals stay those of the whole image."""
        columns = ("entry", "node", "size", "cause", "written_by", "buried_by")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def is_base(self, base_layers: int) -> npt.NDArray[np.bool_]:
        """Return a flag for each content: whether one of the first `base_layers` layers buried it.

        Such waste is the base image's, all other the user's own.
        """
        return np.asarray(self.buried_by <= base_layers)

    def by_cause(self) -> dict[Cause, int]:
        """Return the wasted bytes of every cause."""
        return {cause: int(self.size[self.cause == cause].sum()) for cause in Cause}

    def by_node(self, nodes: int) -> Longs:
        """Return the wasted bytes at each of an image's `nodes` nodes, not counting the nodes below it."""
        sums = np.zeros(nodes, np.int64)
        np.add.at(sums, self.node, self.size)
        return sums

    def by_layer(self, layers: int, *, column: str = "written_by") -> Longs:
        """Return the wasted bytes of each layer (index 0 is layer 1): what it wrote or, with `buried_by`, what it buried."""
        numbers = self.written_by if column == "written_by" else self.buried_by
        sums = np.zeros(layers, np.int64)
        np.add.at(sums, numbers.astype(np.int64) - 1, self.size)
        return sums


@dataclass(frozen=True, slots=True)
class LayerPair:
    """What one layer wrote and another buried for one cause: bytes and number of contents; `largest` is a row of the Waste."""

    written_by: int
    buried_by: int
    cause: Cause
    size: int
    count: int
    largest: int


@dataclass(frozen=True, slots=True)
class DirectoryWaste:
    """The waste below a directory, including its subdirectories."""

    node: int
    size: int
    count: int


def find(tree: Tree, identity: ContentIdentity) -> Waste:
    """Find all waste of a merged tree.

    Contents are compared (and, in uncompressed layers, read) only where the cause depends on it.
    """
    contents = np.flatnonzero(tree.entries.kind == Kind.FILE)
    sizes = tree.entries.size[contents]
    death, name = _last_names(tree, contents)
    is_estargz = _is_estargz(tree, contents)
    is_buried = (death <= tree.layers) & ~is_estargz
    dead = is_buried & (sizes > 0)
    content_bytes, live_bytes = int(sizes.sum()), int(sizes[~is_buried].sum())
    content, name, buried_by = contents[dead], name[dead], death[dead]
    cause = _causes(tree, identity, content, name, buried_by)
    written_by, node, size = tree.entry_layer[content], tree.entry_node[name], sizes[dead]
    order = np.lexsort((written_by, node, -size))
    return Waste(
        entry=content[order].astype(np.int32),
        node=node[order],
        size=size[order],
        cause=cause[order],
        written_by=written_by[order],
        buried_by=buried_by[order],
        content_bytes=content_bytes,
        live_bytes=live_bytes,
        estargz_bytes=int(sizes[is_estargz].sum()),
    )


def _is_estargz(tree: Tree, contents: Longs) -> npt.NDArray[np.bool_]:
    """Return a flag for each content: whether it is the table of contents or a landmark of a layer in eStargz.

    A table is the last entry of its layer's tar, and a landmark holds one byte: other files of these names are only files.
    """
    landmarks = [node for name in ESTARGZ_LANDMARKS if (node := tree.nodes.find(name)) is not None]
    table = tree.nodes.find(ESTARGZ_TABLE)
    nodes = tree.entry_node[contents]
    is_landmark = np.isin(nodes, landmarks) & (tree.entries.size[contents] <= LARGEST_LANDMARK)
    if table is None:
        return np.asarray(is_landmark, bool)
    ends_layer = np.append(np.diff(tree.entry_layer) != 0, True)
    return np.asarray(is_landmark | ((nodes == table) & ends_layer[contents]), bool)


def _last_names(tree: Tree, contents: Longs) -> tuple[Layers, Longs]:
    """Return, for each content, the layer that buries its last name, and the entry of that name.

    Of several names that disappear at once it is the content's own entry, if it is among them, else the first path.
    """
    death, name = tree.entry_until.copy(), np.arange(len(tree.entries))
    links = np.flatnonzero((tree.entries.kind == Kind.HARDLINK) & (tree.origin >= 0))
    links = links[tree.entries.kind[tree.origin[links]] == Kind.FILE]
    # First path last, so that of equals it is the one that stays.
    links = links[np.lexsort((-tree.entry_node[links], tree.entry_until[links]))]
    origin, until = tree.origin[links], tree.entry_until[links]
    is_later = until > death[origin]
    links, origin, until = links[is_later], origin[is_later], until[is_later]
    death[origin], name[origin] = until, links
    return death[contents], name[contents]


def _causes(tree: Tree, identity: ContentIdentity, content: Longs, name: Longs, buried_by: Layers) -> npt.NDArray[np.uint8]:
    cause = np.full(len(content), Cause.OVERWRITTEN, np.uint8)
    successor = tree.versions.at(tree.entry_node[name], buried_by)
    replaced, gone = np.flatnonzero(successor >= 0), np.flatnonzero(successor < 0)
    new = tree.versions.entry[successor[replaced]]
    cause[replaced] = _judge_replaced(tree, identity, content[replaced], name[replaced], new)
    cause[gone] = Cause.DELETED
    cause[gone[_is_moved(tree, identity, content[gone], buried_by[gone])]] = Cause.MOVED
    cause[tree.entry_layer[content] == buried_by] = Cause.SHADOWED
    return cause


def _judge_replaced(tree: Tree, identity: ContentIdentity, content: Longs, name: Longs, new: Ints) -> npt.NDArray[np.uint8]:
    """Return the cause for contents whose path the burying layer has again, as entry `new`.

    It depends on whether the content there is the same, and on whether anything else differs.
    """
    cause = np.full(len(content), Cause.OVERWRITTEN, np.uint8)
    origin = np.full(len(new), -1, np.int64)
    origin[new >= 0] = tree.origin[new[new >= 0]]
    at = np.flatnonzero(origin >= 0)
    at = at[tree.entries.kind[origin[at]] == Kind.FILE]
    at = at[identity.is_same(content[at], origin[at])]
    cause[at] = np.where(_has_same_metadata(tree, name[at], new[at]), Cause.IDENTICAL, Cause.METADATA)
    return cause


def _has_same_metadata(tree: Tree, old: Longs, new: Ints) -> npt.NDArray[np.bool_]:
    entries = tree.entries
    same = np.ones(len(old), bool)
    for column in (entries.mode, entries.uid, entries.gid, entries.mtime):
        same &= column[old] == column[new]
    if tree.xattrs:
        for index, (left, right) in enumerate(zip(old.tolist(), new.tolist(), strict=True)):
            same[index] &= tree.xattrs.get(left) == tree.xattrs.get(right)
    return same


def _is_moved(tree: Tree, identity: ContentIdentity, content: Longs, buried_by: Layers) -> npt.NDArray[np.bool_]:
    """Return a flag for each deleted content: whether the layer that deletes it has the same content under another path.

    Only contents of equal size are compared.
    """
    versions, sizes = tree.versions, tree.entries.size
    fresh = np.flatnonzero(
        (versions.kind == Kind.FILE) & (versions.until > versions.layer) & np.isin(versions.layer, buried_by)
    )
    entry = versions.entry[fresh].astype(np.int64)
    entry = entry[np.isin(sizes[entry], sizes[content])]
    moved = np.zeros(len(content), bool)
    old_group, new_group = _groups(buried_by, sizes[content], tree.entry_layer[entry], sizes[entry])
    candidates = np.flatnonzero(np.isin(old_group, new_group))
    arrivals = np.flatnonzero(np.isin(new_group, old_group))
    if len(candidates):
        arrived = _tagged(new_group[arrivals], identity.ids(entry[arrivals]))
        ids = identity.ids(content[candidates])
        moved[candidates] = np.isin(_tagged(old_group[candidates], ids), arrived) & ids.any(axis=1)
    return moved


def _groups(old_layer: Layers, old_size: Longs, new_layer: Layers, new_size: Longs) -> tuple[Longs, Longs]:
    """Give each (layer, size) pair of two lists a number, equal pairs the same one; return the numbers of both lists."""
    layer, size = np.concatenate([old_layer, new_layer]), np.concatenate([old_size, new_size])
    order = np.lexsort((size, layer))
    is_new = np.ones(len(order), bool)
    is_new[1:] = (np.diff(layer[order]) != 0) | (np.diff(size[order]) != 0)
    groups = np.empty(len(order), np.int64)
    groups[order] = np.cumsum(is_new)
    return groups[: len(old_layer)], groups[len(old_layer) :]


def _tagged(group: Longs, ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
    """Combine the group and the id of each content into one value, which numpy can look up."""
    table = np.empty((len(group), 3), np.uint64)
    table[:, 0], table[:, 1:] = group, ids
    return table.view("V24").reshape(-1)


def by_layer_pair(waste: Waste) -> list[LayerPair]:
    """Return every existing combination (written by, buried by, cause), the most bytes first."""
    key = waste.written_by.astype(np.int64) << 24 | waste.buried_by.astype(np.int64) << 8 | waste.cause
    # The first row of each is its largest: the rows of a Waste are biggest first.
    keys, first, index, counts = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    sizes = np.zeros(len(keys), np.int64)
    np.add.at(sizes, index, waste.size)
    pairs = [
        LayerPair(key >> 24, key >> 8 & 0xFFFF, Cause(key & 0xFF), size, count, largest)
        for key, size, count, largest in zip(keys.tolist(), sizes.tolist(), counts.tolist(), first.tolist(), strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair.size)


def by_directory(tree: Tree, waste: Waste) -> list[DirectoryWaste]:
    """Return every directory with waste below it, the most bytes first."""
    nodes = tree.nodes
    sizes = nodes.subtree_sums(waste.by_node(len(nodes)))
    counts = nodes.subtree_sums(np.bincount(waste.node, minlength=len(nodes)))
    found = np.flatnonzero((sizes > 0) & (nodes.end > np.arange(1, len(nodes) + 1)))
    found = found[np.lexsort((found, -sizes[found]))]
    rows = (found, sizes[found], counts[found])
    return [DirectoryWaste(*row) for row in zip(*(column.tolist() for column in rows), strict=True)]
