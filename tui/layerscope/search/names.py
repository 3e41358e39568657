"""An index of all names of a tree, for searching while the user types, and searches for substrings in many names at once.

They are done by numpy, without a Python step for each name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from layerscope.search.query import Text
from layerscope.tree.nodes import Flags, Ints, Nodes, ranges
from layerscope.tree.tree import Longs

Octets = npt.NDArray[np.uint8]
_GAPS = 4
"""Strings that are spread over more than this many times their length are copied together before they are searched."""
EXACT, PREFIX, SUBSTRING, OTHER = range(4)
"""How well a string matches the typed text, best first."""
Masks = npt.NDArray[np.uint64]
_CHUNK = 1 << 18
"""Bytes processed in one step, which takes some milliseconds."""
_OWN_BIT = b"abcdefghijklmnopqrstuvwxyz0123456789._-@+~ =,:()[]#%&$!"


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`n` strings in one buffer: string i is `buffer[starts[i]:stops[i]]`; they ascend and do not overlap."""

    buffer: Octets
    starts: Longs
    stops: Longs

    @classmethod
    def of(cls, buffer: Octets, starts: Longs, stops: Longs) -> Batch:
        """Return a batch of at least one string whose buffer has no unneeded bytes."""
        lengths = stops - starts
        first, last = int(starts[0]), int(stops[-1])
        if last - first <= _GAPS * int(lengths.sum()):
            return cls(buffer[first:last], starts - first, stops - first)
        ends = np.cumsum(lengths)
        return cls(buffer[ranges(starts, stops)], ends - lengths, ends)

    def folded(self) -> Batch:
        """Return the same strings with ASCII letters in lower case."""
        return Batch(np.frombuffer(self.buffer.tobytes().lower(), np.uint8), self.starts, self.stops)

    def rooted(self) -> tuple[bytes, Longs]:
        """Return the strings joined, with a slash before each, and the offsets (n) where they end."""
        lengths = self.stops - self.starts + 1
        text, ends = np.full(int(lengths.sum()), ord("/"), np.uint8), np.cumsum(lengths)
        is_letter = np.ones(len(text), bool)
        is_letter[ends - lengths] = False
        text[is_letter] = self.buffer[ranges(self.starts, self.stops)]
        return text.tobytes(), ends


def has_pieces(batch: Batch, text: Text) -> Flags:
    """Return a flag for each string: whether it has the pieces of `text` in order, and at its start or end if required."""
    alive, places = np.arange(len(batch.starts)), batch.starts
    inner = list(text.pieces)
    last = inner.pop() if text.at_end else b""
    for number, piece in enumerate(inner):
        found = _next(batch, piece, places) if number or not text.at_start else _if_at(batch, piece, places)
        fits = found + len(piece) <= batch.stops[alive]
        alive, places = alive[fits], found[fits] + len(piece)
    if last:
        at_end = batch.stops[alive] - len(last)
        fits = (at_end >= places) & (_if_at(batch, last, at_end) == at_end)
        alive = alive[fits]
    flags = np.zeros(len(batch.starts), bool)
    flags[alive] = True
    return flags


def fit_of(batch: Batch, literal: bytes) -> npt.NDArray[np.uint8]:
    """Rate how well each string matches `literal`: EXACT, PREFIX, SUBSTRING or OTHER."""
    found = _next(batch, literal, batch.starts)
    fits = np.full(len(found), OTHER, np.uint8)
    fits[found + len(literal) <= batch.stops] = SUBSTRING
    is_prefix = (found == batch.starts) & (fits == SUBSTRING)
    fits[is_prefix] = PREFIX
    fits[is_prefix & (batch.stops - batch.starts == len(literal))] = EXACT
    return fits


def _next(batch: Batch, piece: bytes, places: Longs) -> Longs:
    """Return, for each offset in `places`, where the next `piece` at or after it starts; far behind the buffer for none."""
    buffer = batch.buffer
    count = max(len(buffer) - len(piece) + 1, 0)
    found = np.flatnonzero(buffer[:count] == piece[0])
    for offset, octet in enumerate(piece[1:], 1):
        found = found[buffer[found + offset] == octet]
    found = np.append(found, 2 * len(buffer) + 1)
    return np.asarray(found[np.searchsorted(found, places)])


def _if_at(batch: Batch, piece: bytes, places: Longs) -> Longs:
    """Return each offset in `places` at which `piece` stands; one far behind the buffer for each at which it does not."""
    away = 2 * len(batch.buffer) + 1
    found = np.where((places >= 0) & (places + len(piece) <= len(batch.buffer)), places, away)
    for offset, octet in enumerate(piece):
        there = found < away
        found[there] = np.where(batch.buffer[found[there] + offset] == octet, found[there], away)
    return found


