"""A layer's bytes as they are stored: mostly a region of a memory-mapped file."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from layerscope.errors import NotFound
from layerscope.progress import ignore


class StoredBytes(Protocol):
    """A layer's bytes as they are stored, wherever that is."""

    @property
    def size(self) -> int:
        """Return the number of stored bytes."""

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return a copy of `size` bytes from `start` on (all the rest by default); shorter where they end."""

    def forget(self, start: int, end: int) -> None:
        """Release the memory of the bytes between two offsets, which will not be needed soon."""


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """`size` bytes from `start` on in a memory-mapped file (None: the file is empty, which cannot be mapped)."""

    map: mmap.mmap | None
    start: int
    size: int

    @classmethod
    def of_file(cls, path: Path) -> Blob:
        """Map a whole file. Raises NotFound when it cannot be read."""
        try:
            with path.open("rb") as file:
                return cls.of_open_file(file)
        except OSError as error:
            raise NotFound(f"{path}: {error.strerror or error}") from error

    @classmethod
    def of_open_file(cls, file: BinaryIO) -> Blob:
        """Map a whole open file; the map stays valid after the file is closed."""
        size = file.seek(0, 2)
        return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None, 0, size)

    @classmethod
    def of_bytes(cls, content: bytes) -> Blob:
        """Map a copy of some bytes in memory, such as a document that was fetched."""
        if not content:
            return cls(None, 0, 0)
        memory = mmap.mmap(-1, len(content))
        memory.write(content)
        return cls(memory, 0, len(content))

    def region(self, start: int, size: int) -> Blob:
        """Return a part of this blob, `start` counted from its own first byte; cut short where this blob ends."""
        start = min(start, self.size)
        return Blob(self.map, self.start + start, min(size, self.size - start))

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return a copy of `size` bytes from `start` on (all the rest by default); shorter where the blob ends."""
        if self.map is None:
            return b""
        end = self.size if size is None else min(self.size, start + size)
        return self.map[self.start + start : self.start + end]

    def forget(self, start: int, end: int) -> None:
        """Release the pages between two of this blob's offsets.

        They stay in the page cache but no longer count as this process's memory: a walk over a 20 GB image must not look like
        20 GB of it.
        """
        if self.map is None:
            return
        first = -(-(self.start + start) // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (self.start + end) // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first:
            self.map.madvise(mmap.MADV_DONTNEED, first, last - first)


OnBytes = Callable[[int], None]


class Feed:
    """Reads a blob from front to back, and releases the memory of what was read.

    `on_bytes` is called with the number of bytes read since the last call.
    """

    STRIDE = 4 << 20

    def __init__(self, blob: StoredBytes, on_bytes: OnBytes = ignore) -> None:
        self.size = blob.size
        self._blob = blob
        self._kept = 0
        self._counted = 0
        self._on_bytes = on_bytes

    def again(self) -> Feed:
        """Return a second reader of the same blob, which reports no progress."""
        return Feed(self._blob)

    def read(self, start: int, size: int) -> bytes:
        """Return a copy of `size` bytes from `start` on; shorter where the blob ends."""
        if start - self._kept >= self.STRIDE:
            self._blob.forget(self._kept, start)
            self._kept = start
        if start > self._counted:
            self._on_bytes(start - self._counted)
            self._counted = start
        return self._blob.read(start, size)
