"""Comparison of two images: layers by diff_id, and files as a container sees them, where a hard link is its content."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.compare.architecture_names import ArchitectureNames
from layerscope.compare.pairing import NodeNumbers, Rules, pair_paths
from layerscope.layers.content_ids import COMPUTED, recorded_kind
from layerscope.layers.table import Kind
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Change, Longs, Tree, View

Mask = npt.NDArray[np.bool_]


class Aspect(IntFlag):
    """A property that may differ. The numbers are bits of the `aspects` column."""

    KIND = 1
    SIZE = 2
    CONTENT = 4
    TARGET = 8
    DEVICE = 16
    MODE = 32
    OWNER = 64
    XATTRS = 128
    TIME = 256
    LINKS = 512
    """The same content, but hard-linked to other names. Only the comparison of two layers (`compare/layers.py`) sets it."""

    @property
    def words(self) -> list[str]:
        """Return the names of all bits that are set, in lower case."""
        return [aspect.name.lower() for aspect in Aspect if aspect in self and aspect.name]


@dataclass(frozen=True, slots=True, eq=False)
class PairedEntries:
    """Pairs of entries, `left` of the image `old` and `right` of `new`, by their numbers in the image's tree (int64).

    `aspects` is what differs (uint16, bits of Aspect); `is_uncompared` marks files of equal size of which at least one cannot
    be read.
    """

    old: Analysis
    new: Analysis
    left: Longs
    right: Longs
    aspects: npt.NDArray[np.uint16]
    is_uncompared: Mask

    def has(self, aspects: Aspect) -> Mask:
        """Return a flag for each pair: whether it differs in at least one of these aspects."""
        return np.asarray(self.aspects & np.uint16(aspects), bool)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The comparison of two images: columns with a row for each path that differs after the last layer, most bytes first.

    `change` is a Change (uint8), never UNCHANGED; `aspects` what differs of a path that is in both (uint16, bits of
    `Aspect`; KIND also where only one image has an entry of its own for a directory); `old_node` and `new_node`
    are the path's nodes in the two trees, -1 where it is not visible (int64); `old_size` and `new_size` its content bytes there
    (int64; directories have none). `shared_layers` is the number of leading layers that both have. `directory_times` is the
    number of directories that differ only in their time, which are not among the rows: every build writes new ones;
    `uncompared` that of files of equal size that could not be compared. `rules` (uint8) is why two different paths of two
    platforms are a pair (see PairedPaths), `mapped_paths` the number of such pairs, also of those that do not differ.
    """

    old: Analysis
    new: Analysis
    shared_layers: int
    change: npt.NDArray[np.uint8]
    aspects: npt.NDArray[np.uint16]
    directory_times: int
    uncompared: int
    old_node: NodeNumbers
    new_node: NodeNumbers
    old_size: Longs
    new_size: Longs
    rules: Rules
    mapped_paths: int

    def __len__(self) -> int:
        return len(self.change)

    def path(self, row: int) -> bytes:
        """Return the path of a row, in the new image if it is there."""
        node = int(self.new_node[row])
        if node >= 0:
            return self.new.tree.nodes.paths[node]
        return self.old_path(row)

    def old_path(self, row: int) -> bytes:
        """Return the path of a row in the old image, where it must be."""
        return self.old.tree.nodes.paths[int(self.old_node[row])]

    @property
    def is_of_platforms(self) -> bool:
        """Tell whether the two images are for different platforms, so that binaries cannot be the same."""
        return self.old.image.platform.normal != self.new.image.platform.normal

    @property
    def content_grown(self) -> int:
        """Return the content bytes of the new image minus those of the old one."""
        return self.new.waste.content_bytes - self.old.waste.content_bytes

    @property
    def wasted_grown(self) -> int:
        """Return the wasted bytes of the new image minus those of the old one."""
        return self.new.waste.wasted_bytes - self.old.waste.wasted_bytes

    def count(self, change: Change) -> int:
        """Count the paths with this change."""
        return int(np.count_nonzero(self.change == change))

    def bytes_of(self, change: Change) -> int:
        """Return by how many content bytes the paths with this change grew or shrank in total."""
        rows = self.change == change
        return abs(int(self.new_size[rows].sum()) - int(self.old_size[rows].sum()))


