"""Parses PAX extended headers, whose records override fields of the next header (POSIX pax, "pax Extended Header").

Every entry of a layer may have one (Python's tarfile, GNU tar --format=pax, SELinux labels), so the headers of a batch are
parsed together, the n-th record of every header in one step: 1 us each. What is not as usual is left to `parse_records`, one
header at a time, which gives the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from layerscope.layers.tar.numbers import parse_decimal, parse_time
from layerscope.layers.tar.sparse import SparseRecords, parse_sparse_records
from layerscope.limits import RARE_BYTES, XATTR_COST

XATTR_PREFIX = b"SCHILY.xattr."
MAX_XATTRS = 256 << 10
"""The most bytes of xattrs that one entry may have; Linux allows 64 KiB a value, and file systems far less in total."""
TEXT_KEYS = (b"path", b"linkpath", b"uname", b"gname")

Records = dict[bytes, bytes]
MOST_RECORDS = 12
"""The most records of one header that are parsed together with those of other headers; more are not usual."""
LONGEST_NUMBER = 32
"""Characters of a number with its fraction; seconds and nanoseconds have 20."""
PADDING = bytes(64)
"""Bytes after the last header, so that reading ahead stays inside the buffer."""
TIMES = (b"mtime", b"atime", b"ctime")
OWNERS = (b"uid", b"gid")
STRINGS = (b"path", b"linkpath")
Longs = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
ExtendedHeader = tuple[int, bytes, bytes, int]
"""An extended header of type x, L or K: the row of the entry that it describes, its block, its body, and its offset in the
unpacked tar.
"""


def xattr_cost(xattrs: dict[bytes, bytes]) -> int:
    """Return how many bytes of memory an entry's extended attributes take; names and empty values count too."""
    return sum(len(name) + len(value) + XATTR_COST for name, value in xattrs.items())


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values that extended headers (PAX, or GNU's long names) give for the next entry; None where they give none.

    `size` is the size of what the tar stores. `path` is the name before a sparse file's own takes its place.
    """

    path: bytes | None = None
    link: bytes | None = None
    size: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime: int | None = None
    sparse: SparseRecords | None = None
    xattrs: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def name(self) -> bytes | None:
        """Return the entry's name, if any is given."""
        return self.sparse.name if self.sparse is not None and self.sparse.name else self.path


@dataclass(frozen=True, slots=True)
class PendingHeaders:
    """Extended headers whose entry was not read yet: the records of the last x header, the last long name and link."""

    records: Records | None = None
    name: bytes = b""
    link: bytes = b""

    def overrides(self) -> Overrides:
        """Combine the headers into values for the next entry. Raises ValueError for a number that cannot be parsed.

        Empty xattrs are left out, as Go's Header.Xattrs has none: Docker 20.10 and umoci set none. containerd, which reads
        PAXRecords, sets them (measured with Docker 26.1 on its store).
        """
        records = self.records or {}
        xattrs = xattrs_of(records)
        for key in (b"atime", b"ctime"):
            _number(records, key)
        return Overrides(
            path=self.name or records.get(b"path") or None,
            link=self.link or records.get(b"linkpath") or None,
            size=_number(records, b"size"),
            uid=_number(records, b"uid"),
            gid=_number(records, b"gid"),
            mtime=_number(records, b"mtime"),
            sparse=parse_sparse_records(records),
            xattrs=xattrs,
        )


def xattrs_of(records: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the xattrs among pax records, without the empty ones. Raises ValueError for too many bytes of them."""
    xattrs = {key[len(XATTR_PREFIX) :]: value for key, value in records.items() if value and key.startswith(XATTR_PREFIX)}
    if xattr_cost(xattrs) > MAX_XATTRS:
        raise ValueError(f"xattrs of more than {MAX_XATTRS} bytes")
    return xattrs


def _number(records: Records, key: bytes) -> int | None:
    value = records.get(key)
    if not value:
        return None
    return parse_time(value) if key.endswith(b"time") else parse_decimal(value)


def parse_records(body: bytes) -> tuple[Records, list[tuple[bytes, str]]]:
    """Parse the records of an extended header's body, each `length key=value` and a newline.

    Also returns (name, sentence) for each record that is readable, but that no engine accepts.

    The last of several records of a key counts. The runs of GNU's sparse form 0.0, which repeats its keys, are given as
    form 0.1 writes them. Raises ValueError when the body is not made of records.
    """
    records: Records = {}
    faults: list[tuple[bytes, str]] = []
    runs: list[bytes] = []
    position = 0
    while position < len(body):
        space = body.find(b" ", position, position + 20)
        if space < 0 or not body[position:space].isdigit():
            if not body[position:].strip(b"\0"):
                faults.append((b"", "an extended header ends in NUL bytes"))
                break
            raise ValueError(f"no record at byte {position}")
        end = position + int(body[position:space])
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if end <= space + 2 or end > len(body) or body[end - 1] != 0x0A or not equals or not key:
            raise ValueError(f"a damaged record at byte {position}")
        position = end
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            if (key == b"GNU.sparse.numbytes") != len(runs) % 2 or b"," in value:
                raise ValueError("sparse runs out of order")
            runs.append(value)
        else:
            records[key] = _without_nul(key, value, faults)
    if runs:
        records[b"GNU.sparse.map"] = b",".join(runs)
    return records, faults


def _without_nul(key: bytes, value: bytes, faults: list[tuple[bytes, str]]) -> bytes:
    if b"\0" in key:
        faults.append((b"", "a key in an extended header holds a NUL byte"))
    elif key in TEXT_KEYS and b"\0" in value:
        name = value.partition(b"\0")[0]
        what = {b"path": "its name", b"linkpath": "a link's target"}.get(key, "an owner's name")
        faults.append((name if key == b"path" else b"", f"{what} holds a NUL byte; cut there"))
        return name
    return value


@dataclass(slots=True, eq=False)
class ExtendedFields:
    """Values that the extended headers of a batch give for its rows. Numbers are pairs of rows and values."""

    uid: tuple[Longs, Longs]
    gid: tuple[Longs, Longs]
    mtime: tuple[Longs, Longs]
    names: dict[int, bytes]
    links: dict[int, bytes]
    xattrs: dict[int, dict[bytes, bytes]]
    odd: dict[int, Overrides]
    """By row, values of unusual headers, which `parse_records` parsed; the other fields have nothing for these rows."""
    faults: list[tuple[bytes, str]]
    """Names and sentences for headers that can be read but that all engines refuse."""
    damage: str = ""
    damaged_row: int = 0


def read_extended(headers: list[ExtendedHeader]) -> ExtendedFields:
    """Parse all extended headers of a batch, in tar order, at most one of type x for each row.

    Damage does not raise: `damage` describes the first, and the values of its row and later rows are incomplete.
    """
    flags = np.frombuffer(b"".join(block[156:157] for _, block, _, _ in headers), np.uint8)
    records = headers if (flags == ord("x")).all() else [header for header in headers if header[1][156] == ord("x")]
    names, links = ({}, {}) if records is headers else (_long_names(headers, flag) for flag in b"LK")
    batch = _RecordBatch([body for _, _, body, _ in records])
    batch.read()
    said = batch.said(np.fromiter((row for row, _, _, _ in records), np.int64, len(records)), names, links)
    spent = 0
    for number in np.flatnonzero(batch.is_odd).tolist():
        row = records[number][0]
        try:
            found, faults = parse_records(batch.bodies[number])
            said.odd[row] = PendingHeaders(found, names.get(row, b""), links.get(row, b"")).overrides()
            said.faults += faults
            spent += xattr_cost(said.odd[row].xattrs)
            if spent > RARE_BYTES:
                said.damage, said.damaged_row = f"its xattrs need more than {RARE_BYTES >> 20} MiB", row
                break
        except ValueError as error:
            offset = headers[bisect_left(headers, (row + 1,)) - 1][3]
            said.damage, said.damaged_row = f"a damaged extended header at offset {offset}: {error}", row
            break
    return said


def _long_names(headers: list[ExtendedHeader], flag: int) -> dict[int, bytes]:
    """Return GNU's long names or link targets by row; the last one of a row counts, an empty one removes it."""
    found = {row: body.partition(b"\0")[0] for row, block, body, _ in headers if block[156] == flag}
    return {row: name for row, name in found.items() if name}


class _RecordBatch:
    """Parses the records of many headers at once: all first records, then all second ones.

    `is_odd` flags the headers that are left to `parse_records`.
    """

    def __init__(self, bodies: list[bytes]) -> None:
        self.bodies = bodies
        self._joined = b"".join(bodies) + PADDING
        self._text = np.frombuffer(self._joined, np.uint8)
        # The eight bytes from each byte on.
        self._words = np.ndarray((len(self._joined) - 7,), np.dtype(">u8"), self._joined, strides=(1,))
        lengths = np.fromiter(map(len, bodies), np.int64, len(bodies))
        self._ends = np.cumsum(lengths)
        self._starts = self._ends - lengths
        self.is_odd = np.zeros(len(bodies), bool)
        self._seen: dict[bytes, Mask] = {}
        self._numbers: dict[bytes, list[tuple[Longs, Longs]]] = {key: [] for key in (*TIMES, *OWNERS)}
        self._strings: dict[bytes, dict[int, bytes]] = {key: {} for key in STRINGS}
        self._xattrs: dict[int, tuple[bytes, ...]] = {}

    def read(self) -> None:
        if b"\0" in self._joined[: -len(PADDING)]:
            nuls = np.flatnonzero(self._text[: -len(PADDING)] == 0)
            self.is_odd[np.searchsorted(self._ends, nuls, side="right")] = True
        active, position = np.flatnonzero(~self.is_odd), self._starts.copy()
        for _ in range(MOST_RECORDS):
            if not len(active):
                return
            keys, ends = self._next_records(active, position[active])
            is_good = ends > 0
            self.is_odd[active[~is_good]] = True
            active, keys, ends = active[is_good], keys[is_good], ends[is_good]
            self._take(active, keys, ends - 1)
            position[active] = ends
            active = active[(ends < self._ends[active]) & ~self.is_odd[active]]
        self.is_odd[active] = True

    def _next_records(self, active: Longs, start: Longs) -> tuple[Longs, Longs]:
        """Return where the key of each record begins, and where the record ends: 0 where that is not a plain record."""
        length, keys = np.zeros(len(start), np.int64), np.zeros(len(start), np.int64)
        value, is_digit = np.zeros(len(start), np.int64), np.ones(len(start), bool)
        for digits in range(5):
            byte = self._text[start + digits].astype(np.int64) - ord("0")
            is_end = is_digit & (byte == ord(" ") - ord("0"))
            length[is_end], keys[is_end] = value[is_end], start[is_end] + digits + 1
            is_digit &= (byte >= 0) & (byte <= 9)
            value = value * 10 + byte
        ends = start + length
        is_good = (length >= 5) & (ends <= self._ends[active])
        ends[~is_good] = 0
        is_good &= self._text[ends - 1] == ord("\n")
        ends[~is_good] = 0
        return keys, ends

    def _take(self, active: Longs, keys: Longs, ends: Longs) -> None:
        """Parse one record of each header in `active` (indexes): its key starts at `keys`, its value ends at `ends`."""
        words = self._words[keys]
        is_left = np.ones(len(active), bool)
        for key in (*TIMES, *OWNERS, *STRINGS):
            is_key = is_left & self._begins(words, keys, key)
            if is_key.any():
                is_left &= ~is_key
                self._take_key(key, active[is_key], keys[is_key] + len(key) + 1, ends[is_key])
        is_xattr = is_left & (words == _word(b"SCHILY.x"))
        is_xattr[is_xattr] = self._words[keys[is_xattr] + 5] == _word(b"Y.xattr.")
        for number, start, end in zip(active[is_xattr].tolist(), keys[is_xattr].tolist(), ends[is_xattr].tolist(), strict=True):
            record = self._joined[start + len(XATTR_PREFIX) : end]
            self._xattrs[number] = (*self._xattrs.get(number, ()), record)
            self.is_odd[number] |= b"=" not in record
        self._check_keys(active[is_left], keys[is_left], ends[is_left])

    def _begins(self, words: npt.NDArray[np.uint64], keys: Longs, key: bytes) -> Mask:
        """Return which records have this key; `keys` are the offsets of the records' keys, `words` their first eight bytes."""
        if len(key) == 8:
            found: Mask = words == _word(key)
            found[found] = self._text[keys[found] + 8] == ord("=")
            return found
        missing = 8 * (7 - len(key))
        begins: Mask = (words >> np.uint64(missing)) == np.uint64(int.from_bytes(key + b"=", "big"))
        return begins

    def _check_keys(self, active: Longs, keys: Longs, ends: Longs) -> None:
        """Flag headers as odd in which a record that is otherwise ignored has no key or no `=`."""
        if len(active):
            equals = np.flatnonzero(self._text == ord("="))
            first = np.append(equals, len(self._text))[np.searchsorted(equals, keys)]
            self.is_odd[active[(first == keys) | (first >= ends)]] = True

    def _take_key(self, key: bytes, active: Longs, start: Longs, end: Longs) -> None:
        seen = self._seen.setdefault(key, np.zeros(len(self.bodies), bool))
        self.is_odd[active[seen[active]]] = True  # the last of several counts
        seen[active] = True
        is_given = start < end  # an empty value takes the header's own
        active, start, end = active[is_given], start[is_given], end[is_given]
        if key in STRINGS:
            strings, joined = self._strings[key], self._joined
            for number, first, last in zip(active.tolist(), start.tolist(), end.tolist(), strict=True):
                strings[number] = joined[first:last]
            return
        values, is_good = self._decimals(start, end, has_fraction=key in TIMES)
        self.is_odd[active[~is_good]] = True
        self._numbers[key].append((active, values))

    def _decimals(self, start: Longs, end: Longs, *, has_fraction: bool) -> tuple[Longs, Mask]:
        """Parse the whole part of unsigned numbers of up to 18 digits; return their values and which texts are such numbers."""
        value, is_good = np.zeros(len(start), np.int64), end - start <= LONGEST_NUMBER
        is_whole, whole = np.ones(len(start), bool), np.zeros(len(start), np.int64)
        for at in range(int(min((end - start).max(initial=0), LONGEST_NUMBER))):
            is_inside = start + at < end
            byte = self._text[start + at].astype(np.int64) - ord("0")
            is_digit = (byte >= 0) & (byte <= 9)
            is_dot = is_whole & (byte == ord(".") - ord("0")) & (has_fraction and at > 0)
            is_good &= is_digit | is_dot | ~is_inside
            is_whole &= is_inside & ~is_dot
            value[is_whole] = value[is_whole] * 10 + byte[is_whole]
            whole += is_whole
            is_good &= whole <= 18
            value[~is_good] = 0
        return value, is_good

    def said(self, rows: Longs, names: dict[int, bytes], links: dict[int, bytes]) -> ExtendedFields:
        """Return the values that were parsed; `rows[i]` is the row that header i describes.

        GNU's long `names` and `links` win over the paths in PAX records.
        """
        is_plain, listed = ~self.is_odd, rows.tolist()
        strings = [{listed[number]: text for number, text in self._strings[key].items() if is_plain[number]} for key in STRINGS]
        odd = set(rows[self.is_odd].tolist())
        uid, gid, mtime = (self._column(key, rows) for key in (*OWNERS, b"mtime"))
        return ExtendedFields(
            uid=uid,
            gid=gid,
            mtime=mtime,
            names=strings[0] | {row: name for row, name in names.items() if row not in odd},
            links=strings[1] | {row: link for row, link in links.items() if row not in odd},
            xattrs={row: xattrs for row, xattrs in self._all_xattrs(listed) if xattrs},
            odd={},
            faults=[],
        )

    def _column(self, key: bytes, rows: Longs) -> tuple[Longs, Longs]:
        none = np.zeros(0, np.int64)
        numbers, values = (np.concatenate([none, *parts]) for parts in zip((none, none), *self._numbers[key], strict=True))
        is_plain = ~self.is_odd[numbers]
        return rows[numbers[is_plain]], values[is_plain]

    def _all_xattrs(self, rows: list[int]) -> Iterator[tuple[int, dict[bytes, bytes]]]:
        """Yield each row with its xattrs. Rows with equal ones share a dict: an SELinux label may be on thousands of files."""
        shared: dict[tuple[bytes, ...], dict[bytes, bytes]] = {}
        for number, records in self._xattrs.items():
            if self.is_odd[number]:
                continue
            if records not in shared:
                split = dict(record.partition(b"=")[::2] for record in records)
                shared[records] = {key: value for key, value in split.items() if value}
            yield rows[number], shared[records]


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text, "big"))
