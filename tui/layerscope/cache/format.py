"""Encodes a layer as one file of the cache, and decodes it.

The file has a fixed header with a checksum, the rare parts and a fingerprint of the stored bytes as msgpack, and the columns:

    magic, checksum   8 and 16 bytes; xxh3_128 of all that follows
    format, length    two u32, little-endian: the number of this format, and the length of the msgpack
    msgpack           whose layer this is, how it was stored, the rare parts, and where each column lies
    columns           from the next multiple of 16 on

117,000 entries take 4.5 MB and are read in 10 ms.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import msgspec
import xxhash

from layerscope import __version__
from layerscope.cache.columns import (
    ALIGNMENT,
    ColumnReader,
    ColumnWriter,
    ContentsStretches,
    EntryStretches,
    Unusable,
    add_contents,
    add_entries,
    read_contents,
    read_entries,
)
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression
from layerscope.layers.fetched import Fetched, FetchWay, ZtocAt
from layerscope.layers.hashing import LayerHashes
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.table import LayerTable, Omitted, Problem, Severity, SparseMap
from layerscope.oci.digest import Digest
from layerscope.progress import ignore

FORMAT = 6
"""Raise it with every change of this format, and of the table that reading a layer gives."""
MAGIC = b"\x93LSINDEX"
_START = struct.Struct("<8s16s")
_LENGTHS = struct.Struct("<II")
_FIXED = _START.size + _LENGTHS.size

T = TypeVar("T")
PIECE = 1 << 20
"""Mapped bytes hashed at a time."""


class _Rest(msgspec.Struct, array_like=True, frozen=True):
    """Everything in a cached layer's file that is not a column.

    A problem's layer number is not stored: in another image the layer may have another number.
    """

    made_by: str
    name: str
    fingerprint: Fingerprint | None
    compression: Compression
    unpacked_bytes: int
    columns: EntryStretches
    whiteouts: tuple[bytes, ...]
    opaques: tuple[bytes, ...]
    whiteout_rows: tuple[int, ...]
    opaque_rows: tuple[int, ...]
    omitted: tuple[tuple[bytes, int, bool], ...]
    problems: tuple[tuple[bytes, str, Severity], ...]
    sparse: dict[int, tuple[tuple[int, int], ...]]
    xattrs: dict[int, dict[bytes, bytes]]
    devices: dict[int, tuple[int, int]]
    hashes: tuple[str, str] | None
    fetched_by: FetchWay | None
    contents: ContentsStretches | None
    ztoc: tuple[str, int] | None


def encode(read: ReadLayer, *, name: str, fingerprint: Fingerprint | None) -> bytes:
    """Encode a layer without fatal problems as a file called `name`; `fingerprint` is that of the layer's stored bytes."""
    table, writer = read.table, ColumnWriter()
    rest = _Rest(
        made_by=__version__,
        name=name,
        fingerprint=fingerprint,
        compression=read.compression,
        unpacked_bytes=table.unpacked_bytes,
        columns=add_entries(writer, table.entries),
        whiteouts=table.whiteouts,
        opaques=table.opaques,
        whiteout_rows=table.whiteout_rows,
        opaque_rows=table.opaque_rows,
        omitted=tuple((each.path, each.size, each.is_directory) for each in table.omitted),
        problems=tuple((each.path, each.text, each.severity) for each in table.problems),
        sparse={entry: each.runs for entry, each in table.sparse.items()},
        xattrs=table.xattrs,
        devices=table.devices,
        hashes=(read.hashes.stored, read.hashes.unpacked) if read.hashes else None,
        fetched_by=read.fetched.way if read.fetched else None,
        contents=add_contents(writer, read.stored_contents) if read.stored_contents else None,
        ztoc=(str(read.ztoc.digest), read.ztoc.size) if read.ztoc else None,
    )
    return seal(msgspec.msgpack.encode(rest), writer.pieces)


def seal(packed: bytes, columns: Iterable[bytes] = ()) -> bytes:
    """Build a complete cache file, with its checksum, of encoded msgpack and encoded columns."""
    checked = b"".join((_LENGTHS.pack(FORMAT, len(packed)), packed, bytes(_padding(len(packed))), *columns))
    return _START.pack(MAGIC, xxhash.xxh3_128_digest(checked)) + checked


def _padding(length: int) -> int:
    """Return the bytes between a msgpack of this length and the columns."""
    return -(_FIXED + length) % ALIGNMENT


class OtherFormat(Exception):
    """A complete file, but of another format or another version of this program."""