def compare(old: Analysis, new: Analysis) -> Comparison:
    """Compare two images, path by path, as they are after their last layers.

    A path is MODIFIED when its kind, size, content, mode, owner, link target, device number, extended attributes or time
    differs; contents of equal size are read where their identity is not known. Of two platforms, paths that differ in their
    architecture's name alone are compared with each other.
    """
    before, after = _last_view(old), _last_view(new)
    names = _architectures(old, new)
    paired = pair_paths(before, after, names)
    pairs = paired.nodes
    change = np.full(len(pairs), Change.UNCHANGED, np.uint8)
    change[pairs[:, 0] < 0] = Change.ADDED
    change[pairs[:, 1] < 0] = Change.REMOVED
    both = np.flatnonzero((pairs >= 0).all(axis=1))
    found = _aspects(old, new, before.entry[pairs[both, 0]], after.entry[pairs[both, 1]])
    aspects = np.zeros(len(pairs), np.uint16)
    if names is not None:
        _forgive_targets(found.aspects, (before, after), pairs[both], names)
    aspects[both] = found.aspects
    change[both[found.aspects > 0]] = Change.MODIFIED
    rows = np.flatnonzero(change != Change.UNCHANGED)
    old_size, new_size = _sizes(before, pairs[rows, 0]), _sizes(after, pairs[rows, 1])
    order = np.argsort(-np.abs(new_size - old_size), kind="stable")
    rows = rows[order]
    return Comparison(
        old=old,
        new=new,
        shared_layers=_shared_layers(old, new),
        change=change[rows],
        aspects=aspects[rows],
        directory_times=found.directory_times,
        uncompared=found.uncompared,
        old_node=pairs[rows, 0],
        new_node=pairs[rows, 1],
        old_size=old_size[order],
        new_size=new_size[order],
        rules=paired.rules[rows],
        mapped_paths=int(np.count_nonzero(paired.rules)),
    )


def _architectures(old: Analysis, new: Analysis) -> tuple[ArchitectureNames, ArchitectureNames] | None:
    """Return what takes the architecture out of the names of two images for different platforms; else None."""
    platforms = old.image.platform, new.image.platform
    if platforms[0].normal == platforms[1].normal:
        return None
    return ArchitectureNames(platforms[0]), ArchitectureNames(platforms[1])


@dataclass(frozen=True, slots=True, eq=False)
class _PathDifferences:
    """The differences of paths that are in both images."""

    aspects: npt.NDArray[np.uint16]
    directory_times: int
    uncompared: int


def _aspects(old: Analysis, new: Analysis, left: Ints, right: Ints) -> _PathDifferences:
    """Compare pairs of visible entries; a directory that no entry names differs from one that has an entry."""
    aspects = np.where((left < 0) != (right < 0), np.uint16(Aspect.KIND), np.uint16(0))
    rows = np.flatnonzero((left >= 0) & (right >= 0))
    pairs = compare_entries(old, new, left[rows], right[rows])
    is_directory = new.tree.entries.kind[pairs.right] == Kind.DIRECTORY
    directory_times = int(np.count_nonzero(is_directory & (pairs.aspects == Aspect.TIME)))
    pairs.aspects[is_directory] &= ~np.uint16(Aspect.TIME)
    aspects[rows] = pairs.aspects
    return _PathDifferences(aspects, directory_times, int(np.count_nonzero(pairs.is_uncompared)))


def _forgive_targets(
    aspects: npt.NDArray[np.uint16],
    views: tuple[View, View],
    nodes: NodeNumbers,
    names: tuple[ArchitectureNames, ArchitectureNames],
) -> None:
    """Clear TARGET for links that lead to the same place but for the architecture's name."""
    # Links that differ are few, so they go one by one.
    for row in np.flatnonzero(aspects & np.uint16(Aspect.TARGET)).tolist():
        entries = [int(view.entry[node]) for view, node in zip(views, nodes[row].tolist(), strict=True)]
        targets = [view.tree.entries.links[entry] for view, entry in zip(views, entries, strict=True)]
        if names[0].without_in_path(targets[0]) == names[1].without_in_path(targets[1]):
            aspects[row] &= ~np.uint16(Aspect.TARGET)


def _last_view(analysis: Analysis) -> View:
    return analysis.tree.view(max(analysis.tree.layers, 1))


def _shared_layers(old: Analysis, new: Analysis) -> int:
    for number, (mine, theirs) in enumerate(zip(old.image.layers, new.image.layers, strict=False)):
        if mine.diff_id is None or mine.diff_id != theirs.diff_id:
            return number
    return min(len(old.image.layers), len(new.image.layers))


def _sizes(view: View, nodes: NodeNumbers) -> Longs:
    sizes = np.zeros(len(nodes), np.int64)
    there = nodes >= 0
    sizes[there] = view.size[nodes[there]]
    return sizes


def compare_entries(old: Analysis, new: Analysis, left: Longs | Ints, right: Longs | Ints) -> PairedEntries:
    """Compare entries pair by pair. Contents of equal size are read where their identity is not known."""
    pairs = PairedEntries(
        old, new, left.astype(np.int64), right.astype(np.int64), np.zeros(len(left), np.uint16), np.zeros(len(left), bool)
    )
    if len(left):
        _mark_content(pairs)
        _mark_metadata(pairs)
    return pairs


