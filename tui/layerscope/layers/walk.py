"""The walk from header to header of a tar: a tight loop over plain headers, and an exact step for all others."""

from __future__ import annotations

from dataclasses import replace

from layerscope.errors import CorruptLayer
from layerscope.layers.collect import Collector
from layerscope.layers.exact import MAX_SIZE, Buffer, Content, Header, content_of, size_field
from layerscope.layers.headers import BLOCK, KINDS, UNKNOWN, Rows, has_good_checksum
from layerscope.layers.pax import Overrides, apply_records, parse_records
from layerscope.layers.table import LayerTable, Problem

BATCH = 4096
"""Headers decoded at a time: 2 MB of them, which stays in the processor's cache."""
MAX_EXTENDED = 1 << 20
"""The largest extended header we believe, in bytes; real ones stay under 100 KiB."""
ZERO_BLOCK = bytes(BLOCK)
UNPARSED = -1
MAX_KNOWN = 1 << 16
"""Size fields whose value is remembered: most files share theirs with another."""
REGULAR = b"\x0007"
HEADER_ONLY = b"123456"
NO_OVERRIDES = Overrides()


class HeaderWalk:
    """Collects the entries of one tar from buffers handed to `advance`, in order, and makes the table of them.

    `is_done` says that the end marker was seen, `awaits_entry` that an extended header was and its entry was not. Raises
    CorruptLayer, naming the offset in the unpacked tar, where the walk cannot go on; what was collected before stays and
    `table` gives it.
    """

    def __init__(self, layer: int) -> None:
        self.rows = Rows()
        self.is_done = False
        self.awaits_entry = False
        self._collector = Collector(layer)
        self._known_sizes: dict[bytes, int] = {}
        self._globals = NO_OVERRIDES
        self._next = NO_OVERRIDES

    @property
    def takes_plain(self) -> bool:
        """True when a plain header may be added to `rows` as it is: no extended header bears on it."""
        return not self.is_done and not self.awaits_entry and self._globals is NO_OVERRIDES

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
        rows, known = self.rows, self._known_sizes
        blocks, add_block, add_offset, add_size = rows.blocks, rows.blocks.append, rows.offsets.append, rows.sizes.append
        room = BATCH - len(blocks)
        while position < stop and room:
            block = buffer[position : position + BLOCK]
            flag = block[156]
            if flag in REGULAR:
                field = block[124:136]
                size = known.get(field, UNPARSED)
                if size == UNPARSED:
                    size = _plain_size(field)
                    if size == UNPARSED:
                        break
                    if len(known) < MAX_KNOWN:
                        known[field] = size
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
        header = Header(block, size_field(block, offset), buffer, position, end, shift)
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

    def _extended(self, header: Header) -> int | None:
        if header.size > MAX_EXTENDED:
            raise CorruptLayer(f"an extended header of {header.size} bytes at offset {header.offset}")
        body = header.following(BLOCK, header.size)
        if len(body) < header.size:
            return None
        try:
            self._take_extended(header.block[156:157], body)
        except ValueError as error:
            raise CorruptLayer(f"a damaged extended header at offset {header.offset}: {error}") from error
        self.awaits_entry |= header.block[156:157] != b"g"
        return header.position + BLOCK + -(-header.size // BLOCK) * BLOCK

    def _take_extended(self, flag: bytes, body: bytes) -> None:
        base = self._next if self._next is not NO_OVERRIDES else self._globals
        if flag == b"g":
            # Nobody gives every file the same xattrs, and a hostile header would have them kept a million times.
            found = apply_records(self._globals, parse_records(body))
            self._globals = replace(found, xattrs={}) if found.xattrs else found
        elif flag in b"xX":
            self._next = apply_records(base, parse_records(body))
        else:
            field = b"path" if flag == b"L" else b"linkpath"
            self._next = apply_records(base, [(field, body.partition(b"\0")[0])])

    def _entry(self, header: Header, override: Overrides) -> int | None:
        """Take one real entry; None when the buffer must reach further first. Raises ValueError for a damaged sparse map."""
        is_header_only = header.block[156] in HEADER_ONLY
        stored = 0 if is_header_only else header.size if override.size is None else override.size
        if not 0 <= stored <= MAX_SIZE:
            raise CorruptLayer(f"an entry of {stored} bytes at offset {header.offset}")
        content = content_of(header, override, stored)
        if content is None:
            return None
        self._add(header, content, override)
        first = header.position + BLOCK if override.map_in_content else content.position
        return first + -(-stored // BLOCK) * BLOCK

    def _add(self, header: Header, content: Content, override: Overrides) -> None:
        self._next, self.awaits_entry = NO_OVERRIDES, False
        if KINDS[header.block[156]] == UNKNOWN:
            name = header.block[:100].partition(b"\0")[0] if override.path is None else override.path
            text = f"an entry of unknown type {header.block[156:157]!r}, left out"
            self._collector.problems.append(Problem(self._collector.layer, name, text))
            return
        row = len(self.rows.blocks)
        self.rows.blocks.append(header.block)
        self.rows.offsets.append(content.position + header.shift)
        self.rows.sizes.append(content.size)
        if override is not NO_OVERRIDES:
            self.rows.overrides[row] = override
        if content.sparse is not None:
            self.rows.sparse[row] = content.sparse

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
        self._collector.add(rows)

    def table(self, *, unpacked_bytes: int, damage: str = "") -> LayerTable:
        """The table of all rows that were flushed; `damage` is added as a fatal problem."""
        return self._collector.table(unpacked_bytes=unpacked_bytes, damage=damage)


def _plain_size(field: bytes) -> int:
    """The value of a size field of eleven octal digits and an end; UNPARSED for any other, for the exact path to look at."""
    digits = field[:11]
    if not digits.isdigit() or b"8" in digits or b"9" in digits or field[11] not in b"\0 ":
        return UNPARSED
    return int(digits, 8)
