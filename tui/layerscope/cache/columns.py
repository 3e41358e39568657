"""Encodes numpy columns and lists of names as bytes, and decodes them; also all columns of a layer's entries, and of where
their contents are stored.

Numbers are as narrow as the column allows, little-endian; names are deflated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import msgspec
import numpy as np
import numpy.typing as npt

from layerscope.layers.compression import zlib
from layerscope.layers.fetched import StoredContents
from layerscope.layers.table import Column, Entries, Kind, Strings, no_ids

Numbers = npt.NDArray[np.generic]
Longs = npt.NDArray[np.int64]

ALIGNMENT = 16
"""Columns start at multiples of this, so that they can be read in place."""
WIDTHS = ("<u1", "<u2", "<u4")
WIDEST = "<i8"
FASTEST = 1
"""The deflate level of names: a tenth of their size for 1 ms a megabyte; higher levels save a third more for twice the time."""
MODES = 0o7777
SHA256 = 32
"""Bytes of a sha256 digest."""


class Unusable(Exception):
    """Bytes that are not a table that this program wrote."""


class Stretch(msgspec.Struct, array_like=True, frozen=True):
    """The position of a column in the body, in bytes, and numpy's name for its numbers."""

    dtype: str
    start: int
    length: int


class Names(msgspec.Struct, array_like=True, frozen=True):
    """Strings: their lengths, and all of them in one deflated piece."""

    lengths: Stretch
    deflated: Stretch


@dataclass(slots=True)
class ColumnWriter:
    """Encodes columns one after the other; `pieces` are their bytes, `length` bytes in all."""

    pieces: list[bytes] = field(default_factory=list)
    length: int = 0

    def add(self, column: Column, dtype: str) -> Stretch:
        """Add a column as numbers of `dtype`; return where it is."""
        return self._append(column.astype(dtype).tobytes(), dtype)

    def add_narrow(self, column: Longs) -> Stretch:
        """Add a column in the narrowest integer type that holds it; return where it is."""
        return self.add(column, narrowest(column))

    def add_names(self, strings: Strings) -> Names:
        """Add byte strings, deflated together, and their lengths; return where they are."""
        buffer = strings.buffer[strings.offsets[0] : strings.offsets[-1]]
        return Names(self.add_narrow(np.diff(strings.offsets)), self._append(zlib.compress(buffer, FASTEST), "<u1"))

    def _append(self, data: bytes, dtype: str) -> Stretch:
        stretch = Stretch(dtype, self.length, len(data))
        padding = bytes(-len(data) % ALIGNMENT)
        self.pieces += (data, padding)
        self.length += len(data) + len(padding)
        return stretch


def narrowest(column: Longs) -> str:
    """Return numpy's name for the narrowest integer type that holds all of `column`."""
    if not len(column):
        return WIDTHS[0]
    low, high = int(column.min()), int(column.max())
    return next((name for name in WIDTHS if low >= 0 and high <= np.iinfo(name).max), WIDEST)


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """Decodes columns in `body`. Raises Unusable for anything that ColumnWriter did not write."""

    body: memoryview

    def numbers(self, stretch: Stretch, *allowed: str) -> Numbers:
        """Return a column as it is in the body, read-only; its type has to be one of those `allowed`."""
        end = stretch.start + stretch.length
        if stretch.dtype not in allowed or not 0 <= stretch.start <= end <= len(self.body):
            raise Unusable
        if stretch.length % np.dtype(stretch.dtype).itemsize:
            raise Unusable
        return np.frombuffer(self.body[stretch.start : end], stretch.dtype)

    def longs(self, stretch: Stretch) -> Longs:
        """Return a column that was written with `add_narrow`."""
        return self.numbers(stretch, *WIDTHS, WIDEST).astype(np.int64)

    def strings(self, names: Names) -> Strings:
        """Return strings that were written with `add_names`."""
        lengths = self.numbers(names.lengths, *WIDTHS)
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return Strings(inflated(self.numbers(names.deflated, "<u1").data, int(offsets[-1])), offsets)


def inflated(deflated: bytes | memoryview, length: int) -> bytes:
    """Return the `length` bytes that were deflated. Raises Unusable for others."""
    stream = zlib.decompressobj()
    try:
        buffer: bytes = stream.decompress(deflated, length + 1)
    except zlib.error as error:
        raise Unusable from error
    if len(buffer) != length or not stream.eof:
        raise Unusable
    return buffer


