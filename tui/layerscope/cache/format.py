"""A kept layer as one file: a fixed header, the rare parts as msgpack, and the columns as they are in memory.

    magic, checksum   8 and 16 bytes; xxh3_128 of all that follows
    format, length    two u32, little-endian: the number of this format, and the length of the msgpack
    msgpack           whose layer this is, how it was stored, the rare parts, and where each column lies
    columns           from the next multiple of 16 on

117,000 entries take 4.5 MB and are read in 10 ms.
"""

from __future__ import annotations

import struct
from itertools import chain

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from layerscope import __version__
from layerscope.cache.columns import ALIGNMENT, Names, Reader, Stretch, Unusable, Writer
from layerscope.cache.fingerprint import Fingerprint
from layerscope.layers.compression import Compression
from layerscope.layers.read import ReadLayer
from layerscope.layers.table import Entries, Kind, LayerTable, Omitted, Problem, SparseMap, no_ids

FORMAT = 1
"""To be raised with every change of this format, and of what reading a layer makes of its bytes."""
MAGIC = b"\x93LSINDEX"
MODES = 0o7777
_START = struct.Struct("<8s16s")
_LENGTHS = struct.Struct("<II")
_FIXED = _START.size + _LENGTHS.size


class _Columns(msgspec.Struct, array_like=True, frozen=True):
    """Where the columns of `Entries` lie."""

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


class _Rest(msgspec.Struct, array_like=True, frozen=True):
    """All that is not a column. A problem's layer number is not kept: the layer may be another's number tomorrow."""

    made_by: str
    name: str
    fingerprint: Fingerprint | None
    compression: Compression
    unpacked_bytes: int
    columns: _Columns
    whiteouts: tuple[bytes, ...]
    opaques: tuple[bytes, ...]
    omitted: tuple[tuple[bytes, int, bool], ...]
    problems: tuple[tuple[bytes, str], ...]
    sparse: dict[int, tuple[tuple[int, int], ...]]
    xattrs: dict[int, dict[bytes, bytes]]


def encode(read: ReadLayer, *, name: str, fingerprint: Fingerprint | None) -> bytes:
    """The file of a layer without fatal problems; `name` is the file's own, `fingerprint` that of the layer's stored bytes."""
    table, writer = read.table, Writer()
    rest = _Rest(
        made_by=__version__,
        name=name,
        fingerprint=fingerprint,
        compression=read.compression,
        unpacked_bytes=table.unpacked_bytes,
        columns=_add_columns(writer, table.entries),
        whiteouts=table.whiteouts,
        opaques=table.opaques,
        omitted=tuple((each.path, each.size, each.is_directory) for each in table.omitted),
        problems=tuple((each.path, each.text) for each in table.problems),
        sparse={entry: each.runs for entry, each in table.sparse.items()},
        xattrs=table.xattrs,
    )
    packed = msgspec.msgpack.encode(rest)
    packed += bytes(-(_FIXED + len(packed)) % ALIGNMENT)
    checked = b"".join((_LENGTHS.pack(FORMAT, len(packed)), packed, *writer.pieces))
    return _START.pack(MAGIC, xxhash.xxh3_128_digest(checked)) + checked


def _add_columns(writer: Writer, entries: Entries) -> _Columns:
    return _Columns(
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


class OtherFormat(Exception):
    """A whole file, but of another format or another version of this program."""


class Kept(msgspec.Struct, frozen=True):
    """A file that was read: its layer, and the fingerprint of the stored bytes (None: an engine vouched for them)."""

    read: ReadLayer
    fingerprint: Fingerprint | None


def decode(data: bytes, *, name: str, layer: int) -> Kept:
    """The layer of a file called `name`; `layer` is the number that its problems will name.

    Raises OtherFormat, or Unusable for anything that `encode` did not write.
    """
    rest, body = _checked(data)
    if rest.name != name:
        raise Unusable
    entries = _entries(rest.columns, Reader(body))
    if not all(0 <= entry < len(entries) for entry in chain(rest.sparse, rest.xattrs)):
        raise Unusable
    table = LayerTable(
        entries,
        whiteouts=rest.whiteouts,
        opaques=rest.opaques,
        omitted=tuple(Omitted(*each) for each in rest.omitted),
        problems=tuple(Problem(layer, *each) for each in rest.problems),
        sparse={entry: SparseMap(runs) for entry, runs in rest.sparse.items()},
        xattrs=rest.xattrs,
        unpacked_bytes=rest.unpacked_bytes,
    )
    return Kept(ReadLayer(table, rest.compression), rest.fingerprint)


def _checked(data: bytes) -> tuple[_Rest, memoryview]:
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
    try:
        rest = msgspec.msgpack.decode(checked[:length].tobytes().rstrip(b"\0"), type=_Rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable from error
    if rest.made_by != __version__:
        raise OtherFormat
    return rest, checked[length:]


def _entries(columns: _Columns, reader: Reader) -> Entries:
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


def _ids(stretch: Stretch | None, reader: Reader, count: int) -> npt.NDArray[np.uint64]:
    if stretch is None:
        return no_ids(count)
    ids = reader.numbers(stretch, "<u8").astype(np.uint64)
    if len(ids) != 2 * count:
        raise Unusable
    return ids.reshape(count, 2)


def _is_sound(entries: Entries) -> bool:
    """Whether all columns are as long as each other, and hold what such columns can."""
    lengths = {len(getattr(entries, name)) for name in Entries.__dataclass_fields__}
    if lengths != {len(entries)}:
        return False
    if not len(entries):
        return True
    is_known = entries.kind.max() <= max(Kind) and entries.mode.max() <= MODES
    return bool(is_known and entries.size.min() >= 0 and entries.content_offset.min() >= 0)
