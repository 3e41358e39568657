"""PAX extended headers: the records that override fields of the next header (POSIX pax, "pax Extended Header")."""

from __future__ import annotations

from dataclasses import dataclass, field

from layerscope.layers.tar.numbers import parse_decimal, parse_time
from layerscope.layers.tar.sparse import SparseRecords, parse_sparse_records
from layerscope.limits import XATTR_COST

XATTR_PREFIX = b"SCHILY.xattr."
MAX_XATTRS = 256 << 10
"""The most bytes of xattrs that one entry may have; Linux allows 64 KiB a value, and file systems far less in total."""
STRINGS = (b"path", b"linkpath", b"uname", b"gname")

Records = dict[bytes, bytes]


def xattr_cost(xattrs: dict[bytes, bytes]) -> int:
    """Return the memory an extended attribute takes in bytes; names and empty values count too."""
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
        """Combine them. Raises ValueError for a number that cannot be parsed.

        Empty xattrs are left out, as Go's Header.Xattrs has none: Docker 20.10 and umoci set none. containerd, which reads
        PAXRecords, sets them (measured with Docker 26.1 on its store).
        """
        records = self.records or {}
        xattrs = {key[len(XATTR_PREFIX) :]: value for key, value in records.items() if value and key.startswith(XATTR_PREFIX)}
        if xattr_cost(xattrs) > MAX_XATTRS:
            raise ValueError(f"xattrs of more than {MAX_XATTRS} bytes")
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


def _number(records: Records, key: bytes) -> int | None:
    value = records.get(key)
    if not value:
        return None
    return parse_time(value) if key.endswith(b"time") else parse_decimal(value)


def parse_records(body: bytes) -> tuple[Records, list[tuple[bytes, str]]]:
    """Parse the `length key=value\n` records; also return (name, sentence) for each that no engine accepts although it is
    readable.

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
    elif key in STRINGS and b"\0" in value:
        name = value.partition(b"\0")[0]
        what = {b"path": "its name", b"linkpath": "a link's target"}.get(key, "an owner's name")
        faults.append((name if key == b"path" else b"", f"{what} holds a NUL byte; cut there"))
        return name
    return value
