"""What proves that stored bytes are those that a kept table was read from."""

from __future__ import annotations

import os

import msgspec
import xxhash

from layerscope.layers.blob import Blob, OnBytes, uncounted

PIECE = 1 << 20
"""Mapped bytes hashed at a time."""
STRIDE = 16 << 20
"""Mapped bytes hashed before their pages are let go."""


class Fingerprint(msgspec.Struct, array_like=True, frozen=True):
    """The size of stored bytes, and their xxh3_128 with a seed that nobody else knows."""

    size: int
    seed: int
    hash: bytes

    def fits(self, blob: Blob, on_bytes: OnBytes = uncounted) -> bool:
        """Whether these are the bytes; all of them are read unless their number says no."""
        return self.size == blob.size and self == PassingHash(blob, on_bytes, seed=self.seed).fingerprint()


class PassingHash:
    """Hashes stored bytes as another reader gets through them: what is hashed is what was read, though the file be written
    to meanwhile.
    """

    def __init__(self, blob: Blob, on_bytes: OnBytes = uncounted, *, seed: int | None = None) -> None:
        self._blob, self._on_bytes = blob, on_bytes
        self._seed = int.from_bytes(os.urandom(8), "little") if seed is None else seed
        self._hash = xxhash.xxh3_128(seed=self._seed)
        self._reached = self._kept = 0

    def take(self, length: int) -> None:
        """The other reader got through the next `length` bytes."""
        end = min(self._reached + length, self._blob.size)
        if self._blob.map is not None and end > self._reached:
            start = self._blob.start
            with memoryview(self._blob.map) as mapped:
                self._hash.update(mapped[start + self._reached : start + end])
        self._reached = end
        if end - self._kept >= STRIDE or end == self._blob.size:
            self._blob.forget(self._kept, end)
            self._kept = end
        self._on_bytes(length)

    def fingerprint(self) -> Fingerprint:
        """Of all the bytes, those that the other reader never came to among them."""
        while self._reached < self._blob.size:
            self.take(min(PIECE, self._blob.size - self._reached))
        return Fingerprint(self._blob.size, self._seed, self._hash.digest())