IS_OTHER = Aspect.KIND | Aspect.SIZE | Aspect.CONTENT | Aspect.TARGET | Aspect.DEVICE
"""Aspects that make a path a different thing."""


METADATA = Aspect.MODE | Aspect.OWNER | Aspect.XATTRS


def origins(tree: Tree, entries: Longs) -> Longs:
    """Return, for each entry, the entry that holds its content: a hard link's target, else (and for a broken one) itself."""
    found = tree.origin[entries]
    return np.where(found >= 0, found, entries)


def _mark_content(pairs: PairedEntries) -> None:
    mine, theirs = pairs.old.tree.entries, pairs.new.tree.entries
    left, right = origins(pairs.old.tree, pairs.left), origins(pairs.new.tree, pairs.right)
    kind = mine.kind[left]
    is_other_kind = kind != theirs.kind[right]
    _mark(pairs, Aspect.KIND, is_other_kind)
    _mark(pairs, Aspect.SIZE, ~is_other_kind & (mine.size[left] != theirs.size[right]))
    compared = np.flatnonzero((pairs.aspects == 0) & (kind == Kind.FILE) & (mine.size[left] > 0))
    compared = compared[~_is_of_one_layer(pairs.old, pairs.new, left[compared], right[compared])]
    is_same, is_known = _same_contents(pairs.old, pairs.new, left[compared], right[compared])
    pairs.aspects[compared[is_known & ~is_same]] |= np.uint16(Aspect.CONTENT)
    pairs.is_uncompared[compared[~is_known]] = True
    # Links and devices are few, so they go one by one.
    for row in np.flatnonzero(~is_other_kind & ((kind == Kind.SYMLINK) | (kind == Kind.HARDLINK))).tolist():
        if mine.links[int(left[row])] != theirs.links[int(right[row])]:
            pairs.aspects[row] |= np.uint16(Aspect.TARGET)
    for row in np.flatnonzero(~is_other_kind & ((kind == Kind.CHAR) | (kind == Kind.BLOCK))).tolist():
        if pairs.old.tree.device_of(int(left[row])) != pairs.new.tree.device_of(int(right[row])):
            pairs.aspects[row] |= np.uint16(Aspect.DEVICE)


def _mark_metadata(pairs: PairedEntries) -> None:
    old, new, left, right = pairs.old.tree, pairs.new.tree, pairs.left, pairs.right
    mine, theirs = old.entries, new.entries
    _mark(pairs, Aspect.MODE, mine.mode[left] != theirs.mode[right])
    _mark(pairs, Aspect.OWNER, (mine.uid[left] != theirs.uid[right]) | (mine.gid[left] != theirs.gid[right]))
    _mark(pairs, Aspect.TIME, mine.mtime[left] != theirs.mtime[right])
    if old.xattrs or new.xattrs:
        rows = zip(left.tolist(), right.tolist(), strict=True)
        differs = [old.xattrs_of(one) != new.xattrs_of(other) for one, other in rows]
        _mark(pairs, Aspect.XATTRS, np.array(differs, bool))


def _mark(pairs: PairedEntries, aspect: Aspect, differs: Mask) -> None:
    pairs.aspects[differs] |= np.uint16(aspect)


def _is_of_one_layer(old: Analysis, new: Analysis, left: Longs, right: Longs) -> Mask:
    """Return a flag for each pair: whether it is one entry of a layer that both images have, so that contents are the same."""
    numbers = {layer.diff_id: index for index, layer in enumerate(new.image.layers, 1) if layer.diff_id is not None}
    partner = np.array([0, *(numbers.get(layer.diff_id, 0) if layer.diff_id else 0 for layer in old.image.layers)], np.int64)
    layer, other = partner[old.tree.entry_layer[left]], new.tree.entry_layer[right]
    row = left - np.array(old.contents.stack.first)[old.tree.entry_layer[left] - 1]
    return np.asarray((layer == other) & (row == right - np.array(new.contents.stack.first)[other - 1]), bool)


def _same_contents(old: Analysis, new: Analysis, left: Longs, right: Longs) -> tuple[Mask, Mask]:
    """Return, for files of equal size above 0, whether their contents are the same, and whether that is known."""
    mine, theirs = old.tree.entries.content_id[left], new.tree.entries.content_id[right]
    kinds = recorded_kind(mine)
    hashed = np.flatnonzero((kinds == COMPUTED) | (kinds != recorded_kind(theirs)))
    mine[hashed], theirs[hashed] = old.identity.hashes(left[hashed]), new.identity.hashes(right[hashed])
    is_known = mine.any(axis=1) & theirs.any(axis=1)
    return np.asarray((mine == theirs).all(axis=1), bool), np.asarray(is_known, bool)
