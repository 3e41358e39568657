"""Parts of a blob in a registry that are known to be read: what lies near each other is fetched by one request."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from layerscope.layers.blob import StoredBytes

Longs = npt.NDArray[np.int64]
Ranged = Callable[[int], StoredBytes]
"""Called with a stored offset; returns the layer's blob as if it ended there, so that nothing after that is fetched."""

NEAR = 256 << 10
"""Bytes between two parts below which both are fetched together: a request takes as long as so many bytes."""
AT_ONCE = 4 << 20
"""The most bytes of a run of parts that are fetched and held at a time. Of a single part, the first are NEAR bytes:
perhaps only the beginning of a large file is looked at.
"""


class ForeseenBlob:
    """A blob of which the bytes from each of `start` to the `end` beside it (int64) will be read, in ascending order.

    Nothing else of it is fetched, but for what lies between parts that are near each other.
    """

    def __init__(self, ranged: Ranged, start: Longs, end: Longs) -> None:
        self.size = int(end.max(initial=0))
        self._ranged = ranged
        self._starts, self._ends = _runs(start, end)
        self._at, self._held = 0, b""
        self._first = self._step = NEAR if len(start) == 1 else AT_ONCE

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return a copy of `size` bytes from `start` on (see StoredBytes), and fetch more of their run: the longer, the further
        it was read.
        """
        end = self.size if size is None else min(self.size, start + size)
        if not self._at <= start <= end <= self._at + len(self._held) and start < end:
            follows = self._at < start <= self._at + len(self._held)
            self._step = min(2 * self._step, AT_ONCE) if follows else self._first
            kept = self._held[start - self._at :] if follows else b""
            run = int(np.searchsorted(self._starts, start, side="right")) - 1
            last = int(self._ends[run]) if run >= 0 else 0
            first = start + len(kept)
            stop = max(end, min(last, first + self._step))
            self._at, self._held = start, kept + self._ranged(stop).read(first, stop - first)
        return self._held[start - self._at : max(end - self._at, 0)]


def _runs(start: Longs, end: Longs) -> tuple[Longs, Longs]:
    """Join parts that are less than NEAR apart; return where each run starts and ends."""
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    is_first = np.append(True, start[1:] - reach[:-1] >= NEAR)[: len(start)]
    firsts = np.flatnonzero(is_first)
    lasts = np.append(firsts[1:], len(start))[: len(firsts)] - 1
    return start[firsts], reach[lasts]
