"""A layer in a registry: read while it is streamed, and its files by ranges. Nothing of it is stored on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from layerscope.cache.cache import Cache
from layerscope.cache.directory import PROVED, CacheKey
from layerscope.errors import CorruptLayer
from layerscope.layers.blob import OnBytes
from layerscope.layers.compression import Compression
from layerscope.layers.content import BlobContent
from layerscope.layers.hashing import Algorithms, LayerHashes
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import ReadOptions
from layerscope.layers.readers.stream import hash_passing, numbered, read_passing
from layerscope.layers.table import Entries, LayerTable, Problem, Severity
from layerscope.oci.digest import Digest
from layerscope.sources.registry.repository import NoRanges, Repository

FIRST_WINDOW, LARGEST_WINDOW = 64 << 10, 4 << 20
"""Bytes of the first range fetched around an offset, and of the largest: one that follows on another is twice as long."""


@dataclass(frozen=True, slots=True, eq=False)
class RegistryReader:
    """Reads the blob `digest` of `stored_bytes` by one streaming pass, or takes what `cache` knows of it.

    Every byte is hashed in passing. `unreadable` says why nothing in it can be read (it is encrypted).
    """

    repository: Repository
    digest: Digest
    stored_bytes: int
    cache: Cache | None = None
    unreadable: str = ""

    missing_bytes = ""
    may_be_missing = False
    is_as_pulled = True
    is_plain = False  # the network is waited for: layers are read side by side
    work = 0  # nothing that another process should do, which could not share the connection

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        """Return the cached table; a blob never changes under its digest, so that nothing is asked of the registry."""
        kept = self.cache.load(CacheKey(self.digest, PROVED), layer) if self.cache and not self.unreadable else None
        if kept is None or kept.read.hashes is None or not kept.read.hashes.are_of(self._algorithms(options)):
            return None
        on_bytes(self.stored_bytes)
        return kept.read

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Read the layer. Raises RegistryFailed, too."""
        if self.unreadable:
            problem = Problem(layer, b"", f"its files cannot be read ({self.unreadable})", Severity.DAMAGE)
            return ReadLayer(LayerTable(Entries.none(), problems=(problem,)), Compression.NONE)
        passing = _PassingBlob(self.repository.stream(self.digest, self.stored_bytes), on_bytes)
        algorithms, keep = self._algorithms(options), options.keep_seek_points
        read = read_passing(passing, size=self.stored_bytes, algorithms=algorithms, keep_seek_points=keep)
        if self.cache is not None and read.hashes is not None and read.hashes.stored == self.digest:
            self.cache.store(CacheKey(self.digest, PROVED), read, None)
        return numbered(read, layer)

    def content(self, read: ReadLayer) -> BlobContent | None:
        """Return the contents. Raises RegistryFailed, too."""
        if self.unreadable:
            return None
        blob = RangedBlob(self.repository, self.digest, self.stored_bytes)
        return BlobContent(blob, read.compression, read.seek_points, read.table.sparse)

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:
        """Return the hashes. Raises RegistryFailed, too."""
        passing = _PassingBlob(self.repository.stream(self.digest, self.stored_bytes), on_bytes)
        hashes, damage = hash_passing(passing, size=self.stored_bytes, algorithms=algorithms)
        return (hashes, damage) if not self.unreadable else (LayerHashes(hashes.stored, ""), self.unreadable)

    def _algorithms(self, options: ReadOptions) -> Algorithms:
        return options.hash_with or Algorithms()


class _PassingBlob:
    """A blob as it arrives."""

    def __init__(self, pieces: Iterator[bytes], on_bytes: OnBytes) -> None:
        self._pieces, self._on_bytes = pieces, on_bytes
        self._held = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only where they end."""
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
    """A blob of which single parts are fetched, in windows that grow where one follows on another. May be used by threads."""

    def __init__(self, repository: Repository, digest: Digest, size: int) -> None:
        self.size = size
        self._repository, self._digest = repository, digest
        self._start, self._held = 0, b""
        self._window = FIRST_WINDOW
        self._lock = Lock()

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        end = self.size if size is None else min(self.size, start + size)
        with self._lock:
            if not self._start <= start <= end <= self._start + len(self._held) and start < end:
                self._fetch(start, end)
            return self._held[start - self._start : max(end - self._start, 0)]

    def forget(self, start: int, end: int) -> None:
        """Do nothing: only the last window is in memory."""

    def _fetch(self, start: int, end: int) -> None:
        """Hold the bytes from `start` to `end` and some more."""
        follows = self._start < start <= self._start + len(self._held)
        self._window = min(2 * self._window, LARGEST_WINDOW) if follows else FIRST_WINDOW
        kept = self._held[start - self._start :] if follows else b""
        first = start + len(kept)
        length = min(max(end - first, self._window), self.size - first)
        try:
            new = self._repository.read_range(self._digest, first, length)
        except NoRanges:
            kept, first, new = b"", start, self._streamed(start, min(max(end - start, self._window), self.size - start))
        self._start, self._held = first - len(kept), kept + new

    def _streamed(self, start: int, length: int) -> bytes:
        """Return a part from a registry that serves blobs only whole: everything before it is fetched, too."""
        passing = _PassingBlob(self._repository.stream(self._digest, self.size), lambda _length: None)
        for position in range(0, start, LARGEST_WINDOW):
            passing.read(min(LARGEST_WINDOW, start - position))
        content = passing.read(length)
        if len(content) < length:
            raise CorruptLayer(f"the registry's blob ends after {start + len(content)} of {self.size} bytes")
        return content
