"""A reader of bbolt databases (go.etcd.io/bbolt, `page.go`, `bucket.go`): a B+tree of nested buckets in one file.

The engine holds the file's lock as long as it runs, so none is taken. It never overwrites the pages of the last transaction: a
copy made at once is whole, unless two transactions ended meanwhile. Numbers have the machine's own byte order; all machines
that run containers are little-endian, except s390x.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from layerscope.sources.storage.unreadable import MAX_DATABASE, StorageUnreadable, read_bytes
from layerscope.text import escape

MAGIC = 0xED0CDAED
BRANCH, LEAF, META = 0x01, 0x02, 0x04
IS_BUCKET = 0x01
MAX_DEPTH = 32
ATTEMPTS = 3
_PAGE = struct.Struct("=QHHI")  # id, flags, count, overflow
_META = struct.Struct("=IIIIQQQQQQ")  # magic, version, page size, flags, root, sequence, freelist, pages, transaction, checksum
_LEAF = struct.Struct("=IIII")  # flags, offset from here, length of the key, of the value
_BRANCH = struct.Struct("=IIQ")  # offset from here, length of the key, page
_BUCKET = struct.Struct("=QQ")  # root page, sequence
_OFFSET_BASIS, _PRIME = 0xCBF29CE484222325, 0x100000001B3


T = TypeVar("T")


class _Damaged(Exception):
    """The bytes are not a database, or two transactions ended while they were read."""


def read_bolt(path: Path, use: Callable[[Bucket], T]) -> T:
    """Call `use` with the outermost bucket of a database and return its result. Raises StorageUnreadable.

    `use` may be called again, with a new copy, when this one proves to be torn.
    """
    damage = ""
    for _ in range(ATTEMPTS):
        raw = read_bytes(path, MAX_DATABASE + 1)
        if len(raw) > MAX_DATABASE:
            raise StorageUnreadable(f"{escape(str(path))} is longer than {MAX_DATABASE >> 20} MiB")
        try:
            return use(_BoltReader(raw).outermost())
        except (_Damaged, struct.error) as error:
            damage = str(error)
    raise StorageUnreadable(f"{escape(str(path))} is damaged, or written to all the time: {damage}")


@dataclass(frozen=True, slots=True, eq=False)
class Bucket:
    """One bucket of a database. Nested buckets are not read until they are asked for."""

    values: dict[bytes, bytes]
    _inner: dict[bytes, bytes]
    _reader: _BoltReader

    def buckets(self) -> Iterator[tuple[bytes, Bucket]]:
        """Yield the nested buckets with their names."""
        for name, value in self._inner.items():
            yield name, self._reader.bucket(value)

    def bucket(self, name: bytes) -> Bucket:
        """Return the nested bucket of that name; an empty one if there is none."""
        return self._reader.bucket(self._inner[name]) if name in self._inner else Bucket({}, {}, self._reader)


class _BoltReader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        metas = [meta for start in (0, *_page_sizes(raw)) if (meta := _meta(raw, start))]
        if not metas:
            raise _Damaged("it has no page that says where its data is")
        _, self._page_size, self._root = max(metas)
        self._left = len(raw)  # far more pages than there are: a reader that needs them all is in a loop

    def outermost(self) -> Bucket:
        """Return the bucket that contains all others."""
        return self._bucket(self._root, b"")

    def bucket(self, value: bytes) -> Bucket:
        """Decode the nested bucket that is stored in `value`."""
        root, _sequence = _BUCKET.unpack_from(value)
        return self._bucket(root, value[_BUCKET.size :])

    def _bucket(self, root: int, inline: bytes) -> Bucket:
        elements = list(self._elements(root, inline, 0))
        values = {key: value for flags, key, value in elements if not flags & IS_BUCKET}
        return Bucket(values, {key: value for flags, key, value in elements if flags & IS_BUCKET}, self)

    def _elements(self, root: int, inline: bytes, depth: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield flags, key and value of every element below a page; a small bucket stores its page `inline`."""
        if depth > MAX_DEPTH:
            raise _Damaged("it is nested too deeply")
        page = self._page(root) if root else inline
        _, kind, count, _ = _PAGE.unpack_from(page)
        for start in range(_PAGE.size, _PAGE.size + 16 * count, 16):
            if kind & LEAF:
                flags, offset, key, value = _LEAF.unpack_from(page, start)
                yield flags, *_cut(page, start + offset, key, value)
            elif kind & BRANCH:
                yield from self._elements(_BRANCH.unpack_from(page, start)[2], b"", depth + 1)
            else:
                raise _Damaged(f"page {root} holds no data")

    def _page(self, number: int) -> bytes:
        """Return a page with its overflow pages."""
        self._left -= 1
        start = number * self._page_size
        if self._left < 0 or start + _PAGE.size > len(self._raw):
            raise _Damaged(f"page {number} is missing")
        own, _, _, overflow = _PAGE.unpack_from(self._raw, start)
        if own != number:
            raise _Damaged(f"page {number} calls itself {own}")
        return self._raw[start : start + (overflow + 1) * self._page_size]


def _meta(raw: bytes, start: int) -> tuple[int, int, int] | None:
    """Return transaction, page size and root page from the meta page at `start`; None if it is invalid or half written."""
    if len(raw) < start + _PAGE.size + _META.size or not _PAGE.unpack_from(raw, start)[1] & META:
        return None
    start += _PAGE.size
    magic, _, size, _, root, _, _, _, transaction, checksum = _META.unpack_from(raw, start)
    if magic != MAGIC or not size or checksum != _fnv(raw[start : start + _META.size - 8]):
        return None
    return transaction, size, root


def _page_sizes(raw: bytes) -> list[int]:
    """List the offsets where the second meta page may start: after one page, whose size the first may fail to state."""
    return [1 << bits for bits in range(10, 17) if 1 << bits < len(raw)]


def _cut(page: bytes, start: int, key: int, value: int) -> tuple[bytes, bytes]:
    if start + key + value > len(page):
        raise _Damaged("a value that leaves its page")
    return page[start : start + key], page[start + key : start + key + value]


def _fnv(data: bytes) -> int:
    """Hash with FNV-1a, 64 bits."""
    found = _OFFSET_BASIS
    for byte in data:
        found = (found ^ byte) * _PRIME & 0xFFFFFFFFFFFFFFFF
    return found
