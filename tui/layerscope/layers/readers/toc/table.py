"""Decodes a layer's table of contents, JSON in CRFS's form, which eStargz and zstd:chunked share, into a LayerTable.

A table of contents is only a claim about a layer. A table that contradicts itself, or that no known tool would write, is not
believed at all: the layer's tar is read instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer
from layerscope.layers.compression import unpacked_limit
from layerscope.layers.content_ids import sha_ids
from layerscope.layers.fetched import StoredContents
from layerscope.layers.table import Kind, LayerTable
from layerscope.layers.tar.collect import Collector
from layerscope.layers.tar.headers import BLOCK, HeaderBatch
from layerscope.limits import TABLE_ENTRIES, TABLE_ENTRY

BATCH_BYTES = 2 << 20
"""JSON decoded at a time, in bytes: some thousand entries."""
CHUNK, NOT_KNOWN = "chunk", "0" * 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {
    "reg": Kind.FILE,
    "hardlink": Kind.HARDLINK,
    "symlink": Kind.SYMLINK,
    "char": Kind.CHAR,
    "block": Kind.BLOCK,
    "dir": Kind.DIRECTORY,
    "fifo": Kind.FIFO,
}
_PREFIX = "sha256:"
LOST = "\N{REPLACEMENT CHARACTER}"
"""What Go writes for bytes that are no UTF-8: the name is lost."""

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 60)]
Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 45)]
"""Far above any layer, and so small that the sum over a batch of entries fits into 64 bits."""
Longs = npt.NDArray[np.int64]


class BadTable(CorruptLayer):
    """A table of contents that is damaged or not believed. Readers of layers then read the layer itself."""


class _Entry(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One entry, or a further chunk of the file before it. `offset` is in the blob, `inner_offset` in its unpacked member."""

    name: str
    type: str
    size: Size = 0
    modtime: str = ""
    link_name: str = ""
    mode: Count = 0
    uid: Count = 0
    gid: Count = 0
    dev_major: Count = 0
    dev_minor: Count = 0
    xattrs: dict[str, bytes] | None = None
    digest: str = ""
    offset: Count = 0
    inner_offset: Count = 0
    chunk_offset: Count = 0
    chunk_size: Count = 0


class _Object(msgspec.Struct, frozen=True, gc=False):
    """Any JSON object, whose fields are all ignored."""


class _Shape(msgspec.Struct, frozen=True):
    """The table, decoded only to check that its entries are objects: of anything shorter there could be a hundred million."""

    entries: list[_Object]


class _Toc(msgspec.Struct, frozen=True, rename="camel"):
    version: int
    entries: list[msgspec.Raw]
    tar_split_digest: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TableOfContents:
    """What a table of contents says. `split_digest` is that of a tar-split record beside it, empty if there is none.

    `tar_bytes` is how long the headers and contents of all entries are in a tar, if each entry has one header, and `last_start`
    the stored offset at which the last part of a content starts. The table does not know its own `unpacked_bytes`.
    """

    table: LayerTable
    contents: StoredContents
    split_digest: str
    tar_bytes: int
    last_start: int


def table_of_contents(raw: bytes, *, layer: int, stop: int) -> TableOfContents:
    """Read the JSON of a table that lies at the stored offset `stop`, behind all contents. Raises BadTable."""
    if raw.count(b"{") > 2 * TABLE_ENTRIES:  # an entry has one, and perhaps a second for its xattrs
        raise BadTable("its table of contents has too many entries")
    try:
        msgspec.json.decode(raw, type=_Shape)
        toc = msgspec.json.decode(raw, type=_Toc)
        if toc.version != 1 or len(toc.entries) > TABLE_ENTRIES:
            raise BadTable(f"a table of contents of version {toc.version} with {len(toc.entries)} entries")
        rows = _TableRows(layer)
        for batch in _batches(toc.entries):
            rows.add(batch)
            if rows.tar_bytes > unpacked_limit(stop):
                raise BadTable(f"its table of contents has more than {unpacked_limit(stop)} bytes of files")
        table, contents = rows.collector.table(unpacked_bytes=0), rows.contents(stop)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise BadTable(f"its table of contents is damaged ({type(error).__name__})") from error
    paths = table.entries.paths.tolist()
    if len(set(paths)) != len(paths):
        raise BadTable("its table of contents has two entries of one path")
    return TableOfContents(table, contents, toc.tar_split_digest, rows.tar_bytes, rows.last_start)


