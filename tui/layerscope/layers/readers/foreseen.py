"""Parts of a blob in a registry that are known to be read: what lies near each other is fetched by one request."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.layers.blob import StoredBytes

Longs = npt.NDArray[np.int64]

NEAR = 256 << 10
"""Bytes between two parts below which both are fetched together: a request takes as long as so many bytes."""
AT_ONCE = 4 << 20
"""The most bytes of a run of parts that are fetched and held at a time."""


class ForeseenBlob:
    """A blob of which the bytes from each of `start` to the `end` beside it (int64) will be read, in ascending order."""

    def __init__(self, blob: StoredBytes, start: Longs, end: Longs) -> None:
        self.size = blob.size
        self._blob = blob
        self._starts, self._ends = _runs(start, end)
        self._at, self._held = 0, b""

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return a copy of `size` bytes from `start` on (see StoredBytes), with the rest of their run up to AT_ONCE bytes."""
        end = self.size if size is None else min(self.size, start + size)
        if not self._at <= start <= end <= self._at + len(self._held) and start < end:
            run = int(np.searchsorted(self._starts, start, side="right")) - 1
            last = int(self._ends[run]) if run >= 0 else 0
            stop = max(end, min(last, start + AT_ONCE))
            self._at, self._held = start, self._blob.read(start, stop - start)
        return self._held[start - self._at : max(end - self._at, 0)]

    def forget(self, start: int, end: int) -> None:
        """Do nothing: only the last bytes fetched are held."""


def _runs(start: Longs, end: Longs) -> tuple[Longs, Longs]:
    """Join parts that are less than NEAR apart; return where each run starts and ends."""
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    is_first = np.append(True, start[1:] - reach[:-1] >= NEAR)[: len(start)]
    firsts = np.flatnonzero(is_first)
    lasts = np.append(firsts[1:], len(start))[: len(firsts)] - 1
    return start[firsts], reach[lasts]
