"""What differs between an entry of one image and one of another, as a container sees them: a hard link is its content."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from layerscope.analysis import Analysis
from layerscope.layers.content_ids import COMPUTED, recorded_kind
from layerscope.layers.table import Kind
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Longs, Tree

Mask = npt.NDArray[np.bool_]


class Aspect(IntFlag):
    """One thing that may differ. The numbers are bits of the `aspects` column."""

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
    """The same content, but under one inode with other names. Only a layer's own comparison has it."""

    @property
    def words(self) -> list[str]:
        """The names of all that are set, in lower case."""
        return [aspect.name.lower() for aspect in Aspect if aspect in self and aspect.name]


IS_OTHER = Aspect.KIND | Aspect.SIZE | Aspect.CONTENT | Aspect.TARGET | Aspect.DEVICE
"""What makes a path another thing."""
METADATA = Aspect.MODE | Aspect.OWNER | Aspect.XATTRS


@dataclass(frozen=True, slots=True, eq=False)
class PairedEntries:
    """Entries `left` of `old` and `right` of `new`, side by side, by their numbers among those of all layers (int64).

    `aspects` is what differs (uint16, bits of Aspect); `is_uncompared` marks files of one size of which at least one cannot be
    read.
    """

    old: Analysis
    new: Analysis
    left: Longs
    right: Longs
    aspects: npt.NDArray[np.uint16]
    is_uncompared: Mask

    def has(self, aspects: Aspect) -> Mask:
        """Which pairs differ in at least one of these."""
        return np.asarray(self.aspects & np.uint16(aspects), bool)


def compare_entries(old: Analysis, new: Analysis, left: Longs | Ints, right: Longs | Ints) -> PairedEntries:
    """Compare entries pair by pair. Contents of one size are read where their identity is not known."""
    pairs = PairedEntries(
        old, new, left.astype(np.int64), right.astype(np.int64), np.zeros(len(left), np.uint16), np.zeros(len(left), bool)
    )
    if len(left):
        _mark_content(pairs)
        _mark_metadata(pairs)
    return pairs


def origins(tree: Tree, entries: Longs) -> Longs:
    """The entry that brought what each one shows; a hard link that leads nowhere is its own."""
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
    """Which pairs are the same entry of one layer that both images have: their contents need no comparing."""
    numbers = {layer.diff_id: index for index, layer in enumerate(new.image.layers, 1) if layer.diff_id is not None}
    partner = np.array([0, *(numbers.get(layer.diff_id, 0) if layer.diff_id else 0 for layer in old.image.layers)], np.int64)
    layer, other = partner[old.tree.entry_layer[left]], new.tree.entry_layer[right]
    row = left - np.array(old.contents.stack.first)[old.tree.entry_layer[left] - 1]
    return np.asarray((layer == other) & (row == right - np.array(new.contents.stack.first)[other - 1]), bool)


def _same_contents(old: Analysis, new: Analysis, left: Longs, right: Longs) -> tuple[Mask, Mask]:
    """For files of one size, above 0: whether their contents are the same, and whether that is known."""
    mine, theirs = old.tree.entries.content_id[left], new.tree.entries.content_id[right]
    kinds = recorded_kind(mine)
    hashed = np.flatnonzero((kinds == COMPUTED) | (kinds != recorded_kind(theirs)))
    mine[hashed], theirs[hashed] = old.identity.hashes(left[hashed]), new.identity.hashes(right[hashed])
    is_known = mine.any(axis=1) & theirs.any(axis=1)
    return np.asarray((mine == theirs).all(axis=1), bool), np.asarray(is_known, bool)
