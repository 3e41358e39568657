"""Decodes a batch of tar headers into columns, with whole-array operations; unusual fields are read exactly, one by one.

The formats: POSIX ustar, the old v7, GNU tar's, star's prefix, and base-256 numbers (libarchive `tar(5)` describes them all).
They are read by the rules of Go's archive/tar, which `header_walk` lists.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Entries, Kind, Problem, Severity, SparseMap, Strings, no_ids
from layerscope.layers.tar.not_tar import no_header_text
from layerscope.layers.tar.numbers import octal_8, octal_12, parse_field, parse_octal
from layerscope.layers.tar.pax import ExtendedFields, ExtendedHeader, Overrides, read_extended

BLOCK = 512
_FIELDS = {
    "name": (0, "S100"),
    "mode": (100, ">u8"),
    "uid": (108, ">u8"),
    "gid": (116, ">u8"),
    "mtime_high": (136, ">u8"),
    "mtime_low": (144, ">u4"),
    "checksum": (148, ">u8"),
    "flag": (156, "u1"),
    "link": (157, "S100"),
    "magic": (257, ">u8"),  # and the version after it
    "device_major": (329, ">u8"),
    "device_minor": (337, ">u8"),
    "prefix": (345, "u1"),  # its first byte; in GNU's format two times stand here
    "second_time": (357, "u1"),
    "trailer": (508, ">u4"),
}
HEADER = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": [kind for _, kind in _FIELDS.values()],
        "offsets": [offset for offset, _ in _FIELDS.values()],
        "itemsize": BLOCK,
    }
)
GNU_MAGIC = np.uint64(int.from_bytes(b"ustar  \0", "big"))
USTAR_MAGIC = np.uint64(int.from_bytes(b"ustar\0", "big"))
STAR_TRAILER = np.uint32(int.from_bytes(b"tar\0", "big"))
UNKNOWN = 255
KINDS = np.full(256, UNKNOWN, np.uint8)
KINDS[[0, *b"0712S3456"]] = [
    *(Kind.FILE, Kind.FILE, Kind.FILE, Kind.HARDLINK, Kind.SYMLINK, Kind.FILE),
    *(Kind.CHAR, Kind.BLOCK, Kind.DIRECTORY, Kind.FIFO),
]
NUMBER_FIELDS = {"mode": slice(100, 108), "uid": slice(108, 116), "gid": slice(116, 124), "mtime": slice(136, 148)}
DEVICE_FIELDS = {"device_major": slice(329, 337), "device_minor": slice(337, 345)}
Numbers = npt.NDArray[np.int64]
Headers = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class HeaderRows:
    """Collected headers, one row per entry, as parallel lists.

    `offsets` and `sizes` are those of the content in the unpacked tar (size 0 for all but regular files), `digests` its
    xxh3_128 (empty list: not computed), `extended` the extended headers that the fast path took. `overrides` and `sparse` are
    what the exact path read, by row, and `ends` where the padding of that row's content ends.
    """

    blocks: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    overrides: dict[int, Overrides] = field(default_factory=dict)
    sparse: dict[int, SparseMap] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    extended: list[ExtendedHeader] = field(default_factory=list)

    def drop_from(self, row: int) -> None:
        """Drop `row` and all after it."""
        del self.extended[bisect_left(self.extended, (row,)) :]
        for column in (self.blocks, self.offsets, self.sizes, self.digests):
            del column[row:]
        for by_row in (self.overrides, self.sparse, self.ends):
            for later in [number for number in by_row if number >= row]:
                del by_row[later]


@dataclass(frozen=True, slots=True, eq=False)
class HeaderBatch:
    """Decoded rows: names as written (not normalized), link targets, the entries' columns, and device numbers."""

    names: list[bytes]
    links: dict[int, bytes]
    kind: npt.NDArray[np.uint8]
    mode: Numbers
    uid: Numbers
    gid: Numbers
    mtime: Numbers
    size: Numbers
    content_offset: Numbers
    content_id: npt.NDArray[np.uint64]
    devices: dict[int, tuple[int, int]]
    xattrs: dict[int, dict[bytes, bytes]]
    problems: list[tuple[int, str]]
    faults: list[tuple[bytes, str]]

    def entries(self, keep: Mask, paths: list[bytes]) -> Entries:
        """Return the rows flagged in `keep` as entries with their normalized `paths` (one for each kept row)."""
        rows = slice(None) if keep.all() else np.flatnonzero(keep)
        return Entries(
            paths=Strings.of(paths),
            kind=self.kind[rows],
            mode=(self.mode[rows] & 0o7777).astype(np.uint16),
            uid=self.uid[rows],
            gid=self.gid[rows],
            size=self.size[rows],
            mtime=self.mtime[rows],
            content_offset=self.content_offset[rows],
            content_id=self.content_id[rows] if self.content_id.strides[0] else no_ids(len(paths)),
            links=self._links(keep),
        )

    def _links(self, keep: Mask) -> Strings:
        links = [(row, link) for row, link in sorted(self.links.items()) if keep[row]]
        lengths = np.zeros(len(keep), np.int64)
        lengths[[row for row, _ in links]] = [len(link) for _, link in links]
        offsets = np.zeros(np.count_nonzero(keep) + 1, np.int64)
        np.cumsum(lengths[keep], out=offsets[1:])
        return Strings(b"".join(link for _, link in links), offsets)


