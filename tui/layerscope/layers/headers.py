"""A batch of tar headers -> columns, with whole-array operations; what is not plain is read exactly, one header at a time.

The formats: POSIX ustar, the old v7, GNU tar's, star's prefix, and base-256 numbers (libarchive `tar(5)` describes them all).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layerscope.layers.numbers import parse_field
from layerscope.layers.octal import octal_8, octal_12
from layerscope.layers.pax import Overrides
from layerscope.layers.table import Entries, Kind, Problem, SparseMap, Strings, no_ids

BLOCK = 512
HEADER = np.dtype(
    {
        "names": ["name", "mode", "uid", "gid", "mtime_high", "mtime_low", "checksum", "flag", "link", "magic", "prefix"],
        "formats": ["S100", ">u8", ">u8", ">u8", ">u8", ">u4", ">u8", "u1", "S100", "S6", "u1"],
        "offsets": [0, 100, 108, 116, 136, 144, 148, 156, 157, 257, 345],
        "itemsize": BLOCK,
    }
)
UNKNOWN = 255
KINDS = np.full(256, UNKNOWN, np.uint8)
KINDS[[0, *b"0712S3456"]] = [
    *(Kind.FILE, Kind.FILE, Kind.FILE, Kind.HARDLINK, Kind.SYMLINK, Kind.FILE),
    *(Kind.CHAR, Kind.BLOCK, Kind.DIRECTORY, Kind.FIFO),
]
NUMBER_FIELDS = {"mode": slice(100, 108), "uid": slice(108, 116), "gid": slice(116, 124), "mtime": slice(136, 148)}
DEVICE_FIELDS = slice(329, 337), slice(337, 345)
Numbers = npt.NDArray[np.int64]
Headers = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Rows:
    """Headers as they are collected, one row an entry; the lists run side by side.

    `offsets` and `sizes` are those of the content in the unpacked tar (size 0 for all but regular files), `digests` its
    xxh3_128 (empty list: not computed), `overrides` what extended headers said, by row; `sparse` likewise.
    """

    blocks: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    overrides: dict[int, Overrides] = field(default_factory=dict)
    sparse: dict[int, SparseMap] = field(default_factory=dict)

    def drop_from(self, row: int) -> None:
        """Forget `row` and all after it."""
        for column in (self.blocks, self.offsets, self.sizes, self.digests):
            del column[row:]
        for by_row in (self.overrides, self.sparse):
            for later in [number for number in by_row if number >= row]:
                del by_row[later]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Decoded rows: names as written (not normalised), the targets of those that are links, the entries' columns, and the
    major and minor numbers of those that are devices.
    """

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
    problems: list[tuple[int, str]]

    def entries(self, keep: Mask, paths: list[bytes]) -> Entries:
        """The rows of `keep` under their normalised `paths` (one for each kept row)."""
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


def header_table(blocks: list[bytes]) -> Headers:
    """The blocks as one structured array of HEADER."""
    return np.frombuffer(b"".join(blocks), HEADER)


def first_bad_checksum(table: Headers) -> int:
    """The first header whose checksum is not that of its bytes, or `len(table)`: the walk has lost its way there."""
    given, is_plain = octal_8(table["checksum"])
    block_bytes = table.view(np.uint8).reshape(-1, BLOCK)
    sums = _byte_sums(block_bytes) - block_bytes[:, 148:156].sum(axis=1, dtype=np.int64) + 8 * 0x20
    for row in np.flatnonzero(~is_plain | (given != sums)).tolist():
        if not has_good_checksum(block_bytes[row].tobytes()):
            return int(row)
    return len(table)


def has_good_checksum(block: bytes) -> bool:
    """Whether a header's checksum fits, summing its bytes as unsigned or, as old tars did, signed numbers."""
    try:
        given = parse_field(block[148:156])
    except ValueError:
        return False
    blanked = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(blanked)
    return given in (unsigned, unsigned - 256 * sum(byte > 127 for byte in blanked))


