"""The walk from header to header of a tar: a tight loop over plain headers, and an exact step for all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer
from layerscope.layers.headers import (
    BLOCK,
    KINDS,
    UNKNOWN,
    Headers,
    Rows,
    decode,
    first_bad_checksum,
    has_good_checksum,
    header_table,
    problems_of,
)
from layerscope.layers.names import Markers, normalise, sort_out
from layerscope.layers.numbers import parse_field
from layerscope.layers.pax import Overrides, apply_records, parse_records
from layerscope.layers.sparse import parse_content_map, parse_header_runs, runs_of
from layerscope.layers.table import Entries, Kind, LayerTable, Omitted, Problem, SparseMap

BATCH = 2048
"""Headers decoded at a time: 1 MB of them, which stays in the processor's cache."""
MAX_EXTENDED = 16 << 20
"""The largest extended header we believe, in bytes; real ones stay under 100 KiB."""
MAX_PATH = 4096
"""Linux's PATH_MAX. Each directory of a path is a node with its own path: longer ones cost memory by the square."""
MAX_SHOWN = 100
MAX_SIZE = 1 << 62
MAX_SPARSE = 1 << 44
"""The largest sparse file we believe, in bytes: ext4's limit. Sums of many still fit a column."""
ZERO_BLOCK = bytes(BLOCK)
REGULAR = b"\x0007"
HEADER_ONLY = b"123456"
NO_OVERRIDES = Overrides()

Mask = npt.NDArray[np.bool_]