def decode(rows: HeaderRows) -> tuple[HeaderBatch | None, str]:
    """Decode all fields of `rows` up to the first damage, and return that damage, if any. None for no rows.

    Damage is a wrong checksum, for the walk has lost its way there, or an extended header that cannot be read. The rows from
    there on are dropped. A field that is no number counts as 0 and is a problem.
    """
    table, damage = _sound_headers(rows)
    said = read_extended(rows.extended)
    if said.damage:
        damage = said.damage
        rows.drop_from(said.damaged_row)
        said = read_extended(rows.extended)
    return (_decode(rows, table[: len(rows.blocks)], said) if rows.blocks else None), damage


def _sound_headers(rows: HeaderRows) -> tuple[Headers, str]:
    """Return the blocks as one structured array, up to the first header, plain or extended, whose checksum is wrong."""
    table = np.frombuffer(b"".join(rows.blocks), HEADER)
    extended = np.frombuffer(b"".join([block for _, block, _, _ in rows.extended]), HEADER)
    bad, bad_extended = _first_bad_checksum(table), _first_bad_checksum(extended)
    if bad_extended < len(extended) and rows.extended[bad_extended][0] <= bad:
        bad, block, _, offset = rows.extended[bad_extended]
    elif bad < len(table):
        offset, block = rows.offsets[bad] - BLOCK, rows.blocks[bad]
    else:
        return table, ""
    rows.drop_from(bad)
    return table[:bad], no_header_text(offset, block)


def _first_bad_checksum(table: Headers) -> int:
    """Return the row of the first header whose checksum is wrong, or `len(table)`."""
    given, is_plain = octal_8(table["checksum"])
    block_bytes = table.view(np.uint8).reshape(-1, BLOCK)
    sums = _byte_sums(block_bytes) - block_bytes[:, 148:156].sum(axis=1, dtype=np.int64) + 8 * 0x20
    for row in np.flatnonzero(~is_plain | (given != sums)).tolist():
        if not has_good_checksum(block_bytes[row].tobytes()):
            return int(row)
    return len(table)


def has_good_checksum(block: bytes) -> bool:
    """Tell whether a header's checksum fits, summing its bytes as unsigned or, as old tars did, signed numbers."""
    try:
        given = parse_octal(block[148:156])
    except ValueError:
        return False
    blanked = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(blanked)
    return given in (unsigned, unsigned - 256 * sum(byte > 127 for byte in blanked))


def _byte_sums(table: npt.NDArray[np.uint8]) -> Numbers:
    """Sum each row's bytes, eight lanes at a time: 4 times faster than a sum over uint8."""
    words = table.view(np.uint64)
    lanes = np.uint64(0x00FF00FF00FF00FF)
    sums = (words & lanes).sum(axis=1) + ((words >> np.uint64(8)) & lanes).sum(axis=1)
    wide = np.uint64(0x0000FFFF0000FFFF)
    sums = (sums & wide) + ((sums >> np.uint64(16)) & wide)
    total: Numbers = ((sums & np.uint64(0xFFFFFFFF)) + (sums >> np.uint64(32))).astype(np.int64)
    return total


