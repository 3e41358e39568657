"""The nodes of a merged tree, one for each path of any layer, in depth-first order, and operations on all of them at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, compress, pairwise
from operator import ne
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Strings, pieces
from layerscope.tree.layer_paths import SEPARATOR, LayerPaths

Ints = npt.NDArray[np.int32]
IMPLIED = -1
"""The entry number of a directory that only its children's paths name."""
FALLEN = -2
"""The entry number of a directory implied only by entries that the same tar replaces: a node that is never visible."""
SAMPLES = 16
"""How many keys of each sorted piece are looked at to find where to cut all of them."""
Flags = npt.NDArray[np.bool_]
Numbers = TypeVar("Numbers", npt.NDArray[np.int32], npt.NDArray[np.int64])


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """The `n` nodes in depth-first order, children sorted by name's bytes; node 0 is the root.

    `paths` are their paths, `name_start` where each one's last component begins in its path; `depth` is 0 for the root;
    the subtree of node i is the slice [i, end[i]). All int32.
    """

    paths: Strings
    name_start: Ints
    depth: Ints
    parent: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.depth)

    def name(self, node: int) -> bytes:
        """Return the last component of a node's path."""
        return self.paths[node][self.name_start[node] :]

    def find(self, path: bytes) -> int | None:
        """Return the node of a normalized path, by binary search."""
        key = path.replace(b"/", SEPARATOR)
        node = bisect_left(range(len(self)), key, key=lambda index: self.paths[index].replace(b"/", SEPARATOR))
        return node if node < len(self) and self.paths[node] == path else None

    def subtree_sums(self, column: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Sum a column (one number a node) over the subtree of each node, itself included: int64."""
        sums = np.zeros(len(self) + 1, np.int64)
        np.cumsum(column, out=sums[1:])
        return sums[self.end] - sums[:-1]


@dataclass(frozen=True, slots=True, eq=False)
class PathRows:
    """A row for each path of each layer, sorted by path, then layer, then order in the tar; `entry` may be IMPLIED or FALLEN.

    `keys` are the sort keys of all nodes, in which a path is looked up.
    """

    node: Ints
    layer: npt.NDArray[np.int16]
    entry: Ints
    keys: list[bytes]

    def find(self, key: bytes) -> int | None:
        """Return the node of a sort key."""
        node = bisect_left(self.keys, key)
        return node if node < len(self.keys) and self.keys[node] == key else None


def sort_rows(layers: list[LayerPaths]) -> PathRows:
    """Sort the paths of all layers into rows. Tars are mostly sorted, which Python's sort exploits: 0.4 s for a million."""
    keys: list[bytes] = [b""]
    numbers, entries = [np.ones(1, np.int16)], [np.full(1, IMPLIED, np.int32)]
    for layer in layers:
        fallen = layer.needed - layer.implied if layer.shadowed else ()
        keys += fallen
        keys += layer.implied
        keys += layer.keys
        numbers.append(np.full(len(fallen) + len(layer.implied) + len(layer.keys), layer.number, np.int16))
        entries.append(np.full(len(fallen), FALLEN, np.int32))
        entries.append(np.full(len(layer.implied), IMPLIED, np.int32))
        entries.append(np.arange(layer.first, layer.first + len(layer.keys), dtype=np.int32))
    node, order, unique = np.zeros(len(keys), np.int32), np.zeros(len(keys), np.int32), list[bytes]()
    stop = 0
    for indexes in _sorted_parts(keys):
        start, stop = stop, stop + len(indexes)
        part = [keys[index] for index in indexes]
        is_first = np.fromiter(map(ne, part, [unique[-1] if unique else None, *part[:-1]]), bool, len(part))
        np.cumsum(is_first, dtype=np.int32, out=node[start:stop])
        node[start:stop] += np.int32(len(unique) - 1)
        order[start:stop] = indexes
        unique += compress(part, is_first.tolist())
    return PathRows(node, np.concatenate(numbers)[order], np.concatenate(entries)[order], unique)


def _sorted_parts(keys: list[bytes]) -> Iterator[list[int]]:
    """Sort `keys`, stably: yield the indexes of the lowest keys in their order, then those of the next ones, and so on.

    Pieces are sorted and cut at the same keys, so that the parts can be put together one by one: no call takes long.
    """
    runs = [sorted(range(piece.start, piece.stop), key=keys.__getitem__) for piece in pieces(len(keys))]
    cuts = sorted(keys[index] for run in runs for index in run[:: max(len(run) // SAMPLES, 1)])[SAMPLES::SAMPLES]
    ends = [[bisect_left(run, cut, key=keys.__getitem__) for cut in cuts] for run in runs]
    bounds = [list(pairwise([0, *end, len(run)])) for run, end in zip(runs, ends, strict=True)]
    for part in zip(*bounds, strict=True):
        yield sorted(chain.from_iterable(run[slice(*at)] for run, at in zip(runs, part, strict=True)), key=keys.__getitem__)


def nodes_of(keys: list[bytes]) -> Nodes:
    """Build the nodes of a tree from sort keys that are sorted and unique, and among which every parent is present."""
    paths = Strings.of(keys)
    separators = np.flatnonzero(np.frombuffer(paths.buffer, np.uint8) == 0)
    starts = paths.offsets[:-1]
    upto = np.searchsorted(separators, paths.offsets)
    count = upto[1:] - upto[:-1]
    depth = (count + 1).astype(np.int32)
    depth[0] = 0
    last = separators[np.maximum(upto[1:] - 1, 0)] if len(separators) else starts
    name_start = np.where(count > 0, last + 1 - starts, 0).astype(np.int32)
    parent, end = _family(depth)
    return Nodes(paths.translated(b"\0", b"/"), name_start, depth, parent, end)


def _family(depth: Ints) -> tuple[Ints, Ints]:
    """Return parents and subtree ends from depths alone, one level of the tree at a time; each costs only its own nodes."""
    size = len(depth)
    parent, end = np.zeros(size, np.int32), np.full(size, size, np.int32)
    by_depth = np.argsort(depth, kind="stable").astype(np.int32)
    levels = np.split(by_depth, np.flatnonzero(np.diff(depth[by_depth])) + 1)
    for above, level in pairwise(levels):
        parent[level] = above[np.searchsorted(above, level) - 1]
        following = np.append(level[1:], np.int32(size))
        end[level] = np.minimum(following, end[parent[level]])
    return parent, end


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Parents and subtree ends of `n` nodes as Nodes has them, and `inner`: the nodes with any below, ascending. All int32."""

    parent: Ints
    end: Ints
    inner: Ints

    @classmethod
    def of(cls, nodes: Nodes) -> Shape:
        """Find the inner nodes of a tree, which is needed once per tree."""
        has_below = nodes.end > np.arange(1, len(nodes) + 1, dtype=np.int32)
        return cls(nodes.parent, nodes.end, np.flatnonzero(has_below).astype(np.int32))

    def __len__(self) -> int:
        return len(self.parent)

    def chain(self, node: int) -> list[int]:
        """Return a node and its ancestors except the root, itself first; nothing for the root."""
        found = []
        while node:
            found.append(node)
            node = int(self.parent[node])
        return found

    def above(self, flags: Flags) -> Ints:
        """Return the nodes, ascending, that have a node flagged in `flags` strictly below them."""
        upto = np.zeros(len(flags) + 1, np.int32)
        np.cumsum(flags, dtype=np.int32, out=upto[1:])
        return self.inner[upto[self.end[self.inner]] > upto[self.inner + 1]]

    def with_above(self, flags: Flags) -> Flags:
        """Return `flags` with all ancestors of flagged nodes flagged as well."""
        found = flags.copy()
        found[self.above(flags)] = True
        return found

    def below(self, flags: Flags) -> Flags:
        """Return a flag for each node: whether it is strictly below a node flagged in `flags`."""
        tops = self._topmost(self.inner[flags[self.inner]])
        # Subtrees that are apart neither begin nor end at one node, so plain assignment marks their bounds.
        steps = np.zeros(len(flags) + 1, np.int8)
        steps[tops + 1], steps[self.end[tops]] = 1, -1
        return np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)

    def unfolded(self, first: int, stop: int, is_open: Flags) -> Ints:
        """Return which of the nodes `first` to `stop` - 1, ascending, are below no closed node among them.

        This costs only what it returns.
        """
        inner = self.inner_of(first, stop)
        closed = self._topmost(inner[~is_open[inner]])
        starts = np.concatenate([np.array([first], np.int32), self.end[closed]])
        stops = np.concatenate([closed + np.int32(1), np.array([stop], np.int32)])
        return ranges(starts, stops)

    def inner_of(self, first: int, stop: int) -> Ints:
        """Return which of the nodes `first` to `stop` - 1 have nodes below them."""
        return self.inner[slice(*np.searchsorted(self.inner, [first, stop]))]

    def _topmost(self, nodes: Ints) -> Ints:
        """Return which of `nodes` (ascending) are not below another one of `nodes`."""
        reach = np.maximum.accumulate(self.end[nodes])
        is_topmost = np.ones(len(nodes), bool)
        is_topmost[1:] = nodes[1:] >= reach[:-1]
        return nodes[is_topmost]


def ranges(starts: Numbers, stops: Numbers) -> Numbers:
    """Return the numbers of several ranges, one range after the other, of the same type as `starts`."""
    lengths = stops - starts
    shifts = starts - (np.cumsum(lengths, dtype=starts.dtype) - lengths)
    numbers = np.repeat(shifts, lengths)
    numbers += np.arange(len(numbers), dtype=starts.dtype)
    return numbers