@dataclass(frozen=True, slots=True, eq=False)
class CachedLayer:
    """A decoded file: its layer, and the fingerprint of the stored bytes (None: an engine vouched for them)."""

    read: ReadLayer
    fingerprint: Fingerprint | None


def decode(data: bytes, *, name: str, layer: int) -> CachedLayer:
    """Decode the layer of a file called `name`; `layer` is the number that its problems will name.

    Raises OtherFormat, or Unusable for anything that `encode` did not write.
    """
    packed, body = unseal(data)
    rest = unpacked(packed, _Rest)
    if rest.made_by != __version__:
        raise OtherFormat
    if rest.name != name:
        raise Unusable
    reader = ColumnReader(body)
    entries = read_entries(rest.columns, reader)
    contents = read_contents(rest.contents, reader, entries) if rest.contents else None
    if not all(0 <= entry < len(entries) for entry in chain(rest.sparse, rest.xattrs, rest.devices)):
        raise Unusable
    table = LayerTable(
        entries,
        whiteouts=rest.whiteouts,
        opaques=rest.opaques,
        whiteout_rows=rest.whiteout_rows,
        opaque_rows=rest.opaque_rows,
        omitted=tuple(Omitted(*each) for each in rest.omitted),
        problems=tuple(Problem(layer, *each) for each in rest.problems),
        sparse={entry: SparseMap(runs) for entry, runs in rest.sparse.items()},
        xattrs=rest.xattrs,
        devices=rest.devices,
        unpacked_bytes=rest.unpacked_bytes,
    )
    hashes = LayerHashes(*rest.hashes) if rest.hashes else None
    fetched = Fetched(rest.fetched_by, 0, is_kept=True) if rest.fetched_by else None
    ztoc = ZtocAt(Digest(rest.ztoc[0]), rest.ztoc[1]) if rest.ztoc else None
    read = ReadLayer(table, rest.compression, hashes=hashes, fetched=fetched, stored_contents=contents, ztoc=ztoc)
    return CachedLayer(read, rest.fingerprint)


def unseal(data: bytes) -> tuple[memoryview, memoryview]:
    """Split a file into its msgpack and columns. Raises OtherFormat, or Unusable for anything that `seal` did not write."""
    if len(data) < _FIXED:
        raise Unusable
    magic, checksum = _START.unpack_from(data)
    checked = memoryview(data)[_START.size :]
    if magic != MAGIC or xxhash.xxh3_128_digest(checked) != checksum:
        raise Unusable
    number, length = _LENGTHS.unpack_from(checked)
    if number != FORMAT:
        raise OtherFormat
    checked = checked[_LENGTHS.size :]
    return checked[:length], checked[length + _padding(length) :]


def unpacked(packed: memoryview, wanted: type[T]) -> T:
    """Decode a msgpack value. Raises Unusable for one of another type."""
    try:
        return msgspec.msgpack.decode(packed, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable from error


class Fingerprint(msgspec.Struct, array_like=True, frozen=True):
    """Size of stored bytes, and their xxh3_128 with a secret seed."""

    size: int
    seed: int
    hash: bytes

    def fits(self, blob: Blob, on_bytes: OnBytes = ignore) -> bool:
        """Tell whether `blob` has the same bytes as the layer; reads all of them unless their number differs."""
        return self.size == blob.size and self == PassingHash(blob, on_bytes, seed=self.seed).fingerprint()


class PassingHash:
    """Hashes stored bytes while another reader reads them and they are still in the page cache.

    Raises FileChanged if the file changes meanwhile, so that the hash is of exactly what was read.
    """

    def __init__(self, blob: Blob, on_bytes: OnBytes = ignore, *, seed: int | None = None) -> None:
        self._blob, self._on_bytes = blob, on_bytes
        self._seed = int.from_bytes(os.urandom(8), "little") if seed is None else seed
        self._hash = xxhash.xxh3_128(seed=self._seed)
        self._reached = 0

    def take(self, length: int) -> None:
        """Advance by the next `length` bytes, which the other reader has passed."""
        end = min(self._reached + length, self._blob.size)
        for start in range(self._reached, end, PIECE):
            self._hash.update(self._blob.read(start, min(PIECE, end - start)))
        self._reached = end
        self._on_bytes(length)

    def fingerprint(self) -> Fingerprint:
        """Return the fingerprint of all bytes, including those that the other reader never reached."""
        while self._reached < self._blob.size:
            self.take(min(PIECE, self._blob.size - self._reached))
        return Fingerprint(self._blob.size, self._seed, self._hash.digest())