def _decode(rows: HeaderRows, table: Headers, said: ExtendedFields) -> HeaderBatch:
    kind = KINDS[table["flag"]]
    overrides = rows.overrides | said.odd
    problems: list[tuple[int, str]] = []
    columns = {name: _number_column(name, table, rows, problems) for name in NUMBER_FIELDS}
    for name, (those, values) in (("uid", said.uid), ("gid", said.gid), ("mtime", said.mtime)):
        columns[name][those] = values
    for row, override in overrides.items():
        _override_numbers(columns, row, override)
    _check_rare_numbers(table, rows, problems)
    names = _names(table, rows, said.names, overrides)
    _old_directories(kind, table, names)
    for row, override in overrides.items():
        names[row] = override.name or names[row]
    sizes = np.array(rows.sizes, np.int64)
    sizes[kind != Kind.FILE] = 0
    return HeaderBatch(
        names=names,
        links=_links(table, kind, said.links, overrides),
        kind=kind,
        size=sizes,
        content_offset=np.array(rows.offsets, np.int64),
        content_id=_content_ids(rows),
        devices=_devices(kind, rows),
        xattrs=said.xattrs | {row: override.xattrs for row, override in overrides.items() if override.xattrs},
        problems=problems,
        faults=said.faults,
        **columns,
    )


def _number_column(name: str, table: Headers, rows: HeaderRows, problems: list[tuple[int, str]]) -> Numbers:
    if name == "mtime":
        values, is_plain = octal_12(table["mtime_high"], table["mtime_low"])
    else:
        values, is_plain = octal_8(table[name])
    for row in np.flatnonzero(~is_plain).tolist():
        try:
            values[row] = parse_field(rows.blocks[row][NUMBER_FIELDS[name]])
        except ValueError as error:
            values[row] = 0
            problems.append((row, f"its {name} is not a number ({error}); taken as 0"))
    return values


def _override_numbers(columns: dict[str, Numbers], row: int, override: Overrides) -> None:
    for name, value in (("uid", override.uid), ("gid", override.gid), ("mtime", override.mtime)):
        if value is not None:
            columns[name][row] = value


def _check_rare_numbers(table: Headers, rows: HeaderRows, problems: list[tuple[int, str]]) -> None:
    """Add a problem for each unreadable device number or star time: they become no column, but Go's reader stops at them."""
    is_v7 = ~_is_ustar(table) & (table["magic"] != GNU_MAGIC)
    for name, place in DEVICE_FIELDS.items():
        _, is_plain = octal_8(table[name])
        for row in np.flatnonzero(~is_plain & (table[name] != 0) & ~is_v7).tolist():
            _check_number(rows.blocks[row][place], row, "device number", problems)
    for row in np.flatnonzero((table["trailer"] == STAR_TRAILER) & _is_ustar(table)).tolist():
        _check_number(rows.blocks[row][476:488], row, "time of access", problems)
        _check_number(rows.blocks[row][488:500], row, "time of change", problems)


def _check_number(field: bytes, row: int, what: str, problems: list[tuple[int, str]]) -> None:
    try:
        parse_field(field)
    except ValueError as error:
        problems.append((row, f"its {what} is not a number ({error})"))


def _is_ustar(table: Headers) -> Mask:
    found: Mask = (table["magic"] >> np.uint64(16)) == USTAR_MAGIC
    return found


def is_gnu(block: bytes) -> bool:
    """Tell whether a header is in GNU tar's own format."""
    return block[257:265] == b"ustar  \0"


