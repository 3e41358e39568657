"""One header under the exact path: its size field, what lies after it, and where a sparse file's content is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from layerscope.errors import CorruptLayer
from layerscope.layers.headers import BLOCK
from layerscope.layers.numbers import parse_field
from layerscope.layers.pax import Overrides
from layerscope.layers.sparse import MAX_RUNS, parse_content_map, parse_header_runs, runs_of
from layerscope.layers.table import SparseMap

MAX_SIZE = 1 << 62
MAX_SPARSE = 1 << 44
"""The largest sparse file we believe, in bytes: ext4's limit. Sums of many still fit a column."""


class Buffer(Protocol):
    """What slices to bytes: bytes themselves, or a memory map."""

    def __getitem__(self, index: slice, /) -> bytes: ...


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """One header under the exact path: its block and size field, and where it stands."""

    block: bytes
    size: int
    buffer: Buffer
    position: int
    end: int
    shift: int

    @property
    def offset(self) -> int:
        """Its offset in the unpacked tar, for messages."""
        return self.position + self.shift

    def following(self, distance: int, length: int) -> bytes:
        """`length` bytes from `distance` after the header's start, fewer where the buffer ends."""
        start = self.position + distance
        return self.buffer[start : max(start, min(start + length, self.end))]


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Where an entry's content starts in the buffer, its unpacked size, and its map if it is sparse."""

    position: int
    size: int
    sparse: SparseMap | None = None


def size_field(block: bytes, offset: int) -> int:
    """The size that a header at `offset` states. Raises CorruptLayer when it is no number, negative or absurd."""
    try:
        size = parse_field(block[124:136])
    except ValueError as error:
        raise CorruptLayer(f"the size of the entry at offset {offset} is not a number ({error})") from error
    if not 0 <= size <= MAX_SIZE:
        raise CorruptLayer(f"an entry of {size} bytes at offset {offset}")
    return size


def content_of(header: Header, override: Overrides, stored: int) -> Content | None:
    """Find the content of an entry that stores `stored` bytes; None when the buffer must reach further first.

    Raises ValueError for a damaged sparse map.
    """
    if header.block[156:157] == b"S":
        found = _old_sparse(header)
    elif override.map_in_content:
        found = _mapped_content(header, override, stored)
    else:
        size = stored if override.sparse_size is None or override.sparse is None else override.sparse_size
        found = Content(header.position + BLOCK, size, override.sparse)
    if found and found.sparse and not _fits(found.sparse, found.size):
        raise ValueError(f"its map does not fit a file of {found.size} bytes")
    return found


def _fits(sparse: SparseMap, size: int) -> bool:
    return 0 <= size <= MAX_SPARSE and (not sparse.runs or sum(sparse.runs[-1]) <= size)


def _mapped_content(header: Header, override: Overrides, stored: int) -> Content | None:
    """GNU's PAX form 1.0: the map comes before the content."""
    head = header.following(BLOCK, stored)
    found = parse_content_map(head)
    if found is None:
        if len(head) == stored:
            raise ValueError("its map does not end")
        return None
    sparse, length = found
    return Content(header.position + BLOCK + length, stored if override.sparse_size is None else override.sparse_size, sparse)


def _old_sparse(header: Header) -> Content | None:
    """GNU tar's old form: four runs in the header, more in extension blocks after it."""
    numbers = parse_header_runs(header.block, 386, 4)
    distance, more = BLOCK, header.block[482]
    while more and distance <= MAX_RUNS // 21 * BLOCK:
        extension = header.following(distance, BLOCK)
        if len(extension) < BLOCK:
            return None
        numbers += parse_header_runs(extension, 0, 21)
        distance, more = distance + BLOCK, extension[504]
    return Content(header.position + distance, parse_field(header.block[483:495]), runs_of(numbers))
