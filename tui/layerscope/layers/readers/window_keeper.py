"""Collects seek points that can be stored on disk while a gzip layer is streamed: windows at starts of blocks."""

from __future__ import annotations

from layerscope.layers.block_search import LOOK, find_block
from layerscope.layers.compression import LARGEST_INPUT, SeekPoint
from layerscope.layers.gzip_window import WINDOW


class WindowKeeper:
    """Sees all that passes while a layer is unpacked, and finds the next block after each seek point: `points`."""

    def __init__(self) -> None:
        self.points: list[SeekPoint] = []
        self._recent, self._stored = b"", 0
        self._before = b""
        self._pending: tuple[SeekPoint, bytes, bytearray] | None = None

    def passed(self, new: bytes) -> None:
        """Take the next stored bytes."""
        self._stored += len(new)
        self._recent = (self._recent + new)[-2 * LARGEST_INPUT :]
        if self._pending is not None:
            self._pending[2].extend(new)
            if len(self._pending[2]) >= LOOK:
                self.finish()

    def seen(self, piece: bytes) -> None:
        """Take the next unpacked bytes."""
        self._before = piece[-WINDOW:] if len(piece) >= WINDOW else (self._before + piece)[-WINDOW:]

    def remember(self, point: SeekPoint) -> None:
        """Take a seek point that was just reached, with gzip's state there."""
        self.finish()
        behind = self._stored - point.stored
        if point.state is None or behind > len(self._recent):
            return
        self._pending = (point, self._before, bytearray(self._recent[-behind:] if behind else b""))

    def finish(self) -> None:
        """Look for a block after the last seek point in what has passed since."""
        if self._pending is not None:
            point, before, following = self._pending
            self._pending = None
            found = find_block(point, bytes(following), before)
            self.points += [found] if found else []
