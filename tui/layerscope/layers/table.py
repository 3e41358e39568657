"""One layer as numpy columns: the result of every layer reader and the input of the merged tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.generic]
MANY_ENTRIES = 250_000
"""The least number of entries for which freeing memory is worth a few milliseconds."""
PIECE = 1 << 14
"""How many strings are handled by one call that holds Python's lock: some milliseconds' worth."""


class Kind(IntEnum):
    """What an entry is. The numbers are the column's values, not tar's type flags."""

    FILE = 0
    HARDLINK = 1
    SYMLINK = 2
    CHAR = 3
    BLOCK = 4
    DIRECTORY = 5
    FIFO = 6


KIND_LETTERS = {
    Kind.FILE: "-",
    Kind.HARDLINK: "-",
    Kind.SYMLINK: "l",
    Kind.CHAR: "c",
    Kind.BLOCK: "b",
    Kind.DIRECTORY: "d",
    Kind.FIFO: "p",
}
"""How ls(1) begins a line."""


class Severity(IntEnum):
    """How much a problem puts in doubt, mildest first. The cache stores the numbers; JSON has the names in lower case."""

    NOTE = 0
    """Worth knowing: everything was read, and every engine reads it the same way."""
    DIFFERS = 1
    """Engines disagree about it: the text names who refuses it or shows what. Exit 0."""
    REFUSED = 2
    """No engine that was tried unpacks it, or it is not what the image's documents say: `ci` exits 2, a report exits 0."""
    DAMAGE = 3
    """Bytes are absent, cut or unreadable, so entries may be missing: exit 2 everywhere."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in an image that did not stop the rest from being read.

    `layer` counts from 1 (0: the image as a whole), `path` is the entry's name as bytes (empty: the layer as a whole).
    """

    layer: int
    path: bytes
    text: str
    severity: Severity = Severity.NOTE

    @property
    def is_fatal(self) -> bool:
        """Tell whether entries may be missing because of it, so that no verdict is possible."""
        return self.severity is Severity.DAMAGE

    @property
    def is_doubt(self) -> bool:
        """Tell whether the gate gives no verdict because of it: the image is incomplete, or not what its documents say."""
        return self.severity >= Severity.REFUSED


def pieces(count: int) -> Iterator[slice[int, int, None]]:
    """Divide `count` items into slices of at most PIECE.

    A call on a list of a million objects holds Python's lock all the while, and the screen, which is drawn in another thread,
    stands still; between the calls on its pieces it goes on.
    """
    return (slice(first, min(first + PIECE, count)) for first in range(0, count, PIECE))


@dataclass(frozen=True, slots=True, eq=False)
class Strings:
    """`n` byte strings in one buffer: string `i` is `buffer[offsets[i]:offsets[i + 1]]`; `offsets` is int64, n + 1 long.

    The buffer may hold other strings before and after these.
    """

    buffer: bytes
    offsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, strings: list[bytes]) -> Strings:
        """Join `strings` into one buffer."""
        offsets = np.zeros(len(strings) + 1, np.int64)
        parts = []
        for piece in pieces(len(strings)):
            part = strings[piece]
            offsets[1:][piece] = np.fromiter(map(len, part), np.int64, len(part))
            parts.append(b"".join(part))
        return cls(b"".join(parts), np.cumsum(offsets, out=offsets))

    @classmethod
    def concatenate(cls, parts: list[Strings]) -> Strings:
        """Return all strings of `parts`, in order."""
        buffers = [part.buffer[part.offsets[0] : part.offsets[-1]] for part in parts]
        starts = np.cumsum([0, *map(len, buffers)])
        offsets = [part.offsets[:-1] - part.offsets[0] + start for part, start in zip(parts, starts[:-1], strict=True)]
        return cls(b"".join(buffers), np.concatenate([*offsets, starts[-1:]]).astype(np.int64))

    def part(self, first: int, last: int) -> Strings:
        """Return the strings `first` to `last` - 1, in the same buffer."""
        return Strings(self.buffer, self.offsets[first : last + 1])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> bytes:
        return self.buffer[self.offsets[index] : self.offsets[index + 1]]

    def translated(self, old: bytes, new: bytes) -> Strings:
        """Return the same strings with one byte replaced by another everywhere."""
        bounds = [*self.offsets[:-1:PIECE].tolist(), *self.offsets[-1:].tolist()]
        parts = [self.buffer[start:end].replace(old, new) for start, end in pairwise(bounds)]
        return Strings(b"".join(parts), self.offsets - self.offsets[0])

    def tolist(self) -> list[bytes]:
        """Return every string as `bytes`: 0.12 s per million, so only where a whole layer is needed at once."""
        buffer, found = self.buffer, list[bytes]()
        for piece in pieces(len(self)):
            bounds = self.offsets[piece.start : piece.stop + 1].tolist()
            found += [buffer[start:end] for start, end in pairwise(bounds)]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """The columns of `n` tar entries, in tar order. Whiteouts and opaque markers are not among them.

    Paths are normalized: no leading or trailing `/`, no empty, `.` or `..` component (OCI image-spec `layer.md`); the root
    itself is the empty path. Numbers are what the header says: a mode has its permission bits only (octal 07777), `mtime` is
    in whole seconds since 1970, `size` is the unpacked size of a regular file's content in bytes and 0 for all else.
    """

    paths: Strings
    kind: npt.NDArray[np.uint8]
    mode: npt.NDArray[np.uint16]
    uid: npt.NDArray[np.int64]
    gid: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    mtime: npt.NDArray[np.int64]
    content_offset: npt.NDArray[np.int64]
    """Where a regular file's content starts in the unpacked tar, in bytes; its row in StoredContents if a table of contents was
    read instead of the tar.
    """
    content_id: npt.NDArray[np.uint64]
    """Shape (n, 2): xxh3_128 of the content, high half first; or a CRC-64 or the first 64 bits of a sha256, then a mark
    (`layers.content_ids`); (0, 0) where no id is known.
    """
    links: Strings
    """Target of each link, as written for a symlink, normalized as a path for a hard link; empty for all else."""

    def __len__(self) -> int:
        return len(self.kind)

    @classmethod
    def none(cls) -> Entries:
        longs, strings = np.zeros(0, np.int64), Strings.of([])
        small, ids = np.zeros(0, np.uint16), np.zeros((0, 2), np.uint64)
        return cls(strings, small.astype(np.uint8), small, longs, longs, longs, longs, longs, ids, strings)

    @classmethod
    def join(cls, parts: list[Entries]) -> Entries:
        """Join the entries of `parts`, of which there is at least one.

        Empties `parts`, and joins column by column, so that parts and result are never in memory whole together.
        """
        columns = {column.name: [getattr(part, column.name) for part in parts] for column in fields(cls)}
        parts.clear()
        return cls(**{name: _join(columns.pop(name)) for name in list(columns)})

    def part(self, first: int, last: int) -> Entries:
        """Return the entries `first` to `last` - 1, as views of the same columns."""
        columns: dict[str, Strings | Column] = {}
        for column in fields(self):
            value = getattr(self, column.name)
            columns[column.name] = value.part(first, last) if isinstance(value, Strings) else value[first:last]
        return Entries(**columns)  # type: ignore[arg-type]