def _batches(entries: list[msgspec.Raw]) -> Iterator[list[_Entry]]:
    """Yield the decoded entries, some thousand at a time: a million of them at once would take a gigabyte."""
    decoder = msgspec.json.Decoder(list[_Entry])
    sizes = np.fromiter((len(memoryview(entry)) for entry in entries), np.int64, len(entries))
    if len(entries) and sizes.max() > TABLE_ENTRY:
        raise BadTable(f"its table of contents has an entry of {sizes.max()} bytes")
    ends = np.cumsum(sizes)
    first = 0
    while first < len(entries):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + BATCH_BYTES)))
        yield decoder.decode(b"[" + b",".join(entries[first:last]) + b"]")
        first = last


class Moments:
    """Reads RFC 3339 times and remembers results, because a layer has few different times."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {"": 0}

    def seconds(self, stated: str) -> int:
        """Return the seconds since 1970. Raises ValueError and TypeError for what is no time, or has no zone."""
        known = self._known.get(stated)
        if known is None:
            known = (datetime.fromisoformat(stated) - EPOCH) // timedelta(seconds=1)
            if len(self._known) < TABLE_ENTRY:
                self._known[stated] = known
        return known


@dataclass(slots=True, eq=False)
class _Pieces:
    """All stored parts of contents, in order, as columns in several parts; `row` is the number of the entry they belong to."""

    row: list[Longs] = field(default_factory=list)
    offset: list[Longs] = field(default_factory=list)
    inner: list[Longs] = field(default_factory=list)
    chunk_offset: list[Longs] = field(default_factory=list)
    chunk_size: list[Longs] = field(default_factory=list)


class _TableRows:
    """Collects decoded entries, some thousand at a time, and makes a LayerTable of them.

    `tar_bytes` and `last_start` have the same meaning as in TableOfContents.
    """

    def __init__(self, layer: int) -> None:
        self.collector = Collector(layer)
        self.tar_bytes = self.last_start = 0
        self._pieces = _Pieces()
        self._sizes: list[Longs] = []
        self._kinds: list[npt.NDArray[np.uint8]] = []
        self._digests: list[npt.NDArray[np.uint8]] = []
        self._count = 0
        self._last = ""
        self._moments = Moments()

    def add(self, batch: list[_Entry]) -> None:
        """Add the next batch of entries, with one Python loop for each column."""
        is_chunk = np.array([entry.type == CHUNK for entry in batch], bool)
        self._check_names(batch, is_chunk)
        row = self._count - 1 + np.cumsum(~is_chunk)
        entries = [entry for entry in batch if entry.type != CHUNK]
        kinds = np.array([KINDS[entry.type] if entry.type in KINDS else _no_kind(entry.type) for entry in entries], np.uint8)
        sizes = _column("size", entries) * (kinds == Kind.FILE)
        has_content = is_chunk.copy()
        has_content[~is_chunk] = sizes > 0
        of_content = [entry for entry, wanted in zip(batch, has_content.tolist(), strict=True) if wanted]
        pieces = self._pieces
        pieces.row.append(row[has_content])
        pieces.offset.append(_column("offset", of_content))
        self.last_start = int(pieces.offset[-1][-1]) if of_content else self.last_start
        pieces.inner.append(_column("inner_offset", of_content))
        pieces.chunk_offset.append(_column("chunk_offset", of_content))
        pieces.chunk_size.append(_column("chunk_size", of_content))
        self._sizes.append(sizes)
        self._kinds.append(kinds)
        self._digests.append(_digests(entries, sizes))
        self.tar_bytes += int((BLOCK + (sizes + BLOCK - 1) // BLOCK * BLOCK).sum())
        if entries:
            self.collector.take(self._batch(entries, kinds, sizes), sparse={})
        self._count += len(entries)

    def _check_names(self, batch: list[_Entry], is_chunk: npt.NDArray[np.bool_]) -> None:
        """Raise BadTable for a chunk of another file than the one before it, and for names that JSON could not carry."""
        if is_chunk.any():
            for entry, chunked in zip(batch, is_chunk.tolist(), strict=True):
                if chunked and entry.name != self._last:
                    raise BadTable("its table of contents has a chunk of no file")
                self._last = entry.name
        self._last = batch[-1].name
        text = "\n".join(chain(map(attrgetter("name"), batch), map(attrgetter("link_name"), batch)))
        if LOST in text or "\0" in text:
            raise BadTable("its table of contents has a name that is no UTF-8")

    def _batch(self, entries: list[_Entry], kinds: npt.NDArray[np.uint8], sizes: Longs) -> HeaderBatch:
        linked = np.flatnonzero((kinds == Kind.HARDLINK) | (kinds == Kind.SYMLINK)).tolist()
        devices = np.flatnonzero((kinds == Kind.CHAR) | (kinds == Kind.BLOCK)).tolist()
        return HeaderBatch(
            names=[entry.name.encode() for entry in entries],
            links={row: entries[row].link_name.encode() for row in linked},
            kind=kinds,
            mode=_column("mode", entries),
            uid=_column("uid", entries),
            gid=_column("gid", entries),
            mtime=np.fromiter(map(self._moments.seconds, map(attrgetter("modtime"), entries)), np.int64, len(entries)),
            size=sizes,
            content_offset=np.arange(self._count, self._count + len(entries)),
            content_id=sha_ids(self._digests[-1]),
            devices={row: (entries[row].dev_major, entries[row].dev_minor) for row in devices},
            xattrs={row: _xattrs(entry.xattrs) for row, entry in enumerate(entries) if entry.xattrs},
            problems=[],
            faults=[],
        )

    def contents(self, stop: int) -> StoredContents:
        """Return where all contents are stored.

        Raises BadTable for offsets outside the blob or out of order, and for chunks that do not add up to their file.
        """
        count = self._count
        row, offset, inner = (_joined(part) for part in (self._pieces.row, self._pieces.offset, self._pieces.inner))
        sizes = _joined(self._sizes)
        if len(offset) and (offset.max() >= stop or (np.diff(offset) < 0).any()):
            raise BadTable("its table of contents has offsets outside of the layer, or in no order")
        self._check_chunks(row, sizes)
        start, end, begin = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
        first = np.flatnonzero(np.diff(row, prepend=-1))
        start[row[first]], begin[row[first]] = offset[first], inner[first]
        last = np.append(first[1:], len(row))[: len(first)] - 1
        bounds = np.append(np.unique(offset), stop)
        end[row[first]] = bounds[np.searchsorted(bounds, offset[last], side="right")]
        digests = np.concatenate(self._digests) if self._digests else np.zeros((0, 32), np.uint8)
        return StoredContents(start, end, begin, digests)

    def _check_chunks(self, row: Longs, sizes: Longs) -> None:
        if not len(row):
            return
        kinds = np.concatenate(self._kinds)
        if row.min() < 0 or (kinds[row] != Kind.FILE).any() or not sizes[row].all():
            raise BadTable("its table of contents has a chunk of no file")
        begin, length = _joined(self._pieces.chunk_offset), _joined(self._pieces.chunk_size)
        is_last = np.append(np.diff(row) != 0, True)
        is_first = np.insert(is_last[:-1], 0, True)
        length = np.where((length == 0) & is_last, sizes[row] - begin, length)
        reached = begin + length
        is_wrong = (length <= 0) | (is_last & (reached != sizes[row])) | (is_first & (begin != 0))
        is_wrong[1:] |= ~is_first[1:] & (begin[1:] != reached[:-1])
        if is_wrong.any():
            raise BadTable("its table of contents has chunks that do not add up to their file")


def _no_kind(stated: str) -> int:
    raise BadTable(f"its table of contents has an entry of the unknown type {stated[:20]!a}")


def _column(name: str, entries: list[_Entry]) -> Longs:
    return np.fromiter(map(attrgetter(name), entries), np.int64, len(entries))


def _joined(parts: list[Longs]) -> Longs:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _digests(entries: list[_Entry], sizes: Longs) -> npt.NDArray[np.uint8]:
    """Return the sha256 of each content, shape (n, 32); zeros for empty contents, and where no sha256 is stated."""
    length = len(_PREFIX) + len(NOT_KNOWN)
    stated = [
        digest[len(_PREFIX) :] if size and len(digest) == length and digest.startswith(_PREFIX) else NOT_KNOWN
        for digest, size in zip(map(attrgetter("digest"), entries), sizes.tolist(), strict=True)
    ]
    digests = bytes.fromhex("".join(stated))
    if len(digests) != 32 * len(entries):
        raise BadTable("its table of contents has a digest that is none")
    return np.frombuffer(digests, np.uint8).reshape(-1, 32)


def _xattrs(stated: dict[str, bytes]) -> dict[bytes, bytes]:
    if any(LOST in name for name in stated):
        raise BadTable("its table of contents has an xattr whose name is no UTF-8")
    return {name.encode(): value for name, value in stated.items()}
