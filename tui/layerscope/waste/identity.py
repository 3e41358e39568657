"""Tells which contents are the same: by ids that reading computed, else by their xxh3_128, computed once when needed.

Identical contents at several paths are no waste, since a container sees each of them, but worth knowing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer, NotCompared
from layerscope.layers.blob import Blob
from layerscope.layers.content import SMALL, LayerContent, Stretch
from layerscope.layers.content_ids import COMPUTED, recorded_kind
from layerscope.layers.table import Kind, Problem
from layerscope.tree.tree import Longs, Tree

Mask = npt.NDArray[np.bool_]
Reads = Callable[[int, int], bytes]
NO_BLOB = Blob.of_bytes(b"")
COMPARED = 20_000
"""The most contents compared, biggest first; only in small images are these all files."""


class ContentIdentity:
    """Compares contents. `contents[k - 1]` reads layer k's bytes, or is None when they are missing.

    Ids come in kinds, xxh3_128 and what somebody recorded (`layers.content_ids`), and only ids of one kind can be compared:
    where two contents have ids of different kinds, both are hashed. Contents that cannot be read, or are too far away (in a
    registry), are never the same as another; each, or each layer of them, is a problem in `problems`.
    """

    def __init__(self, tree: Tree, contents: Sequence[LayerContent | None]) -> None:
        self._tree, self._contents = tree, contents
        self._first = np.searchsorted(tree.entry_layer, np.arange(1, tree.layers + 2))
        self._ids = tree.entries.content_id
        self._checksums, self._kinds = self._ids, recorded_kind(self._ids)
        self._has_checksum = self._kinds != COMPUTED
        if self._has_checksum.any():
            self._ids = np.where(self._has_checksum[:, None], np.uint64(0), self._ids)
        self._is_known: Mask = np.any(self._ids, axis=1)
        self._is_unreadable = np.zeros(len(tree.entries), bool)
        self.problems: list[Problem] = []

    @cached_property
    def _is_by_checksum(self) -> Mask:
        """Return a flag for each entry: whether a recorded id identifies it, as all files of its size have ids of that kind."""
        sizes = self._tree.entries.size
        files = np.flatnonzero(self._tree.entries.kind == Kind.FILE)
        of_kind = [np.unique(sizes[files[self._kinds[files] == kind]]) for kind in np.unique(self._kinds[files])]
        found, count = np.unique(np.concatenate(of_kind or [np.zeros(0, np.int64)]), return_counts=True)
        return np.asarray(self._has_checksum & ~np.isin(sizes, found[count > 1]), bool)

    def ids(self, entries: Longs) -> npt.NDArray[np.uint64]:
        """Return the id of each entry's own content, shape (n, 2), always the same; computes unknown ones in stored order."""
        if not self._has_checksum.any():
            return self.hashes(entries)
        ids = self._checksums[entries]
        hashed = ~self._is_by_checksum[entries]
        ids[hashed] = self.hashes(entries[hashed])
        lost = ~ids.any(axis=1) & self._has_checksum[entries]  # what cannot be hashed still has the id of its own kind
        ids[lost] = self._checksums[entries[lost]]
        return ids

    def is_same(self, left: Longs, right: Longs) -> Mask:
        """Return whether the contents of each pair of entries are the same. Only contents of equal size are read."""
        sizes = self._tree.entries.size
        same = sizes[left] == sizes[right]
        compared = np.flatnonzero(same & (sizes[left] > 0))
        left, right = left[compared], right[compared]
        has_both = self._has_checksum[left] & (self._kinds[left] == self._kinds[right])
        same[compared[has_both]] = np.all(self._checksums[left[has_both]] == self._checksums[right[has_both]], axis=1)
        same[compared[~has_both]] = self._is_same_content(left[~has_both], right[~has_both])
        return np.asarray(same, bool)

    def _is_same_content(self, left: Longs, right: Longs) -> Mask:
        """Return whether the contents of each pair are the same, for pairs of equal size above 0, by their bytes or hashes."""
        same = np.zeros(len(left), bool)
        is_mapped = self._is_mapped(left) & self._is_mapped(right)
        same[is_mapped] = self._compare(left[is_mapped], right[is_mapped])
        left, right = left[~is_mapped], right[~is_mapped]
        equal = np.all(self.hashes(left) == self.hashes(right), axis=1)
        same[~is_mapped] = equal & self._is_known[left] & self._is_known[right]
        return same

    def hashes(self, entries: Longs) -> npt.NDArray[np.uint64]:
        """Return the xxh3_128 of each entry's own content, shape (n, 2), to compare images; zeros if unreadable or empty."""
        wanted = np.flatnonzero(np.bincount(entries, minlength=1))
        wanted = wanted[~(self._is_known[wanted] | self._is_unreadable[wanted])]
        wanted = wanted[self._tree.entries.size[wanted] > 0]
        if len(wanted):
            self._compute(wanted)
        return self._ids[entries]

    def _is_mapped(self, entries: Longs) -> Mask:
        """Return which contents are small, in a memory map and not hashed yet: comparing two such is faster than hashing."""
        is_plain = np.array([False, *(content is not None and content.plain is not None for content in self._contents)])
        is_small = self._tree.entries.size[entries] <= SMALL
        return np.asarray(is_plain[self._tree.entry_layer[entries]] & is_small & ~self._is_known[entries])

    def _compare(self, left: Longs, right: Longs) -> list[bool]:
        """Compare pairs of plain contents byte by byte: 2 us a pair. Raises FileChanged if one of the files has changed."""
        blobs = [(content.plain if content else None) or NO_BLOB for content in self._contents]
        sides = [self._stretches(blobs, entries) for entries in (left, right)]
        same = [
            one(begin, size) == other(from_, length)
            for one, begin, size, other, from_, length in zip(*sides[0], *sides[1], strict=True)
        ]
        for blob in blobs:
            blob.source.check()
        return same

    def _stretches(self, blobs: list[Blob], entries: Longs) -> tuple[list[Reads], list[int], list[int]]:
        """Return what reads the file that contains each content, and the content's start and size there."""
        layers = self._tree.entry_layer[entries]
        reads, starts = [blob.source.read for blob in blobs], np.array([blob.start for blob in blobs])
        offsets = starts[layers - 1] + self._tree.entries.content_offset[entries]
        return [reads[layer - 1] for layer in layers.tolist()], offsets.tolist(), self._tree.entries.size[entries].tolist()

    def _compute(self, wanted: Longs) -> None:
        entries = self._tree.entries
        bounds = np.searchsorted(wanted, self._first)
        for layer, (start, stop) in enumerate(pairwise(bounds.tolist()), 1):
            if start < stop:
                part = wanted[start:stop]
                columns = (part - self._first[layer - 1], entries.content_offset[part], entries.size[part])
                stretches = list(zip(*(column.tolist() for column in columns), strict=True))
                digests = self._digests(layer, stretches)
                self._ids[part] = np.frombuffer(b"".join(digests), ">u8").reshape(-1, 2)
        self._is_known[wanted] = ~self._is_unreadable[wanted]

    def _digests(self, layer: int, stretches: list[Stretch]) -> list[bytes]:
        content = self._contents[layer - 1]
        assert content is not None, "a layer with entries has bytes"
        try:
            return content.digests(stretches)
        except CorruptLayer:  # then each says what is wrong with it
            return [self._digest(content, layer, stretch) for stretch in stretches]

    def _digest(self, content: LayerContent, layer: int, stretch: Stretch) -> bytes:
        entry = int(self._first[layer - 1]) + stretch[0]
        try:
            return content.digest(*stretch)
        except NotCompared as error:
            self._is_unreadable[entry] = True
            problem = Problem(layer, b"", f"{error}; files of one size count as overwritten (--compare-contents fetches them)")
            if problem not in self.problems:
                self.problems.append(problem)
            return bytes(16)
        except CorruptLayer as error:
            self._is_unreadable[entry] = True
            text = f"a content that cannot be compared ({error}); it counts as overwritten"
            self.problems.append(Problem(layer, self._tree.entries.paths[entry], text))
            return bytes(16)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One content that is stored several times: its size, and the nodes of its copies in path order, one for each copy.

    Hard links to a copy are no further copies.
    """

    size: int
    nodes: tuple[int, ...]

    @property
    def extra_bytes(self) -> int:
        """Return the bytes of all copies but one."""
        return self.size * (len(self.nodes) - 1)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """All groups of identical contents, the most extra bytes first. Contents below `compared_from` bytes were not compared."""

    groups: tuple[Duplicate, ...]
    compared_from: int

    @property
    def extra_bytes(self) -> int:
        """Return the bytes of all copies but one of each group."""
        return sum(group.extra_bytes for group in self.groups)


def find_duplicates(tree: Tree, identity: ContentIdentity) -> Duplicates:
    """Find contents that are visible at more than one path after the last layer, by comparing those of equal size."""
    candidates, compared_from = _candidates(tree)
    ids = identity.ids(candidates)
    known = ids.any(axis=1)
    candidates, ids = candidates[known], ids[known]
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    candidates, ids = candidates[order], ids[order]
    starts = np.flatnonzero(np.append(True, (ids[1:] != ids[:-1]).any(axis=1))) if len(ids) else np.zeros(0, np.int64)
    counts = np.diff(np.append(starts, len(ids)))
    groups = [_group(tree, candidates[start : start + count]) for start, count in zip(starts, counts, strict=True) if count > 1]
    groups.sort(key=lambda group: (-group.extra_bytes, group.nodes))
    return Duplicates(tuple(groups), compared_from)


def _candidates(tree: Tree) -> tuple[Longs, int]:
    """Return the visible, nonempty contents that share their size with another (only the biggest if they are too many).

    Also returns the size from which all of them are among these.
    """
    entries = tree.entries
    alive = np.flatnonzero((entries.kind == Kind.FILE) & (tree.entry_until > tree.layers) & (entries.size > 0))
    _, group, counts = np.unique(entries.size[alive], return_inverse=True, return_counts=True)
    shared = alive[counts[group] > 1]
    if len(shared) <= COMPARED:
        return shared, 1
    smallest = int(np.partition(entries.size[shared], -COMPARED)[-COMPARED]) + 1
    return shared[entries.size[shared] >= smallest], smallest


def _group(tree: Tree, entries: Longs) -> Duplicate:
    return Duplicate(int(tree.entries.size[entries[0]]), tuple(sorted(tree.entry_node[entries].tolist())))
