"""Reads a ztoc, SOCI's table of contents of a layer: a flatbuffer beside the image (soci-snapshotter `ztoc/fbs/ztoc.fbs`).

It has the entries of the layer's tar, with the offsets of their contents in the unpacked tar, and for gzip checkpoints at which
unpacking can restart. It has no digests of contents. Like every table of contents, it is only a claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from layerscope.layers.compression import Compression, SeekPoint, unpacked_limit
from layerscope.layers.gzip_window import WINDOW, GzipWindow
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.toc.flat_tables import LIST_ITEM, FlatTables
from layerscope.layers.readers.toc.table import KINDS, BadTable, Moments
from layerscope.layers.table import Kind, no_ids
from layerscope.layers.tar.collect import Collector
from layerscope.layers.tar.headers import BLOCK, HeaderBatch
from layerscope.layers.tar.pax import XATTR_PREFIX, xattrs_of
from layerscope.limits import TABLE_ENTRIES

BATCH = 1 << 15
"""Entries decoded at a time."""
UNFETCHED = "contents of this layer are compared by their sizes alone, for only its table of contents was fetched"
_CHECKPOINT = np.dtype([("stored", "<i8"), ("unpacked", "<i8"), ("bits", "u1"), ("window", f"V{WINDOW}")])
_HEAD = 12
"""Bytes before the first checkpoint: how many there are, and how far they are apart."""
_GZIP, _PLAIN = 1, 2
_SPARSE = b"GNU.sparse."
_MOST_BITS = 7
_KINDS = {word.encode(): kind for word, kind in KINDS.items()}

Longs = npt.NDArray[np.int64]


class _Ztoc:
    """Numbers of the fields in the schema of a ztoc."""

    STORED_BYTES, UNPACKED_BYTES, TOC, COMPRESSION = 2, 3, 4, 5
    ENTRIES = 0
    ALGORITHM, CHECKPOINTS = 0, 3


class _Field:
    """Numbers of the fields of an entry, and of one of its pax records."""

    NAME, TYPE, OFFSET, SIZE, LINK, MODE, UID, GID = range(8)
    TIME, MAJOR, MINOR, RECORDS = range(10, 14)
    KEY, VALUE = 0, 1


def read_ztoc(raw: bytes, *, layer: int, stored_bytes: int) -> ReadLayer:
    """Read a layer of `stored_bytes` by its ztoc. Raises CorruptLayer for one that is damaged, contradicts itself, or is not of
    a layer of this size.
    """
    try:
        return _read(raw, layer, stored_bytes)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadTable(f"its ztoc is damaged ({type(error).__name__})") from error


def _read(raw: bytes, layer: int, stored_bytes: int) -> ReadLayer:
    root = FlatTables.root(raw)
    entries, _ = root.table(_Ztoc.TOC).tables(_Ztoc.ENTRIES)
    packing = root.table(_Ztoc.COMPRESSION)
    unpacked_bytes = int(root.numbers(_Ztoc.UNPACKED_BYTES, "<i8")[0])
    if int(root.numbers(_Ztoc.STORED_BYTES, "<i8")[0]) != stored_bytes or not len(packing.at):
        raise BadTable("its ztoc is of another layer")
    if len(entries.at) > TABLE_ENTRIES or not 0 <= unpacked_bytes <= unpacked_limit(stored_bytes):
        raise BadTable(f"its ztoc has {len(entries.at)} entries in {unpacked_bytes} bytes")
    algorithm = int(packing.numbers(_Ztoc.ALGORITHM, "i1", _GZIP)[0])
    if algorithm not in (_GZIP, _PLAIN) or (algorithm == _PLAIN and stored_bytes < unpacked_bytes):
        raise BadTable("its ztoc is of a layer that is compressed in an unknown way")
    _check_sums(entries)
    collector, reached = Collector(layer), 0
    for first in range(0, len(entries.at), BATCH):
        batch = _batch(entries.part(first, first + BATCH))
        reached = _check_order(batch, reached, unpacked_bytes)
        collector.take(batch, sparse={})
    table = collector.table(unpacked_bytes=unpacked_bytes)
    if algorithm == _PLAIN:
        return ReadLayer(replace(table, unpacked_bytes=stored_bytes), Compression.NONE)
    start, length = (int(column[0]) for column in packing.lists(_Ztoc.CHECKPOINTS))
    points = tuple(_points(memoryview(raw)[start : start + length], stored_bytes, unpacked_bytes))
    return ReadLayer(table, Compression.GZIP, points)


def _check_sums(entries: FlatTables) -> None:
    """Raise BadTable if all texts of a field together are longer than the ztoc: shared ones would take far more memory."""
    for slot in (_Field.NAME, _Field.TYPE, _Field.LINK, _Field.TIME):
        entries.lists(slot)
    if int(entries.lists(_Field.RECORDS, LIST_ITEM)[1].sum()) > TABLE_ENTRIES:
        raise BadTable(f"its ztoc has more than {TABLE_ENTRIES} pax records")
    records, _ = entries.tables(_Field.RECORDS)
    for slot in (_Field.KEY, _Field.VALUE):
        records.lists(slot)


def _batch(entries: FlatTables) -> HeaderBatch:
    names, types, links = (entries.texts(slot) for slot in (_Field.NAME, _Field.TYPE, _Field.LINK))
    if any(kind not in _KINDS for kind in set(types)):
        raise BadTable("its ztoc has an entry of an unknown type")
    if b"\0" in b"".join(names) or b"\0" in b"".join(links):
        raise BadTable("its ztoc has a name with a NUL byte")
    kinds = np.fromiter(map(_KINDS.__getitem__, types), np.uint8, len(types))
    columns = [entries.numbers(slot, "<i8") for slot in (_Field.OFFSET, _Field.SIZE, _Field.MODE)]
    if any((column < 0).any() for column in columns):
        raise BadTable("its ztoc has a number below zero")
    linked = np.flatnonzero((kinds == Kind.HARDLINK) | (kinds == Kind.SYMLINK)).tolist()
    devices = np.flatnonzero((kinds == Kind.CHAR) | (kinds == Kind.BLOCK))
    numbers = zip(*(entries.numbers(slot, "<i8")[devices].tolist() for slot in (_Field.MAJOR, _Field.MINOR)), strict=True)
    moments = Moments()
    times = [time.decode("ascii") for time in entries.texts(_Field.TIME)]
    return HeaderBatch(
        names=names,
        links={row: links[row] for row in linked},
        kind=kinds,
        mode=columns[2],
        uid=entries.numbers(_Field.UID, "<u4"),
        gid=entries.numbers(_Field.GID, "<u4"),
        mtime=np.fromiter(map(moments.seconds, times), np.int64, len(times)),
        size=columns[1] * (kinds == Kind.FILE),
        content_offset=columns[0],
        content_id=no_ids(len(names)),
        devices=dict(zip(devices.tolist(), numbers, strict=True)),
        xattrs=dict(_xattrs(entries)),
        problems=[],
        faults=[],
    )


def _xattrs(entries: FlatTables) -> Iterator[tuple[int, dict[bytes, bytes]]]:
    """Yield the rows of entries that have extended attributes, and these. Raises BadTable for a sparse file."""
    records, counts = entries.tables(_Field.RECORDS)
    keys = records.texts(_Field.KEY)
    if any(key.startswith(_SPARSE) for key in set(keys)):
        raise BadTable("its ztoc has a sparse file, whose holes it does not tell")
    if not any(key.startswith(XATTR_PREFIX) for key in set(keys)):
        return
    values, first = records.texts(_Field.VALUE), 0
    for row in np.flatnonzero(counts).tolist():
        last = first + int(counts[row])
        found = xattrs_of(dict(zip(keys[first:last], values[first:last], strict=True)))
        if found:
            yield row, found
        first = last


def _check_order(batch: HeaderBatch, reached: int, unpacked_bytes: int) -> int:
    """Return the offset after the last content. Raises BadTable unless each entry has its own header and place in the tar.

    `reached` is the offset after the content before these.
    """
    ends = batch.content_offset + batch.size
    blocks = -(-ends // BLOCK) * BLOCK
    before = np.concatenate([[reached], blocks[:-1]])
    if (batch.content_offset % BLOCK).any() or (batch.content_offset - before < BLOCK).any() or ends.max() > unpacked_bytes:
        raise BadTable("its ztoc has files that overlap, in no order, or outside of the tar")
    return int(blocks[-1])


def _points(raw: memoryview, stored_bytes: int, unpacked_bytes: int) -> Iterator[SeekPoint]:
    """Yield the checkpoints, but for the one at the beginning, where a header of any length comes first.

    In their first form that one is counted, but not written (soci-snapshotter `ztoc/compression/gzip_zinfo.c`).
    """
    count, rest = int.from_bytes(raw[:4], "little"), len(raw) - _HEAD
    if rest < 0 or rest % _CHECKPOINT.itemsize or rest // _CHECKPOINT.itemsize not in (count, count - 1):
        raise BadTable("its ztoc has checkpoints of an unknown form")
    found = np.frombuffer(raw[_HEAD:], _CHECKPOINT)
    stored, unpacked, bits = found["stored"], found["unpacked"], found["bits"]
    if len(found) and not (
        (np.diff(stored) > 0).all()
        and (np.diff(unpacked) > 0).all()
        and 0 < stored[0] <= stored[-1] <= stored_bytes
        and 0 <= unpacked[0] <= unpacked[-1] <= unpacked_bytes
        and bits.max() <= _MOST_BITS
    ):
        raise BadTable("its ztoc has checkpoints in no order, or outside of the layer")
    for row in np.flatnonzero(unpacked > 0).tolist():
        end = _HEAD + (row + 1) * _CHECKPOINT.itemsize
        window = raw[end - WINDOW : end]
        yield SeekPoint(int(unpacked[row]), int(stored[row]) - bool(bits[row]), GzipWindow(int(bits[row]), window))
