"""Reads a layer by fetching only its table of contents, which is believed if nothing speaks against it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from layerscope.layers.blob import Blob, StoredBytes
from layerscope.layers.compression import Compression, unpack
from layerscope.layers.fetched import StoredContents
from layerscope.layers.readers.blob import ReadLayer, read_pieces
from layerscope.layers.readers.tar_split import SplitWalk
from layerscope.layers.readers.tar_split_records import records_of
from layerscope.layers.readers.toc.locate import (
    LONGEST_FOOTER,
    TableAt,
    locate_by_annotations,
    locate_by_footer,
    promises_table,
)
from layerscope.layers.readers.toc.table import BadTable, TableOfContents, table_of_contents
from layerscope.layers.table import Entries, LayerTable
from layerscope.layers.tar.headers import BLOCK
from layerscope.limits import TABLE_BYTES

TAIL, LARGEST_TAIL = 64 << 10, 1 << 20
"""Bytes first fetched of a blob that promises a table: the last 1/64 of it, within these bounds. Usually the table is in it."""
SHARE = 40
"""Bytes that only make the result more exact are fetched if they are at most 1/40 of the blob, or in its tail anyway."""
LARGEST_SPLIT = 16 << 20
"""Unpacked bytes of a tar-split record that is read, too: 20,000 entries, 0.3 s. It tells the exact length of the tar."""
_LANDMARKS = {b".prefetch.landmark", b".no.prefetch.landmark"}
_STARGZ_MEMBER = b"stargz.index.json"
_TAR_END = bytes(2 * BLOCK)


class _Tail:
    """The end of a blob, as far as it was fetched."""

    def __init__(self, blob: StoredBytes) -> None:
        self.blob = blob
        self.start = blob.size
        self._held = b""

    def reach(self, start: int) -> None:
        """Fetch what is missing from the stored offset `start` on, up to what is held already."""
        if start < self.start:
            self._held = self.blob.read(start, self.start - start) + self._held
            self.start = start

    def part(self, start: int, size: int) -> bytes:
        """Return `size` bytes from the stored offset `start` on, separately if they end far before what is held already."""
        if start + size + TAIL < self.start:
            return self.blob.read(start, size)
        self.reach(start)
        return self._held[start - self.start : start - self.start + size]


def read_by_table(blob: StoredBytes, annotations: Mapping[str, str], *, layer: int) -> ReadLayer | None:
    """Read a layer by its table of contents, in one or two requests for parts of the blob's end. None if there is no table.

    Raises CorruptLayer for a table that is damaged, contradicts itself, or is not the one that the annotations name.
    """
    tail = _Tail(blob)
    at = locate_by_annotations(annotations, blob.size)
    if at is None:
        # Most layers that promise nothing have nothing: of those, no more than a footer is fetched.
        wanted = min(max(blob.size >> 6, TAIL), LARGEST_TAIL) if promises_table(annotations) else LONGEST_FOOTER
        tail.reach(max(0, blob.size - wanted))
        at = locate_by_footer(tail.part(tail.start, blob.size), blob.size, annotations)
    if at is None:
        if promises_table(annotations):
            raise BadTable("its annotations speak of a table of contents, and there is none")
        return None
    if at.table.start < tail.start and at.compression is Compression.GZIP:  # with what comes before it, which tells its end
        tail.reach(max(0, at.table.start - TAIL))
    said = _table(tail, at, layer)
    table = _with_split(tail, at, said, layer) if at.compression is Compression.ZSTD else said.table
    return ReadLayer(table, at.compression, stored_contents=said.contents)


def _table(tail: _Tail, at: TableAt, layer: int) -> TableOfContents:
    stored = tail.part(at.table.start, at.table.size)
    if at.compression is Compression.ZSTD:
        _check(stored, at.checksum)
        raw = _unpacked(stored, at.table.unpacked)
        said = table_of_contents(raw, layer=layer, stop=at.table.start)
        return replace(said, table=replace(said.table, unpacked_bytes=said.tar_bytes + len(_TAR_END)))
    member = _unpacked(stored, -1)
    own = read_pieces([member], layer=layer)
    if own.entries.paths.tolist() != [_STARGZ_MEMBER] or own.problems:
        raise BadTable("its table of contents is no stargz.index.json")
    begin = int(own.entries.content_offset[0])
    raw = member[begin : begin + int(own.entries.size[0])]
    _check(raw, at.checksum)
    said = table_of_contents(raw, layer=layer, stop=at.table.start)
    at = replace(at, table=replace(at.table, unpacked=len(member)))
    is_behind = _is_behind_tar(tail, at, said)
    known = at.tar_bytes if at.tar_bytes >= 0 else said.tar_bytes + len(member) + (len(_TAR_END) if is_behind else 0)
    said = replace(said, table=replace(said.table, unpacked_bytes=known))
    return said if is_behind else _with_own_entry(said, own, begin, at)


def _check(raw: bytes, checksum: str) -> None:
    if checksum and checksum != f"sha256:{hashlib.sha256(raw).hexdigest()}":
        raise BadTable("its table of contents has another checksum than its annotation says")


def _unpacked(stored: bytes, length: int) -> bytes:
    """Unpack a table of contents. Raises BadTable unless it has `length` bytes (-1: not stated), at most TABLE_BYTES."""
    if length > TABLE_BYTES:
        raise BadTable(f"its table of contents has {length} bytes")
    pieces, done = [], 0
    for piece in unpack(Blob.of_bytes(stored)):
        done += len(piece)
        if done > (length if length >= 0 else TABLE_BYTES):
            raise BadTable("its table of contents unpacks to more than it says")
        pieces.append(piece)
    if length not in (-1, done):
        raise BadTable("its table of contents unpacks to less than it says")
    return b"".join(pieces)


def _is_behind_tar(tail: _Tail, at: TableAt, said: TableOfContents) -> bool:
    """Tell whether the layer's tar ends before its table of contents, as BuildKit writes it; then the table is no file of it.

    The table does not say so. Tools that sort the files write a new tar, with the table inside, and add a landmark file to it.
    Without a landmark, the last gzip member before the table is fetched, to see whether it ends in a tar's end marker. If it
    is too large, the sum of all sizes tells.
    """
    if not _LANDMARKS.isdisjoint(said.table.entries.paths.tolist()):
        return False
    first, stop = said.last_start, at.table.start
    if first >= tail.start or stop - first <= max(TAIL, tail.blob.size // SHARE):
        return _unpacked(tail.part(first, stop - first), -1).endswith(_TAR_END)
    return at.tar_bytes < 0 or at.tar_bytes > said.tar_bytes + at.table.unpacked


def _with_own_entry(said: TableOfContents, own: LayerTable, begin: int, at: TableAt) -> TableOfContents:
    """Add stargz.index.json, which every engine unpacks, as the last file."""
    old, count = said.contents, len(said.contents.start)
    mine = replace(own.entries, content_offset=np.array([count]), content_id=np.zeros((1, 2), np.uint64))
    contents = StoredContents(
        np.append(old.start, at.table.start),
        np.append(old.end, at.table.end),
        np.append(old.inner, begin),
        np.concatenate([old.sha256, np.zeros((1, 32), np.uint8)]),
    )
    return replace(said, table=replace(said.table, entries=Entries.join([said.table.entries, mine])), contents=contents)


def _with_split(tail: _Tail, at: TableAt, said: TableOfContents, layer: int) -> LayerTable:
    """Return the exact table in zstd:chunked's tar-split record, if that is worth fetching; else the table of contents' own.

    Raises BadTable if the two differ.
    """
    part = at.split
    if part is None or not said.split_digest or part.unpacked > LARGEST_SPLIT:
        return said.table
    if part.start < tail.start and part.size > tail.blob.size // SHARE:
        return said.table
    stored = tail.part(part.start, part.size)
    _check(stored, said.split_digest)
    walk = SplitWalk(layer)
    for records in records_of(Blob.of_bytes(stored)):
        walk.take(records)
    walk.finish()
    walk.flush()
    exact, entries = walk.table(""), said.table.entries
    same = all(np.array_equal(getattr(exact.entries, name), getattr(entries, name)) for name in ("kind", "size"))
    if not same or exact.entries.paths.tolist() != entries.paths.tolist():
        raise BadTable("its table of contents and its tar-split record differ")
    columns = replace(exact.entries, content_offset=entries.content_offset, content_id=entries.content_id)
    return replace(exact, entries=columns, sparse={})
