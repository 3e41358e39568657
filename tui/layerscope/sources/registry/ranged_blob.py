"""A registry's blob: as it arrives from its first byte to its last, or in single parts."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import OnBytes
from layerscope.oci.digest import Digest
from layerscope.progress import ignore
from layerscope.sources.registry.repository import NoRanges, Repository

FIRST_WINDOW, LARGEST_WINDOW = 64 << 10, 4 << 20
"""Bytes of the first range fetched, and of the longest: a range that continues the one before is twice as long."""


class PassingBlob:
    """A blob that is read once, front to back, while its pieces arrive."""

    def __init__(self, pieces: Iterator[bytes], on_bytes: OnBytes) -> None:
        self._pieces, self._on_bytes = pieces, on_bytes
        self._held = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the end of the blob."""
        parts: list[memoryview] = []
        while size:
            if not self._held:
                piece = next(self._pieces, b"")
                if not piece:
                    break
                self._on_bytes(len(piece))
                self._held = memoryview(piece)
            parts.append(self._held[:size])
            self._held = self._held[len(parts[-1]) :]
            size -= len(parts[-1])
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


class RangedBlob:
    """A blob of which single parts are fetched, in ranges that grow while each continues the last. Safe for several threads.

    It ends at `size`, perhaps before the real end: nothing after that is fetched. With `is_exact`, only what is read is
    fetched, and a registry that serves only whole blobs raises NoRanges. `fetched` counts bytes; `on_bytes` is called with
    those of each range.
    """

    def __init__(
        self, repository: Repository, digest: Digest, size: int, *, is_exact: bool = False, on_bytes: OnBytes = ignore
    ) -> None:
        self.size = size
        self.fetched = 0
        self._is_exact, self._on_bytes = is_exact, on_bytes
        self._repository, self._digest = repository, digest
        self._start, self._held = 0, b""
        self._window = FIRST_WINDOW
        self._lock = Lock()

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return `size` bytes from `start`, fewer at the end; see StoredBytes. Raises RegistryFailed."""
        end = self.size if size is None else min(self.size, start + size)
        with self._lock:
            if not self._start <= start <= end <= self._start + len(self._held) and start < end:
                self._fetch(start, end)
            return self._held[start - self._start : max(end - self._start, 0)]

    def _fetch(self, start: int, end: int) -> None:
        """Fetch the bytes from `start` to `end` and, unless `is_exact`, some more, and hold them."""
        follows = self._start < start <= self._start + len(self._held)
        self._window = 0 if self._is_exact else min(2 * self._window, LARGEST_WINDOW) if follows else FIRST_WINDOW
        kept = self._held[start - self._start :] if follows else b""
        first = start + len(kept)
        length = min(max(end - first, self._window), self.size - first)
        try:
            new = self._repository.read_range(self._digest, first, length)
            self.fetched += length
            self._on_bytes(length)
        except NoRanges:
            if self._is_exact:
                raise
            kept, first, new = b"", start, self._streamed(start, min(max(end - start, self._window), self.size - start))
        self._start, self._held = first - len(kept), kept + new

    def _streamed(self, start: int, length: int) -> bytes:
        """Return a part of a blob from a registry that serves only whole blobs: everything before the part is fetched, too."""
        passing = PassingBlob(self._repository.stream(self._digest, self.size), lambda _length: None)
        for position in range(0, start, LARGEST_WINDOW):
            passing.read(min(LARGEST_WINDOW, start - position))
        content = passing.read(length)
        if len(content) < length:
            raise CorruptLayer(f"the registry's blob ends after {start + len(content)} of {self.size} bytes")
        return content