def _byte_sums(table: npt.NDArray[np.uint8]) -> Numbers:
    """Sum of each row's bytes, eight lanes at a time: 4 times faster than a sum over uint8."""
    words = table.view(np.uint64)
    lanes = np.uint64(0x00FF00FF00FF00FF)
    sums = (words & lanes).sum(axis=1) + ((words >> np.uint64(8)) & lanes).sum(axis=1)
    wide = np.uint64(0x0000FFFF0000FFFF)
    sums = (sums & wide) + ((sums >> np.uint64(16)) & wide)
    total: Numbers = ((sums & np.uint64(0xFFFFFFFF)) + (sums >> np.uint64(32))).astype(np.int64)
    return total


def decode(rows: Rows, table: Headers) -> Batch:
    """All fields of `rows`, whose checksums were found good. A field that is no number counts as 0 and is a problem."""
    kind = KINDS[table["flag"]]
    problems: list[tuple[int, str]] = []
    columns = {name: _number_column(name, table, rows, problems) for name in NUMBER_FIELDS}
    for row, override in rows.overrides.items():
        _override_numbers(columns, row, override)
    names = _names(table, rows, problems)
    _old_directories(kind, table, names)
    sizes = np.array(rows.sizes, np.int64)
    sizes[kind != Kind.FILE] = 0
    return Batch(
        names=names,
        links=_links(table, kind, rows),
        kind=kind,
        size=sizes,
        content_offset=np.array(rows.offsets, np.int64),
        content_id=_content_ids(rows),
        devices=_devices(kind, rows, problems),
        problems=problems,
        **columns,
    )


def _number_column(name: str, table: Headers, rows: Rows, problems: list[tuple[int, str]]) -> Numbers:
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


def _names(table: Headers, rows: Rows, problems: list[tuple[int, str]]) -> list[bytes]:
    names: list[bytes] = table["name"].tolist()
    if b"".join(names).find(b"\0") >= 0:
        names = [name.partition(b"\0")[0] for name in names]
    for row in np.flatnonzero((table["prefix"] != 0) & (table["magic"] == b"ustar")).tolist():
        names[row] = _prefix(rows.blocks[row]) + names[row]
    for row, override in rows.overrides.items():
        if override.path is not None:
            name, nul, _ = override.path.partition(b"\0")
            names[row] = name
            if nul:
                problems.append((row, "its name holds a NUL byte; cut there"))
    return names


def _prefix(block: bytes) -> bytes:
    """ustar's 155-byte prefix; star's, told by its trailer, has 131 bytes and two times after it."""
    length = 131 if block[508:512] == b"tar\0" else 155
    prefix = block[345 : 345 + length].partition(b"\0")[0]
    return prefix + b"/" if prefix else b""


def _old_directories(kind: npt.NDArray[np.uint8], table: Headers, names: list[bytes]) -> None:
    """In the v7 format, which has no flag for it, a directory is a file whose name ends in a slash."""
    for row in np.flatnonzero(table["flag"] == 0).tolist():
        if names[row].endswith(b"/"):
            kind[row] = Kind.DIRECTORY


def _links(table: Headers, kind: npt.NDArray[np.uint8], rows: Rows) -> dict[int, bytes]:
    links = {}
    wanted = np.flatnonzero((kind == Kind.HARDLINK) | (kind == Kind.SYMLINK))
    targets: list[bytes] = table["link"][wanted].tolist()
    for row, target in zip(wanted.tolist(), targets, strict=True):
        override = rows.overrides.get(row)
        links[row] = (target if override is None or override.link is None else override.link).partition(b"\0")[0]
    return links


def _devices(kind: npt.NDArray[np.uint8], rows: Rows, problems: list[tuple[int, str]]) -> dict[int, tuple[int, int]]:
    found = {}
    for row in np.flatnonzero((kind == Kind.CHAR) | (kind == Kind.BLOCK)).tolist():
        try:
            major, minor = (parse_field(rows.blocks[row][part]) for part in DEVICE_FIELDS)
            found[row] = major, minor
        except ValueError as error:
            problems.append((row, f"its device number is not a number ({error}); not known"))
    return found


def _content_ids(rows: Rows) -> npt.NDArray[np.uint64]:
    if not rows.digests:
        return no_ids(len(rows.blocks))
    return np.frombuffer(b"".join(rows.digests), ">u8").reshape(-1, 2).astype(np.uint64)


def problems_of(batch: Batch, layer: int) -> list[Problem]:
    """What `decode` could not read, as problems of `layer`."""
    return [Problem(layer, batch.names[row], text) for row, text in batch.problems]
