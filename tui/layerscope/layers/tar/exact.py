"""Reads one tar header exactly, where the fast path does not apply: its size, and where its content is, even if sparse."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.errors import CorruptLayer
from layerscope.layers.table import SparseMap
from layerscope.layers.tar.headers import BLOCK, is_gnu
from layerscope.layers.tar.numbers import parse_field
from layerscope.layers.tar.sparse import MAX_RUNS, Run, SparseRecords, checked_map, parse_content_map, parse_header_runs

MAX_SIZE = 1 << 62
MAX_MAP = 8 << 20
"""The longest map of a sparse file that is read, in bytes; 131,072 runs of the longest numbers take less."""
SHORT_MAP = 64 << 10


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """One header that is read exactly: its block, its size field, and its `position` in `buffer`.

    `end` is where `buffer` ends; a position in it plus `shift` is the offset in the unpacked tar.
    """

    block: bytes
    size: int
    buffer: bytes
    position: int
    end: int
    shift: int

    @property
    def offset(self) -> int:
        """Return its offset in the unpacked tar, for messages."""
        return self.position + self.shift

    def following(self, distance: int, length: int) -> bytes:
        """Return `length` bytes from `distance` after the header's start; fewer where the buffer ends."""
        start = self.position + distance
        return self.buffer[start : max(start, min(start + length, self.end))]


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Where an entry's content starts in the buffer, its unpacked size, and its map if it is sparse.

    `fault` says why no engine takes it, although it can be read.
    """

    position: int
    size: int
    sparse: SparseMap | None = None
    fault: str = ""


def size_field(block: bytes, offset: int) -> int:
    """Return the size that the header at `offset` states. Raises CorruptLayer when it is not a number, or absurd."""
    try:
        size = parse_field(block[124:136])
    except ValueError as error:
        raise CorruptLayer(f"the size of the entry at offset {offset} is not a number ({error})") from error
    if size > MAX_SIZE:
        raise CorruptLayer(f"an entry of {size} bytes at offset {offset}")
    return size


def content_of(header: Header, records: SparseRecords | None, stored: int) -> Content | None:
    """Find the content of an entry that stores `stored` bytes; None when the buffer ends before that can be told.

    Raises ValueError for a damaged sparse map.
    """
    if header.block[156:157] == b"S":
        return _old_sparse(header, stored)
    if records is None:
        return Content(header.position + BLOCK, stored)
    size = stored if records.size is None else records.size
    if records.runs is not None:
        return _sparse(header.position + BLOCK, records.runs, size, stored, records.fault)
    head = header.following(BLOCK, min(stored, SHORT_MAP))
    found = parse_content_map(head) or parse_content_map(head := header.following(BLOCK, min(stored, MAX_MAP)))
    if found is None:
        if len(head) == min(stored, MAX_MAP):
            raise ValueError("its map does not end")
        return None
    runs, length = found
    return _sparse(header.position + BLOCK + length, runs, size, stored - length, records.fault)


def _sparse(position: int, runs: tuple[Run, ...], size: int, stored: int, fault: str) -> Content:
    """Find the content of a sparse file. Go rejects a file whose runs are longer or shorter in total than its stored bytes."""
    sparse = checked_map(runs, size)
    held = sum(length for _, length in runs)
    if held > stored:
        raise ValueError(f"its map describes {held} bytes, {stored} are stored")
    if held < stored:
        fault = f"a sparse file that stores {stored} bytes, {stored - held} of them outside its map"
    return Content(position, size, sparse, fault)


def _old_sparse(header: Header, stored: int) -> Content | None:
    """Find the content of GNU tar's old sparse form: four runs in the header, more in extension blocks after it.

    No engine accepts this type. None when the buffer ends before the extension blocks do.
    """
    fault = "an entry of type b'S', an old GNU sparse file"
    if not is_gnu(header.block):
        return Content(header.position + BLOCK, stored, fault=fault)
    runs = parse_header_runs(header.block, 386, 4)
    distance, more = BLOCK, header.block[482]
    while more:
        extension = header.following(distance, BLOCK)
        if len(extension) < BLOCK:
            return None
        if len(runs) > MAX_RUNS or distance > MAX_RUNS // 21 * BLOCK:
            raise CorruptLayer(f"a sparse file of more than {MAX_RUNS} runs at offset {header.offset}")
        runs += parse_header_runs(extension, 0, 21)
        distance, more = distance + BLOCK, extension[504]
    found = _sparse(header.position + distance, tuple(runs), parse_field(header.block[483:495]), stored, fault)
    return Content(found.position, found.size, found.sparse, fault)