class Buffer(Protocol):
    """What slices to bytes: bytes themselves, or a memory map."""

    def __getitem__(self, index: slice, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Header:
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


class HeaderWalk:
    """Collects the entries of one tar from buffers handed to `advance`, in order, and makes the table of them.

    `is_done` says that the end marker was seen, `awaits_entry` that an extended header was and its entry was not. Raises
    CorruptLayer, naming the offset in the unpacked tar, where the walk cannot go on; what was collected before stays and
    `table` gives it.
    """

    def __init__(self, layer: int) -> None:
        self.layer = layer
        self.rows = Rows()
        self.is_done = False
        self.awaits_entry = False
        self._parts: list[Entries] = []
        self._count = 0
        self._markers = Markers()
        self._omitted: list[Omitted] = []
        self._problems: list[Problem] = []
        self._sparse: dict[int, SparseMap] = {}
        self._xattrs: dict[int, dict[bytes, bytes]] = {}
        self._globals = NO_OVERRIDES
        self._next = NO_OVERRIDES

    def advance(self, buffer: Buffer, position: int, stop: int, end: int, shift: int) -> int:
        """Take the headers that start before `stop`; `end` is how far `buffer` reaches, `shift` its offset in the tar.

        Returns where the next header starts: at or after `stop`, or before it when the buffer does not hold all that
        belongs to that header, or when a batch is full.
        """
        while position < stop and not self.is_done and len(self.rows.blocks) < BATCH:
            if not self.awaits_entry and self._globals is NO_OVERRIDES:
                position = self._hop(buffer, position, min(stop, end - BLOCK + 1), shift)
                if position >= stop or len(self.rows.blocks) >= BATCH:
                    break
            following = self._step(buffer, position, end, shift) if position + BLOCK <= end else None
            if following is None:
                break
            position = following
        return position

    def _hop(self, buffer: Buffer, position: int, stop: int, shift: int) -> int:
        """The fast path: plain headers only. 0.5 us a header, so everything here counts."""
        rows = self.rows
        blocks, add_block, add_offset, add_size = rows.blocks, rows.blocks.append, rows.offsets.append, rows.sizes.append
        room = BATCH - len(blocks)
        while position < stop and room:
            block = buffer[position : position + BLOCK]
            flag = block[156]
            if flag in REGULAR:
                digits = block[124:135]
                if not digits.isdigit() or block[135] not in b"\0 ":
                    break
                try:
                    size = int(digits, 8)
                except ValueError:
                    break
            elif flag in HEADER_ONLY:
                size = 0
            else:
                break
            add_block(block)
            position += BLOCK
            add_offset(position + shift)
            add_size(size)
            position += (size + 511) & -512
            room -= 1
        return position

    def _step(self, buffer: Buffer, position: int, end: int, shift: int) -> int | None:
        """The exact path: one header of any sort. None when `buffer` must reach further first."""
        block = buffer[position : position + BLOCK]
        if block == ZERO_BLOCK:
            return self._end_marker(buffer, position, end, shift)
        offset = position + shift
        if not has_good_checksum(block):
            raise CorruptLayer(f"no tar header at offset {offset}: its checksum is wrong")
        header = _Header(block, _size_field(block, offset), buffer, position, end, shift)
        if block[156:157] in b"xgXLK":
            return self._extended(header)
        override = self._next if self._next is not NO_OVERRIDES else self._globals
        try:
            return self._entry(header, override)
        except ValueError as error:
            raise CorruptLayer(f"a damaged sparse file at offset {offset}: {error}") from error

    def _end_marker(self, buffer: Buffer, position: int, end: int, shift: int) -> int | None:
        """Two blocks of zeros end the tar (POSIX pax, "ustar Interchange Format"); one is taken for it at the very end."""
        second = buffer[position + BLOCK : min(position + 2 * BLOCK, end)]
        if len(second) < BLOCK:
            return None
        if second != ZERO_BLOCK:
            raise CorruptLayer(f"a lone block of zeros at offset {position + shift}, and more data after it")
        self.is_done = True
        return position + 2 * BLOCK

    def _extended(self, header: _Header) -> int | None:
        if header.size > MAX_EXTENDED:
            raise CorruptLayer(f"an extended header of {header.size} bytes at offset {header.offset}")
        body = header.following(BLOCK, header.size)
        if len(body) < header.size:
            return None
        try:
            self._take_extended(header.block[156:157], body)
        except ValueError as error:
            raise CorruptLayer(f"a damaged extended header at offset {header.offset}: {error}") from error
        self.awaits_entry = header.block[156:157] != b"g"
        return header.position + BLOCK + -(-header.size // BLOCK) * BLOCK

    def _take_extended(self, flag: bytes, body: bytes) -> None:
        base = self._next if self._next is not NO_OVERRIDES else self._globals
        if flag == b"g":
            self._globals = apply_records(self._globals, parse_records(body))
        elif flag in b"xX":
            self._next = apply_records(base, parse_records(body))
        else:
            field = b"path" if flag == b"L" else b"linkpath"
            self._next = apply_records(base, [(field, body.partition(b"\0")[0])])

    def _entry(self, header: _Header, override: Overrides) -> int | None:
        """Take one real entry; None when the buffer must reach further first. Raises ValueError for a damaged sparse map."""
        is_header_only = header.block[156] in HEADER_ONLY
        stored = 0 if is_header_only else header.size if override.size is None else override.size
        if not 0 <= stored <= MAX_SIZE:
            raise CorruptLayer(f"an entry of {stored} bytes at offset {header.offset}")
        found = _sparse_content(header, override, stored)
        if found is None:
            return None
        content, size, sparse = found
        self._add(header.block, content + header.shift, size, override, sparse)
        first = content if sparse is None or not override.map_in_content else header.position + BLOCK
        return first + -(-stored // BLOCK) * BLOCK

    def _add(self, block: bytes, offset: int, size: int, override: Overrides, sparse: SparseMap | None) -> None:
        self._next, self.awaits_entry = NO_OVERRIDES, False
        if KINDS[block[156]] == UNKNOWN:
            name = block[:100].partition(b"\0")[0] if override.path is None else override.path
            self._problems.append(Problem(self.layer, name, f"an entry of unknown type {block[156:157]!r}, left out"))
            return
        row = len(self.rows.blocks)
        self.rows.blocks.append(block)
        self.rows.offsets.append(offset)
        self.rows.sizes.append(size)
        if override is not NO_OVERRIDES:
            self.rows.overrides[row] = override
        if sparse is not None:
            self.rows.sparse[row] = sparse

    def keep_whole(self, position: int, total: int) -> None:
        """Raises CorruptLayer, after forgetting the entry, when the content before `position` reaches beyond the tar's
        `total` bytes.
        """
        if position <= total:
            return
        rows = self.rows
        row = len(rows.blocks) - 1
        if row >= 0 and row not in rows.sparse and rows.offsets[row] + rows.sizes[row] <= total:
            return
        start = rows.offsets[row] if row >= 0 else position
        rows.drop_from(max(row, 0))
        raise CorruptLayer(f"truncated: the bytes end at offset {total}, inside the content at offset {start}")

    def flush_when_full(self) -> None:
        """`flush` once a batch has come together."""
        if len(self.rows.blocks) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Decode the collected rows. Raises CorruptLayer at the first whose checksum is wrong, after taking those before it."""
        rows, self.rows = self.rows, Rows()
        if not rows.blocks:
            return
        table = header_table(rows.blocks)
        bad = first_bad_checksum(table)
        bad_offset = rows.offsets[bad] - BLOCK if bad < len(table) else None
        rows.drop_from(bad)
        self._take(rows, table[:bad])
        if bad_offset is not None:
            raise CorruptLayer(f"no tar header at offset {bad_offset}: its checksum is wrong")

    def _take(self, rows: Rows, table: Headers) -> None:
        if not rows.blocks:
            return
        rows.overrides = {row: override for row, override in rows.overrides.items() if row < len(rows.blocks)}
        batch = decode(rows, table)
        self._problems += problems_of(batch, self.layer)
        paths = batch.names
        keep = sort_out(paths, self._markers)
        for row, path in self._markers.omitted:
            self._omitted.append(Omitted(path, int(batch.size[row]), bool(batch.kind[row] == Kind.DIRECTORY)))
        self._markers.omitted.clear()
        self._leave_out(paths, batch.kind, keep)
        for row in np.flatnonzero(batch.kind == Kind.HARDLINK).tolist():
            batch.links[row] = normalise(batch.links[row])
        kept = paths if keep.all() else [path for path, is_kept in zip(paths, keep.tolist(), strict=True) if is_kept]
        self._parts.append(batch.entries(keep, kept))
        self._take_rare(rows, keep)
        self._count += len(kept)

    def _leave_out(self, paths: list[bytes], kind: npt.NDArray[np.uint8], keep: Mask) -> None:
        """What no system can unpack: paths that are too long, and a root that is no directory."""
        if max(map(len, paths)) <= MAX_PATH and b"" not in paths:
            return
        for row, path in enumerate(paths):
            if len(path) > MAX_PATH:
                text = f"an entry whose path of {len(path)} bytes is longer than any system allows; left out"
                self._problems.append(Problem(self.layer, path[:MAX_SHOWN] + b"...", text, is_fatal=True))
                keep[row] = False
            elif not path and keep[row] and kind[row] != Kind.DIRECTORY:
                self._problems.append(Problem(self.layer, b"", "an entry that is no directory names the root; left out"))
                keep[row] = False

    def _take_rare(self, rows: Rows, keep: Mask) -> None:
        if not rows.sparse and not any(override.xattrs for override in rows.overrides.values()):
            return
        numbers = self._count + np.cumsum(keep) - 1
        for row, sparse in rows.sparse.items():
            if row < len(keep) and keep[row]:
                self._sparse[int(numbers[row])] = sparse
        for row, override in rows.overrides.items():
            if override.xattrs and keep[row]:
                self._xattrs[int(numbers[row])] = override.xattrs

    def table(self, *, unpacked_bytes: int, damage: str = "") -> LayerTable:
        """The table of all rows that were flushed; `damage` is added as a fatal problem."""
        problems = self._problems + [Problem(self.layer, path, text) for path, text in self._markers.problems]
        if damage:
            problems.append(Problem(self.layer, b"", damage, is_fatal=True))
        return LayerTable(
            entries=Entries.join(self._parts) if self._parts else Entries.none(),
            whiteouts=tuple(self._markers.whiteouts),
            opaques=tuple(self._markers.opaques),
            omitted=tuple(self._omitted),
            problems=tuple(problems),
            sparse=self._sparse,
            xattrs=self._xattrs,
            unpacked_bytes=unpacked_bytes,
        )


def _size_field(block: bytes, offset: int) -> int:
    try:
        size = parse_field(block[124:136])
    except ValueError as error:
        raise CorruptLayer(f"the size of the entry at offset {offset} is not a number ({error})") from error
    if not 0 <= size <= MAX_SIZE:
        raise CorruptLayer(f"an entry of {size} bytes at offset {offset}")
    return size


def _sparse_content(header: _Header, override: Overrides, stored: int) -> tuple[int, int, SparseMap | None] | None:
    """Where an entry's content starts in the buffer, its unpacked size and its sparse map; None when more bytes are needed."""
    content, size, sparse = header.position + BLOCK, override.sparse_size, override.sparse
    if header.block[156:157] == b"S":
        old = _old_sparse(header)
        if old is None:
            return None
        sparse, content = old
        size = parse_field(header.block[483:495])
    elif override.map_in_content:
        head = header.following(BLOCK, stored)
        found = parse_content_map(head)
        if found is None and len(head) < stored:
            return None
        if found is None:
            raise ValueError("its map does not end")
        sparse, content = found[0], content + found[1]
    if sparse is None:
        return content, stored, None
    size = stored if size is None else size
    if not 0 <= size <= MAX_SPARSE or (sparse.runs and sum(sparse.runs[-1]) > size):
        raise ValueError(f"its map does not fit a file of {size} bytes")
    return content, size, sparse


def _old_sparse(header: _Header) -> tuple[SparseMap, int] | None:
    """GNU tar's old form: four runs in the header, more in extension blocks after it."""
    numbers = parse_header_runs(header.block, 386, 4)
    distance, more = BLOCK, header.block[482]
    while more:
        extension = header.following(distance, BLOCK)
        if len(extension) < BLOCK:
            return None
        numbers += parse_header_runs(extension, 0, 21)
        distance, more = distance + BLOCK, extension[504]
    return runs_of(numbers), header.position + distance
