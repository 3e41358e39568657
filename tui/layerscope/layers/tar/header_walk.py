"""Walks from header to header of a tar: in a tight loop over plain headers, and in an exact step for each other header.

Docker, containerd, Podman, BuildKit and umoci all read layers with Go's archive/tar, so its rules are ours (tests compare
them with the engines). Where they are not those of POSIX, which says what `pax` does, POSIX comes after the dash.

- Each header: a checksum of unsigned or signed bytes, in octal. Every number of a format must be one, device numbers too, and
  so must a PAX size, uid, gid, mtime, atime and ctime; a number may be GNU's base-256 - octal alone.
- Formats: "ustar\0" is ustar, with star's trailer star; "ustar  \0" is GNU's; all else is v7 and has neither prefix nor
  device numbers. A prefix has 155 bytes, star's 131; GNU's format has one where no times can be read and the text is ASCII.
- A name, whatever says it, ends at a NUL; one in a PAX path, linkpath, uname or gname makes the header invalid.
- x: the last of several records of a key counts, an empty value takes the header's own. A new x replaces the whole one before
  it - records of both count.
- g: its records must be well-formed, and none is used; it drops all x, L and K before it. umoci refuses such a layer - it
  speaks for all entries after it.
- L and K (GNU's long names) beat a PAX path and linkpath, in any order; the name of a sparse file beats L.
- Types 1 to 6 have no content, whatever their size says. Type 0 is a file also with a slash at its name's end; v7's NUL is a
  directory then, and has no content. All other types have content; no engine unpacks them, 7 (a file in POSIX) and S neither.
- Sparse: version 0.0, 0.1 or 1.0, or no version and a map; any other version, a lone size or name say nothing. `size` before
  `realsize`; the runs in order, inside the file, as many as numblocks says, and together as long as what is stored. A link or
  directory cannot be sparse - POSIX knows no sparse files.
- SCHILY.xattr records alone are xattrs; libarchive's are not.
- Two blocks of zeros end the tar, or one at the very end, or nothing at all, also inside the padding of the last content. What
  comes after the end is unpacked by none (only eStargz keeps its table there); a part of a block is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from layerscope.errors import CorruptLayer
from layerscope.layers.table import LayerTable, Problem, Severity
from layerscope.layers.tar.collect import Collector
from layerscope.layers.tar.exact import MAX_SIZE, Content, Header, content_of, size_field
from layerscope.layers.tar.headers import BLOCK, KINDS, UNKNOWN, HeaderRows, has_good_checksum, name_of, refused
from layerscope.layers.tar.not_tar import no_header_text
from layerscope.layers.tar.pax import ExtendedHeader, Overrides, PendingHeaders, parse_records
from layerscope.limits import RARE_BYTES, RUN_COST

BATCH = 4096
"""Headers decoded at a time: 2 MB of them, which stays in the processor's cache."""
MAX_EXTENDED = 1 << 20
"""The largest extended header accepted, in bytes; real ones stay under 100 KiB."""
ZERO_BLOCK = bytes(BLOCK)
UNPARSED = -1
MAX_USUAL = 2048
"""The largest extended header that is taken by the fast path, in bytes: a batch of them is 8 MB at most."""
MAX_KNOWN = 1 << 16
"""Decoded size fields that are kept for reuse: most files share theirs with another."""
REGULAR = b"\x000"
HEADER_ONLY = b"123456"
EXTENDED = b"xLK"
PAX = ord("x")
REFUSED_TYPES = b"7S"
"""Types of entries that are files but that no engine unpacks."""
ESTARGZ_TABLE = b"stargz.index.json\0"
"""The name of the member after the end of a tar in which eStargz keeps its table of contents (BuildKit, nerdctl)."""
NO_ROW = -1
NO_OVERRIDES = Overrides()
NOTHING: Final = PendingHeaders()