class EntryStretches(msgspec.Struct, array_like=True, frozen=True):
    """The position of each column of `Entries` in the body."""

    paths: Names
    kind: Stretch
    mode: Stretch
    uid: Stretch
    gid: Stretch
    size: Stretch
    mtime: Stretch
    content_offset: Stretch
    content_id: Stretch | None
    links: Names


def add_entries(writer: ColumnWriter, entries: Entries) -> EntryStretches:
    """Add every column of `entries` to `writer`; return where each is. Content ids that are all unknown take no space."""
    return EntryStretches(
        paths=writer.add_names(entries.paths),
        kind=writer.add(entries.kind, "<u1"),
        mode=writer.add(entries.mode, "<u2"),
        uid=writer.add_narrow(entries.uid),
        gid=writer.add_narrow(entries.gid),
        size=writer.add_narrow(entries.size),
        mtime=writer.add_narrow(entries.mtime),
        content_offset=writer.add_narrow(entries.content_offset),
        content_id=writer.add(entries.content_id, "<u8") if entries.content_id.any() else None,
        links=writer.add_names(entries.links),
    )


def read_entries(columns: EntryStretches, reader: ColumnReader) -> Entries:
    """Decode the entries of a layer. Raises Unusable for columns that do not match each other or hold impossible values."""
    kind = reader.numbers(columns.kind, "<u1").astype(np.uint8)
    entries = Entries(
        paths=reader.strings(columns.paths),
        kind=kind,
        mode=reader.numbers(columns.mode, "<u2").astype(np.uint16),
        uid=reader.longs(columns.uid),
        gid=reader.longs(columns.gid),
        size=reader.longs(columns.size),
        mtime=reader.longs(columns.mtime),
        content_offset=reader.longs(columns.content_offset),
        content_id=_ids(columns.content_id, reader, len(kind)),
        links=reader.strings(columns.links),
    )
    if not _is_sound(entries):
        raise Unusable
    return entries


def _ids(stretch: Stretch | None, reader: ColumnReader, count: int) -> npt.NDArray[np.uint64]:
    if stretch is None:
        return no_ids(count)
    ids = reader.numbers(stretch, "<u8").astype(np.uint64)
    if len(ids) != 2 * count:
        raise Unusable
    return ids.reshape(count, 2)


def _is_sound(entries: Entries) -> bool:
    """Tell whether all columns have one length and hold possible values."""
    lengths = {len(getattr(entries, column.name)) for column in fields(entries)}
    if lengths != {len(entries)}:
        return False
    if not len(entries):
        return True
    is_known = entries.kind.max() <= max(Kind) and entries.mode.max() <= MODES
    return bool(is_known and entries.size.min() >= 0 and entries.content_offset.min() >= 0)


class ContentsStretches(msgspec.Struct, array_like=True, frozen=True):
    """The position of each column of `StoredContents` in the body."""

    start: Stretch
    end: Stretch
    inner: Stretch
    sha256: Stretch


def add_contents(writer: ColumnWriter, contents: StoredContents) -> ContentsStretches:
    """Add every column of `contents` to `writer`; return where each is."""
    return ContentsStretches(
        writer.add_narrow(contents.start),
        writer.add_narrow(contents.end),
        writer.add_narrow(contents.inner),
        writer.add(contents.sha256.reshape(-1), "<u1"),
    )


def read_contents(columns: ContentsStretches, reader: ColumnReader, entries: Entries) -> StoredContents:
    """Decode where the contents of `entries` are stored. Raises Unusable for columns that do not match each other or these."""
    start, end, inner = (reader.longs(column) for column in (columns.start, columns.end, columns.inner))
    sha256 = reader.numbers(columns.sha256, "<u1").astype(np.uint8)
    rows = entries.content_offset[entries.kind == Kind.FILE]
    if len({len(start), len(end), len(inner), len(sha256) // SHA256}) > 1 or len(sha256) % SHA256:
        raise Unusable
    if rows.max(initial=-1) >= len(start) or (start < 0).any() or (end < start).any() or (inner < 0).any():
        raise Unusable
    return StoredContents(start, end, inner, sha256.reshape(-1, SHA256))