def no_ids(count: int) -> npt.NDArray[np.uint64]:
    """Return a `content_id` column in which no id is known; it takes no memory."""
    return np.broadcast_to(np.zeros(2, np.uint64), (count, 2))


def _join(values: list[Any]) -> Any:
    """Join the parts of one column. If no id is known, the result is zeros, which the kernel allocates only when written to."""
    if isinstance(values[0], Strings):
        return Strings.concatenate(values)
    if values[0].ndim == 2 and not any(value.strides[0] and value.any() for value in values):
        return np.zeros((sum(map(len, values)), 2), np.uint64)
    return np.concatenate(values)


@dataclass(frozen=True, slots=True)
class SparseMap:
    """The data runs of a sparse file: (offset in the file, length in bytes), stored one after the other in the tar."""

    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Omitted:
    """A tar member that is no entry and hides nothing: aufs's own (`.wh..wh.aufs`), or a whiteout without a name.

    dive counts them, so they are kept for its figures.
    """

    path: bytes
    size: int
    is_directory: bool


@dataclass(frozen=True, slots=True, eq=False)
class LayerTable:
    """Everything that one layer's tar says.

    `entries` may name a path more than once: the last one wins (ARCHITECTURE.md). `whiteouts` are the paths that the
    layer hides, `opaques` the directories whose content in lower layers it hides; both normalized. `whiteout_rows` and
    `opaque_rows` say how many entries stand before each in the tar; for a layer that is no tar all are 0. `sparse` and `xattrs`
    are by entry number, for the few entries that have any; `devices` are the major and minor numbers of each character and
    block device. `unpacked_bytes` is the length of the tar that was read.
    """

    entries: Entries
    whiteouts: tuple[bytes, ...] = ()
    opaques: tuple[bytes, ...] = ()
    whiteout_rows: tuple[int, ...] = ()
    opaque_rows: tuple[int, ...] = ()
    omitted: tuple[Omitted, ...] = ()
    problems: tuple[Problem, ...] = ()
    sparse: dict[int, SparseMap] = field(default_factory=dict)
    xattrs: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    devices: dict[int, tuple[int, int]] = field(default_factory=dict)
    unpacked_bytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LayerStack:
    """All layers of an image, base first, in one set of columns: the entries of each of `tables` are a slice of `entries`.

    `first[k]` is the number in `entries` of table k's first entry; the count of all comes last.
    """

    entries: Entries
    tables: tuple[LayerTable, ...]
    first: tuple[int, ...]

    @classmethod
    def of(cls, tables: Iterable[LayerTable]) -> LayerStack:
        """Join the columns of all tables, releasing tables that nothing else holds on the way."""
        given = list(tables)
        first = tuple(np.cumsum([0, *(len(table.entries) for table in given)]).tolist())
        parts = [table.entries for table in given] or [Entries.none()]
        bare = [replace(table, entries=Entries.none()) for table in given]
        given.clear()
        entries = Entries.join(parts)
        views = (replace(table, entries=entries.part(*bounds)) for table, bounds in zip(bare, pairwise(first), strict=True))
        return cls(entries, tuple(views), first)


def release_memory(entries: int) -> None:
    """Return the free parts of the C library's heap to the system: 110 MB of 350 after reading a million `entries`.

    Columns grow in small parts that are joined and freed again; glibc keeps such memory. A no-op for small images and other C
    libraries.
    """
    if entries < MANY_ENTRIES:
        return
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
