"""Parent and subtree relations of a tree, with whole-array operations over depth-first order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from layerscope.tree.nodes import Ints, Nodes

Flags = npt.NDArray[np.bool_]
Numbers = TypeVar("Numbers", npt.NDArray[np.int32], npt.NDArray[np.int64])


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Parents and subtree ends of `n` nodes as Nodes has them, and `inner`: the nodes with any below, ascending. All int32."""

    parent: Ints
    end: Ints
    inner: Ints

    @classmethod
    def of(cls, nodes: Nodes) -> Shape:
        """Compute the inner nodes, once per tree."""
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
        """Return the nodes, ascending, that have one of `flags` strictly below them."""
        upto = np.zeros(len(flags) + 1, np.int32)
        np.cumsum(flags, dtype=np.int32, out=upto[1:])
        return self.inner[upto[self.end[self.inner]] > upto[self.inner + 1]]

    def with_above(self, flags: Flags) -> Flags:
        """Return `flags` extended to every ancestor."""
        found = flags.copy()
        found[self.above(flags)] = True
        return found

    def below(self, flags: Flags) -> Flags:
        """Return every node strictly below one of `flags`."""
        tops = self._topmost(self.inner[flags[self.inner]])
        # Subtrees that are apart neither begin nor end at one node, so plain assignment marks their bounds.
        steps = np.zeros(len(flags) + 1, np.int8)
        steps[tops + 1], steps[self.end[tops]] = 1, -1
        return np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)

    def unfolded(self, first: int, stop: int, is_open: Flags) -> Ints:
        """Return the nodes from `first` to `stop` - 1, ascending, that are below no closed node among them. Costs only what
        it returns.
        """
        inner = self.inner_of(first, stop)
        closed = self._topmost(inner[~is_open[inner]])
        starts = np.concatenate([np.array([first], np.int32), self.end[closed]])
        stops = np.concatenate([closed + np.int32(1), np.array([stop], np.int32)])
        return ranges(starts, stops)

    def inner_of(self, first: int, stop: int) -> Ints:
        """Return the inner nodes among `first` to `stop` - 1."""
        return self.inner[slice(*np.searchsorted(self.inner, [first, stop]))]

    def _topmost(self, nodes: Ints) -> Ints:
        """Return those of ascending `nodes` that are below no other of them."""
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