def _names(table: Headers, rows: HeaderRows, said: dict[int, bytes], overrides: dict[int, Overrides]) -> list[bytes]:
    """Return each row's name, from its header and extended headers, but not yet the own name of a sparse file.

    A slash at the end of such a name marks a directory in the v7 format.
    """
    names: list[bytes] = table["name"].tolist()
    if b"".join(names).find(b"\0") >= 0:
        names = [name.partition(b"\0")[0] for name in names]
    is_gnu_odd = (table["magic"] == GNU_MAGIC) & ((table["prefix"] != 0) | (table["second_time"] != 0))
    for row in np.flatnonzero(is_gnu_odd | ((table["prefix"] != 0) & _is_ustar(table))).tolist():
        names[row] = _prefix(rows.blocks[row]) + names[row]
    for row, name in said.items():
        names[row] = name
    for row, override in overrides.items():
        names[row] = override.path or names[row]
    return names


def name_of(block: bytes, override: Overrides) -> bytes:
    """Return the name of one entry as `decode` sees it, before a sparse file's own name replaces it."""
    return override.path or _prefix(block) + block[:100].partition(b"\0")[0]


def _prefix(block: bytes) -> bytes:
    """Return the name prefix: ustar's 155 bytes, or the 131 of star and GNU's format, where two times follow it.

    Old versions of Go wrote a prefix in GNU's format: where no times stand there and the text is ASCII, it is taken for one.
    """
    length = 0
    if block[257:263] == b"ustar\0":
        length = 131 if block[508:512] == b"tar\0" else 155
    elif is_gnu(block) and not (_is_time(block[345:357]) and _is_time(block[357:369])):
        length = 155 if block[345:500].partition(b"\0")[0].isascii() else 0
    prefix = block[345 : 345 + length].partition(b"\0")[0]
    return prefix + b"/" if prefix else b""


def _is_time(field: bytes) -> bool:
    try:
        return field[0] == 0 or parse_field(field) is not None
    except ValueError:
        return False


def _old_directories(kind: npt.NDArray[np.uint8], table: Headers, names: list[bytes]) -> None:
    """Mark directories of the v7 format, which has no flag for them: files whose names end in a slash."""
    for row in np.flatnonzero(table["flag"] == 0).tolist():
        if names[row].endswith(b"/"):
            kind[row] = Kind.DIRECTORY


def _links(
    table: Headers, kind: npt.NDArray[np.uint8], said: dict[int, bytes], overrides: dict[int, Overrides]
) -> dict[int, bytes]:
    wanted = np.flatnonzero((kind == Kind.HARDLINK) | (kind == Kind.SYMLINK))
    links: dict[int, bytes] = dict(zip(wanted.tolist(), table["link"][wanted].tolist(), strict=True))
    for row in links.keys() & said.keys():
        links[row] = said[row]
    for row in links.keys() & overrides.keys():
        links[row] = overrides[row].link or links[row]
    return {row: link.partition(b"\0")[0] for row, link in links.items()}


def _devices(kind: npt.NDArray[np.uint8], rows: HeaderRows) -> dict[int, tuple[int, int]]:
    """Return device numbers; 0 in the v7 format, which has none. Unreadable ones were reported already and are left out."""
    found = {}
    for row in np.flatnonzero((kind == Kind.CHAR) | (kind == Kind.BLOCK)).tolist():
        block = rows.blocks[row]
        is_v7 = block[257:263] != b"ustar\0" and not is_gnu(block)
        with suppress(ValueError):
            major, minor = (0 if is_v7 else parse_field(block[place]) for place in DEVICE_FIELDS.values())
            found[row] = major, minor
    return found


def _content_ids(rows: HeaderRows) -> npt.NDArray[np.uint64]:
    if not rows.digests:
        return no_ids(len(rows.blocks))
    return np.frombuffer(b"".join(rows.digests), ">u8").reshape(-1, 2).astype(np.uint64)


def problems_of(batch: HeaderBatch, layer: int) -> list[Problem]:
    """Return a problem of `layer` for each field that cannot be read: Go's reader stops there, so no engine unpacks it."""
    found = batch.faults + [(batch.names[row], text) for row, text in batch.problems]
    return [Problem(layer, name, refused(text), Severity.REFUSED) for name, text in found]


def refused(text: str) -> str:
    """Add to a sentence about a problem that no engine unpacks the layer."""
    return f"{text}; no engine unpacks this layer"
