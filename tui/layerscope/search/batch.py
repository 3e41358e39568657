"""Many short strings in one buffer: names or paths of a tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.tree.shape import ranges
from layerscope.tree.tree import Longs

Octets = npt.NDArray[np.uint8]
_GAPS = 4
"""Strings that are spread over more than this many times their length are copied together before they are searched."""


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
        """Return the strings joined, a slash before each, and the end of each."""
        lengths = self.stops - self.starts + 1
        text, ends = np.full(int(lengths.sum()), ord("/"), np.uint8), np.cumsum(lengths)
        is_letter = np.ones(len(text), bool)
        is_letter[ends - lengths] = False
        text[is_letter] = self.buffer[ranges(self.starts, self.stops)]
        return text.tobytes(), ends
