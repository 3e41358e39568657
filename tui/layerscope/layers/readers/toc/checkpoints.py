"""Checks a ztoc's checkpoints while the layer is streamed: from each, the same must be unpacked as from the start."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import xxhash

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob
from layerscope.layers.compression import Compression, SeekPoint, unpack

LONGEST_SPAN = 64 << 20
"""Stored bytes between two checkpoints that are held to be unpacked a second time; longer spans are not checked."""


class CheckpointCheck:
    """Sees all that passes while a layer is unpacked. `fault` then says which of `points` is wrong; empty if none is."""

    def __init__(self, points: Sequence[SeekPoint], *, stored_bytes: int, unpacked_bytes: int) -> None:
        self._points = points
        self._ends = [*(point.stored + 1 for point in points[1:]), stored_bytes]
        self._starts = [point.unpacked for point in points]
        self._stops = [*self._starts[1:], unpacked_bytes]
        self._held, self._from = bytearray(), 0
        self._reached = self._next = 0
        self._claimed: list[bytes | None] = []
        self._true = [xxhash.xxh3_128() for _ in points]

    def passed(self, new: bytes) -> None:
        """Take the next stored bytes, and unpack each span once all of it has passed."""
        self._held += new
        while self._next < len(self._points):
            start, end = self._points[self._next].stored, self._ends[self._next]
            passed = min(start - self._from, len(self._held))
            del self._held[:passed]
            self._from += passed
            if self._from < start or (self._from + len(self._held) < end and len(self._held) < LONGEST_SPAN):
                return
            self._claimed.append(self._unpacked(bytes(self._held[: end - start])))
            self._next += 1
        self._held.clear()

    def seen(self, piece: bytes) -> None:
        """Take the next unpacked bytes."""
        span = bisect_right(self._starts, self._reached) - 1
        begin, self._reached = self._reached, self._reached + len(piece)
        view = memoryview(piece)
        while view and self._true and span < len(self._true):
            stop = self._stops[span] if span >= 0 else self._starts[0]
            part = view[: max(stop - begin, 0)]
            if span >= 0:
                self._true[span].update(part)
            begin, view, span = begin + len(part), view[len(part) :], span + 1

    def remember(self, point: SeekPoint) -> None:
        """Do nothing: the ztoc has its own points."""

    def finish(self) -> None:
        """Do nothing: what has not passed by now never will."""

    @property
    def fault(self) -> str:
        """Return a sentence on the first checkpoint that leads to other bytes than the layer has there."""
        for point, claimed, true in zip(self._points, self._claimed, self._true, strict=False):
            if claimed is not None and claimed != true.digest():
                return f"its checkpoint at stored offset {point.stored} leads to other contents than the layer has there"
        return ""

    def _unpacked(self, span: bytes) -> bytes | None:
        """Return the digest of what the next span unpacks to; None if it is too long to be checked."""
        point, stop = self._points[self._next], self._stops[self._next]
        if len(span) < self._ends[self._next] - point.stored:
            return None
        start, left, digest = SeekPoint(point.unpacked, 0, point.state), stop - point.unpacked, xxhash.xxh3_128()
        try:
            for piece in unpack(Blob.of_bytes(span), start=start, compression=Compression.GZIP):
                digest.update(piece[:left])
                left -= len(piece)
                if left <= 0:
                    break
        except CorruptLayer:
            return b""
        return digest.digest()
