"""A layer's bytes as they are stored: mostly a region of a file that is kept open."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from layerscope.errors import FileChanged, NotFound
from layerscope.progress import ignore
from layerscope.text import escape


class StoredBytes(Protocol):
    """A layer's bytes as they are stored, wherever that is."""

    @property
    def size(self) -> int:
        """Return the number of stored bytes."""

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return a copy of `size` bytes from `start` on (all the rest by default); shorter where they end."""


class OpenFile:
    """A file that stays open, read by offset; safe for several threads and for forked processes.

    It is not mapped into memory: a mapped file that another program truncates kills the process that touches it.
    """

    def __init__(self, file: BinaryIO, place: str) -> None:
        self._number = os.dup(file.fileno())
        self._place = place
        self._state = self._state_now()

    def __del__(self) -> None:
        if hasattr(self, "_number"):
            os.close(self._number)

    @property
    def size(self) -> int:
        """Return the size of the file when it was opened, in bytes."""
        return self._state[0]

    def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes from `start` on; shorter where the file ends."""
        data = os.pread(self._number, size, start)
        while 0 < len(data) < size and (more := os.pread(self._number, size - len(data), start + len(data))):
            data += more
        return data

    def check(self) -> None:
        """Raise FileChanged if the file is not what it was when it was opened, by its size and time of modification."""
        if self._place and self._state_now() != self._state:
            raise FileChanged(self._place)

    def _state_now(self) -> tuple[int, int]:
        status = os.fstat(self._number)
        return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class HeldBytes:
    """Bytes in memory, read as those of a file are."""

    content: bytes

    def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes from `start` on; shorter where they end."""
        return self.content[start : start + size]

    def check(self) -> None:
        """Do nothing: these bytes never change."""


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """`size` bytes from `start` on in a file, or in memory."""

    source: OpenFile | HeldBytes
    start: int
    size: int

    @classmethod
    def of_file(cls, path: Path) -> Blob:
        """Open a whole file. Raises NotFound when it cannot be read."""
        try:
            with path.open("rb") as file:
                return cls.of_open_file(file, escape(str(path)))
        except OSError as error:
            raise NotFound(f"{path}: {error.strerror or error}") from error

    @classmethod
    def of_open_file(cls, file: BinaryIO, place: str = "") -> Blob:
        """Take a whole open file; it may be closed afterwards.

        `place` names it in the error when another program has changed it; empty: nobody else can.
        """
        source = OpenFile(file, place)
        return cls(source, 0, source.size)

    @classmethod
    def of_bytes(cls, content: bytes, size: int | None = None) -> Blob:
        """Take some bytes in memory, such as a document that was fetched: the first of `size` bytes, by default all of them."""
        return cls(HeldBytes(content), 0, len(content) if size is None else size)

    def region(self, start: int, size: int) -> Blob:
        """Return a part of this blob, `start` counted from its own first byte; cut short where this blob ends."""
        start = min(start, self.size)
        return Blob(self.source, self.start + start, min(size, self.size - start))

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return a copy of `size` bytes from `start` on (all the rest by default); shorter where the blob ends.

        Raises FileChanged if another program has changed the file since it was opened.
        """
        end = self.size if size is None else min(self.size, start + size)
        data = self.source.read(self.start + start, end - start) if end > start else b""
        self.source.check()
        return data


OnBytes = Callable[[int], None]


class Feed:
    """Reads a blob from front to back. `on_bytes` is called with the number of bytes read since the last call."""

    def __init__(self, blob: StoredBytes, on_bytes: OnBytes = ignore) -> None:
        self.size = blob.size
        self._blob = blob
        self._counted = 0
        self._on_bytes = on_bytes

    def again(self) -> Feed:
        """Return a second reader of the same blob, which reports no progress."""
        return Feed(self._blob)

    def read(self, start: int, size: int) -> bytes:
        """Return a copy of `size` bytes from `start` on; shorter where the blob ends."""
        if start > self._counted:
            self._on_bytes(start - self._counted)
            self._counted = start
        return self._blob.read(start, size)