def _octet_bits() -> Masks:
    """Return the bit that stands for each of the 256 bytes in a set of letters (uint64); rare bytes share bits.

    A slash has none, because a path's set is made of those of its names.
    """
    bits = [len(_OWN_BIT) + octet % (64 - len(_OWN_BIT)) for octet in range(256)]
    for octet in range(128):
        lower = chr(octet).lower().encode()
        bits[octet] = _OWN_BIT.index(lower) if lower in _OWN_BIT else bits[octet]
    masks = np.left_shift(np.uint64(1), np.array(bits, np.uint64))
    masks[ord("/")] = 0
    return masks


_BITS = _octet_bits()


@dataclass(frozen=True, slots=True, eq=False)
class NameIndex:
    """The names of all nodes in one buffer: node i's, in lower case, is `names[offsets[i]:offsets[i + 1]]` (uint8, int64).

    `name_masks` and `path_masks` (uint64) have a bit for each byte that the name or the path contains; some share one.
    """

    nodes: Nodes
    names: Octets
    offsets: Longs
    name_masks: Masks
    path_masks: Masks

    @classmethod
    def of(cls, nodes: Nodes, is_cancelled: Callable[[], bool]) -> NameIndex | None:
        """Prepare a tree's names, in small steps; return None if `is_cancelled` returns True between two of them."""
        paths = nodes.paths.offsets
        starts, stops = paths[:-1] + nodes.name_start.astype(np.int64), paths[1:]
        offsets = np.zeros(len(nodes) + 1, np.int64)
        np.cumsum(stops - starts, out=offsets[1:])
        names, masks = np.empty(int(offsets[-1]), np.uint8), np.zeros(len(nodes), np.uint64)
        buffer = np.frombuffer(nodes.paths.buffer, np.uint8)
        for part in parts(stops - starts):
            if is_cancelled():
                return None
            chunk = buffer[ranges(starts[part], stops[part])]
            names[offsets[part.start] : offsets[part.stop]] = np.frombuffer(chunk.tobytes().lower(), np.uint8)
            masks[part] = _masks(chunk, offsets[part.start : part.stop + 1] - offsets[part.start])
        return cls(nodes, names, offsets, masks, _path_masks(nodes, masks))

    def can_match(self, text: Text) -> Flags:
        """Return a flag for each node: whether its name (or path) has all letters of `text` in any order, as each match has."""
        letters = np.frombuffer(b"".join(text.pieces).lower(), np.uint8)
        needed = np.bitwise_or.reduce(_BITS[letters], initial=np.uint64(0))
        masks = self.path_masks if text.is_path else self.name_masks
        return np.asarray(masks & needed == needed)

    def batch(self, nodes: Ints, text: Text) -> Batch:
        """Return the names or paths of some nodes (int32, ascending) in the form in which `text` is searched."""
        if text.is_folded and not text.is_path:
            return Batch.of(self.names, self.offsets[nodes], self.offsets[nodes + 1])
        paths = self.nodes.paths
        starts = paths.offsets[nodes] + (0 if text.is_path else self.nodes.name_start[nodes])
        batch = Batch.of(np.frombuffer(paths.buffer, np.uint8), starts, paths.offsets[nodes + 1])
        return batch.folded() if text.is_folded else batch


def parts(lengths: Longs, most: int = 1 << 16, most_bytes: int = _CHUNK) -> Iterator[slice]:
    """Cut strings of these lengths into slices of at most `most` strings and `most_bytes`, each with one string at least."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        stop = int(np.searchsorted(ends, before + most_bytes, "right"))
        stop = min(max(stop, start + 1), start + most)
        yield slice(start, stop)
        start = stop


def _masks(octets: Octets, bounds: Longs) -> Masks:
    """Return a 64-bit set of the letters of each of n strings: string i is `octets[bounds[i] : bounds[i + 1]]`."""
    masks = np.zeros(len(bounds) - 1, np.uint64)
    is_any = bounds[1:] > bounds[:-1]
    if is_any.any():
        masks[is_any] = np.bitwise_or.reduceat(_BITS[octets], bounds[:-1][is_any])
    return masks


def _path_masks(nodes: Nodes, masks: Masks) -> Masks:
    """Return the set of letters of each node's path: its name's and its parent's combined, one level of the tree at a time."""
    found = masks.copy()
    by_depth = np.argsort(nodes.depth, kind="stable")
    bounds = np.flatnonzero(np.diff(nodes.depth[by_depth], prepend=-1, append=-1))
    for start, stop in pairwise(bounds.tolist()):
        level = by_depth[start:stop]
        found[level] |= found[nodes.parent[level]]
    return found