class HeaderWalk:
    """Collects the entries of one tar from buffers handed to `advance`, in order, and makes the table of them.

    `is_done` says that the end marker was seen, `awaits_entry` that an extended header was seen and its entry not yet. Raises
    CorruptLayer, naming the offset in the unpacked tar, where the walk cannot go on; what was collected before stays and
    `table` gives it.
    """

    def __init__(self, layer: int) -> None:
        self.rows = HeaderRows()
        self.is_done = False
        self._sparse_bytes = 0
        self.awaits_entry = False
        self._collector = Collector(layer)
        self._known_sizes: dict[bytes, int] = {}
        self._pending = NOTHING
        self._pending_at = 0
        self._has_globals = False
        self._stored_end = 0  # of the last content that the exact path took
        self._stored_row = NO_ROW
        self._rest = b""  # what comes after the end marker: its first bytes that are not NUL, at most a block of them,
        self._rest_bytes = 0  # and the length of all from there on,
        self._rest_end = 0  # and of that without the NULs at its end

    @property
    def takes_plain(self) -> bool:
        """Tell whether a plain header may be added to `rows` unchanged: no extended header applies to it."""
        return not self.is_done and not self.awaits_entry

    def advance(self, buffer: bytes, position: int, stop: int, end: int, shift: int) -> int:
        """Read the headers that start before `stop`; `end` is where `buffer` ends, `shift` its offset in the tar.

        Returns where the next header starts: at or after `stop`, or before it when the buffer does not hold all that
        belongs to that header, or when a batch is full.
        """
        while position < stop and not self.is_done and len(self.rows.blocks) < BATCH:
            if not self.awaits_entry:
                position = self._hop(buffer, position, min(stop, end - BLOCK + 1), end, shift)
                if position >= stop or len(self.rows.blocks) >= BATCH:
                    break
            following = self._step(buffer, position, end, shift) if position + BLOCK <= end else None
            if following is None:
                break
            position = following
        return position

    def _hop(self, buffer: bytes, position: int, stop: int, end: int, shift: int) -> int:
        """Take plain and usual extended headers up to the first other one; return its position. 0.5 us each: speed counts."""
        rows, known = self.rows, self._known_sizes
        blocks, add_block, add_offset, add_size = rows.blocks, rows.blocks.append, rows.offsets.append, rows.sizes.append
        room = BATCH - len(blocks)
        while position < stop and room:
            block = buffer[position : position + BLOCK]
            flag = block[156]
            if flag in REGULAR:
                size = known.get(block[124:136], UNPARSED)
                if size == UNPARSED:
                    size = self._learn_size(block[124:136])
                    if size == UNPARSED:
                        break
                if not flag and size:  # a directory in the v7 format has no content
                    break
            elif flag in HEADER_ONLY:
                size = 0
            elif flag in EXTENDED:
                following = self._hop_extended(buffer, position, end, shift)
                if following == UNPARSED:
                    break
                position = following
                room -= 1
                continue
            else:
                break
            add_block(block)
            position += BLOCK
            add_offset(position + shift)
            add_size(size)
            position += (size + 511) & -512
            room -= 1
        return position

    def _hop_extended(self, buffer: bytes, position: int, end: int, shift: int) -> int:
        """Take extended headers and their entry; return UNPARSED, taking nothing, if one needs the exact path.

        Records that move the next header (a size, a sparse file) do, because the batch is decoded only after the walk.
        """
        taken: list[ExtendedHeader] = []
        row, has_records = len(self.rows.blocks), False
        block = buffer[position : position + BLOCK]
        while (flag := block[156]) in EXTENDED:
            size = self._known_sizes.get(block[124:136]) or self._learn_size(block[124:136])
            following = position + BLOCK + ((size + 511) & -512)
            if not 0 < size <= MAX_USUAL or following + BLOCK > end:
                return UNPARSED
            area = buffer[position + BLOCK : following + BLOCK]
            body = area[:size]
            if flag == PAX:
                if has_records or b"size=" in body or b"GNU.sparse." in body:
                    return UNPARSED
                has_records = True
            taken.append((row, block, body, position + shift))
            position, block = following, area[-BLOCK:]
        size = 0
        if flag not in HEADER_ONLY:
            size = self._known_sizes.get(block[124:136]) or self._learn_size(block[124:136])
            if size == UNPARSED or flag not in REGULAR or (not flag and size):
                return UNPARSED
        self.rows.extended += taken
        self.rows.blocks.append(block)
        self.rows.offsets.append(position + BLOCK + shift)
        self.rows.sizes.append(size)
        return position + BLOCK + ((size + 511) & -512)

    def _learn_size(self, field: bytes) -> int:
        """Parse a size field and remember its value; UNPARSED where the exact path has to look at it."""
        size = self._known_sizes.get(field, UNPARSED)
        if size == UNPARSED:
            size = _plain_size(field)
            if size != UNPARSED and len(self._known_sizes) < MAX_KNOWN:
                self._known_sizes[field] = size
        return size

    def _step(self, buffer: bytes, position: int, end: int, shift: int) -> int | None:
        """Read one header of any kind exactly and return where the next is. None when `buffer` ends before that can be told."""
        block = buffer[position : position + BLOCK]
        if block == ZERO_BLOCK:
            return self._end_marker(buffer, position, end, shift)
        offset = position + shift
        if not has_good_checksum(block):
            raise CorruptLayer(no_header_text(offset, block))
        header = Header(block, size_field(block, offset), buffer, position, end, shift)
        try:
            if block[156:157] in b"xgLK":
                return self._extended(header)
            override = NO_OVERRIDES if self._pending is NOTHING else self._pending.overrides()
        except ValueError as error:
            at = self._pending_at if self.awaits_entry else offset
            raise CorruptLayer(f"a damaged extended header at offset {at}: {error}") from error
        try:
            return self._entry(header, override)
        except ValueError as error:
            raise CorruptLayer(f"a damaged sparse file at offset {offset}: {error}") from error

    def _end_marker(self, buffer: bytes, position: int, end: int, shift: int) -> int | None:
        """Detect the end: two blocks of zeros (POSIX pax, "ustar Interchange Format"), or one at the very end of the bytes."""
        second = buffer[position + BLOCK : min(position + 2 * BLOCK, end)]
        if len(second) < BLOCK:
            return None
        if second != ZERO_BLOCK:
            raise CorruptLayer(f"a lone block of zeros at offset {position + shift}, and more data after it")
        self.is_done = True
        return position + 2 * BLOCK

    def _extended(self, header: Header) -> int | None:
        """Take an extended header (type x, g, L or K). None when `buffer` ends inside. Raises ValueError for a damaged one."""
        if not 0 <= header.size <= MAX_EXTENDED:
            raise CorruptLayer(f"an extended header of {header.size} bytes at offset {header.offset}")
        body = header.following(BLOCK, header.size)
        if len(body) < header.size:
            return None
        flag = header.block[156:157]
        if flag in b"xg":
            records, faults = parse_records(body)
            for name, text in faults:
                self._add_problem(name, refused(text), Severity.REFUSED)
            self._pending = replace(self._pending, records=records) if flag == b"x" else NOTHING
            if flag == b"g":
                self._note_global(header.offset, records)
        else:
            name = body.partition(b"\0")[0]
            self._pending = replace(self._pending, name=name) if flag == b"L" else replace(self._pending, link=name)
        self.awaits_entry, self._pending_at = self._pending is not NOTHING, header.offset
        return header.position + BLOCK + -(-header.size // BLOCK) * BLOCK

    def _note_global(self, offset: int, records: dict[bytes, bytes]) -> None:
        """Add problems for what engines make of a global PAX header: Go 1.22 and later parse its numbers, and use none."""
        try:
            replace(NOTHING, records=records).overrides()
        except ValueError as error:
            text = f"a damaged global PAX header at offset {offset}: {error}; Docker 25, Podman 5 and later refuse the layer"
            self._add_problem(b"", text, Severity.REFUSED)
        if not self._has_globals:
            self._has_globals = True
            text = f"a global PAX header at offset {offset}: engines ignore it, and umoci refuses the layer"
            self._add_problem(b"", text, Severity.DIFFERS)

    def _add_problem(self, name: bytes, text: str, severity: Severity) -> None:
        self._collector.problems.append(Problem(self._collector.layer, name, text, severity))

    def _entry(self, header: Header, override: Overrides) -> int | None:
        """Take one entry; None when the buffer ends inside its sparse map. Raises ValueError for a damaged sparse map."""
        flag = header.block[156]
        is_header_only = flag in HEADER_ONLY or (not flag and name_of(header.block, override).endswith(b"/"))
        stored = 0 if is_header_only else header.size if override.size is None else override.size
        if not is_header_only and (header.size < 0 or not 0 <= stored <= MAX_SIZE):
            raise CorruptLayer(f"an entry of {min(header.size, stored)} bytes at offset {header.offset}")
        if is_header_only and override.sparse is not None:
            raise ValueError("a sparse entry that is not a regular file")
        content = content_of(header, override.sparse, stored)
        if content is None:
            return None
        self._sparse_bytes += RUN_COST * len(content.sparse.runs) if content.sparse else 0
        if self._sparse_bytes > RARE_BYTES:
            raise CorruptLayer(f"its sparse maps need more than {RARE_BYTES >> 20} MiB, at offset {header.offset}")
        self._add(header, content, override)
        is_mapped = override.sparse is not None and override.sparse.runs is None and flag != ord("S")
        first = header.position + BLOCK if is_mapped else content.position
        self._stored_end = first + stored + header.shift
        following = first + -(-stored // BLOCK) * BLOCK
        if self._stored_row != NO_ROW:
            self.rows.ends[self._stored_row] = following + header.shift
        return following

    def _add(self, header: Header, content: Content, override: Overrides) -> None:
        self._pending, self.awaits_entry = NOTHING, False
        flag, fault = header.block[156:157], content.fault
        if flag in REFUSED_TYPES and not fault:
            fault = f"an entry of type {flag!r}"
        if KINDS[header.block[156]] == UNKNOWN:
            fault = f"an entry of unknown type {flag!r}, left out"
        if fault:
            name = override.name or name_of(header.block, override)
            self._add_problem(name, refused(fault), Severity.REFUSED)
        self._stored_row = NO_ROW
        if KINDS[header.block[156]] == UNKNOWN:
            return
        self._stored_row = row = len(self.rows.blocks)
        self.rows.blocks.append(header.block)
        self.rows.offsets.append(content.position + header.shift)
        self.rows.sizes.append(content.size)
        if override is not NO_OVERRIDES:
            self.rows.overrides[row] = override
        if content.sparse is not None:
            self.rows.sparse[row] = content.sparse

    def keep_whole(self, position: int, total: int) -> None:
        """Raise CorruptLayer, after dropping the last entry, if its content reaches beyond the tar's `total` bytes.

        `position` is where its padding ends, which may be missing.
        """
        if position <= total:
            return
        rows = self.rows
        row = len(rows.blocks) - 1
        is_cut = row >= 0 and row not in rows.sparse and rows.offsets[row] + rows.sizes[row] > total
        if not is_cut and self._stored_end <= total:
            return
        is_cut = is_cut or (row >= 0 and row == self._stored_row)
        start = rows.offsets[row] if is_cut else position
        if is_cut:
            rows.drop_from(row)
        raise CorruptLayer(f"truncated: the bytes end at offset {total}, inside the content at offset {start}")

    def end(self, position: int, rest: bytes, total: int) -> None:
        """Finish a tar of `total` bytes; `rest` is what `advance` left from `position` on, at most two blocks.

        Raises CorruptLayer when some of the tar is missing.
        """
        if self.is_done:
            return
        if self.awaits_entry and not rest:
            raise CorruptLayer(f"truncated: the bytes end at offset {total}, before the entry of an extended header")
        if rest[:BLOCK].strip(b"\0"):
            raise CorruptLayer(f"truncated: the bytes end at offset {total}, inside the header at offset {position}")
        if len(rest) % BLOCK:
            text = f"the tar ends at offset {total}, inside a block of zeros"
            self._add_problem(b"", refused(text), Severity.REFUSED)

    def pass_rest(self, piece: bytes) -> None:
        """Note what follows the end marker, piece by piece; `table` reports what is not NUL."""
        if not self._rest_bytes:
            piece = piece.lstrip(b"\0")
        self._rest += piece[: BLOCK - len(self._rest)]
        if written := len(piece.rstrip(b"\0")):
            self._rest_end = self._rest_bytes + written
        self._rest_bytes += len(piece)

    def _ends_in_estargz_table(self) -> bool:
        """Tell whether eStargz's table of contents, one member that nothing follows, is all there is after the end."""
        size = _plain_size(self._rest[124:136]) if len(self._rest) == BLOCK else UNPARSED
        return self._rest.startswith(ESTARGZ_TABLE) and size >= 0 and self._rest_end <= BLOCK + -(-size // BLOCK) * BLOCK

    def flush_when_full(self) -> None:
        """Call `flush` once a batch is complete."""
        if len(self.rows.blocks) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Decode the collected rows. Raises CorruptLayer at the first wrong checksum, after keeping the rows before it."""
        rows, self.rows = self.rows, HeaderRows()
        self._collector.add(rows)

    def table(self, *, unpacked_bytes: int, damage: str = "") -> LayerTable:
        """Build the table of all flushed rows; `damage` is added as a fatal problem."""
        if self._rest and not self._ends_in_estargz_table():
            text = f"{self._rest_bytes} bytes after the end of the layer's tar, which no engine unpacks"
            self._add_problem(b"", text, Severity.REFUSED)
        return self._collector.table(unpacked_bytes=unpacked_bytes, damage=damage)


def _plain_size(field: bytes) -> int:
    """Parse a size field of eleven octal digits and a terminator; UNPARSED for any other, which needs the exact path."""
    digits = field[:11]
    if not digits.isdigit() or b"8" in digits or b"9" in digits or field[11] not in b"\0 ":
        return UNPARSED
    return int(digits, 8)
