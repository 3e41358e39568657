"""Fingerprints that prove that stored bytes are those from which a cached table was read."""

from __future__ import annotations

import os

import msgspec
import xxhash

from layerscope.layers.blob import Blob, OnBytes
from layerscope.progress import ignore

PIECE = 1 << 20
"""Mapped bytes hashed at a time."""
STRIDE = 16 << 20
"""Mapped bytes hashed before their pages are released."""


class Fingerprint(msgspec.Struct, array_like=True, frozen=True):
    """Size of stored bytes, and their xxh3_128 with a secret seed."""

    size: int
    seed: int
    hash: bytes

    def fits(self, blob: Blob, on_bytes: OnBytes = ignore) -> bool:
        """Tell whether these are the bytes; reads all of them unless their size differs."""
        return self.size == blob.size and self == PassingHash(blob, on_bytes, seed=self.seed).fingerprint()


class PassingHash:
    """Hash of stored bytes taken while another reader reads them, so that it covers exactly what was read even if the file
    changes.
    """

    def __init__(self, blob: Blob, on_bytes: OnBytes = ignore, *, seed: int | None = None) -> None:
        self._blob, self._on_bytes = blob, on_bytes
        self._seed = int.from_bytes(os.urandom(8), "little") if seed is None else seed
        self._hash = xxhash.xxh3_128(seed=self._seed)
        self._reached = self._kept = 0

    def take(self, length: int) -> None:
        """Advance by the next `length` bytes, which the other reader has passed."""
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
        """Return the fingerprint of all bytes, including those that the other reader never reached."""
        while self._reached < self._blob.size:
            self.take(min(PIECE, self._blob.size - self._reached))
        return Fingerprint(self._blob.size, self._seed, self._hash.digest())
