"""PAX extended headers: the records that override fields of the next header (POSIX pax, "pax Extended Header")."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field, replace

from layerscope.layers.numbers import parse_decimal, parse_time
from layerscope.layers.sparse import parse_sparse_records
from layerscope.layers.table import SparseMap

XATTR_PREFIX = b"SCHILY.xattr."
LIBARCHIVE_PREFIX = b"LIBARCHIVE.xattr."
SPARSE_PREFIX = b"GNU.sparse."
MAX_XATTRS = 256 << 10
"""The most bytes of xattrs that one entry may have; Linux allows 64 KiB a value, and file systems far less for all."""
NUMBERS = {b"size": "size", b"uid": "uid", b"gid": "gid"}


@dataclass(frozen=True, slots=True)
class Overrides:
    """What extended headers (PAX, or GNU's long names) say about the next entry; None where they say nothing.

    `size` is the size of what the tar stores; `sparse_size` the size of the file when it is sparse. `map_in_content`
    says that the content begins with GNU's sparse map, version 1.0.
    """

    path: bytes | None = None
    link: bytes | None = None
    size: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime: int | None = None
    sparse_size: int | None = None
    sparse: SparseMap | None = None
    map_in_content: bool = False
    xattrs: dict[bytes, bytes] = field(default_factory=dict)


def parse_records(body: bytes) -> list[tuple[bytes, bytes]]:
    """Split `length key=value\\n` records, in order. Raises ValueError when the body is not made of them."""
    records = []
    position = 0
    while position < len(body):
        space = body.find(b" ", position, position + 20)
        if space < 0 or not body[position:space].isdigit():
            if not body[position:].strip(b"\0"):
                break  # some writers pad with NULs inside the size
            raise ValueError(f"no record at byte {position}")
        end = position + int(body[position:space])
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if end <= space + 2 or end > len(body) or body[end - 1] != 0x0A or not equals or not key:
            raise ValueError(f"a damaged record at byte {position}")
        records.append((key, value))
        position = end
    return records


def apply_records(base: Overrides, records: list[tuple[bytes, bytes]]) -> Overrides:
    """`base` with `records` on top. An empty value takes an override back. Raises ValueError for a value that is no number."""
    changes: dict[str, object] = {}
    xattrs: dict[bytes, bytes] = {}
    sparse: list[tuple[bytes, bytes]] = []
    for key, value in records:
        if key == b"path":
            changes["path"] = value or None
        elif key == b"linkpath":
            changes["link"] = value or None
        elif key == b"mtime":
            changes["mtime"] = parse_time(value) if value else None
        elif key in NUMBERS:
            changes[NUMBERS[key]] = parse_decimal(value) if value else None
        elif key.startswith(SPARSE_PREFIX):
            sparse.append((key.removeprefix(SPARSE_PREFIX), value))
        else:
            xattrs.update(_xattr(key, value))
    if sparse:
        found = parse_sparse_records(sparse)
        changes |= {"sparse": found.map, "sparse_size": found.size, "map_in_content": found.map_in_content}
        changes |= {"path": found.name} if found.name else {}
    if sum(map(len, xattrs.values())) > MAX_XATTRS:
        raise ValueError(f"xattrs of more than {MAX_XATTRS} bytes")
    if xattrs:
        changes["xattrs"] = xattrs
    return replace(base, **changes) if changes else base  # type: ignore[arg-type]


def _xattr(key: bytes, value: bytes) -> dict[bytes, bytes]:
    if key.startswith(XATTR_PREFIX):
        return {key.removeprefix(XATTR_PREFIX): value}
    if key.startswith(LIBARCHIVE_PREFIX):
        try:
            return {key.removeprefix(LIBARCHIVE_PREFIX): base64.b64decode(value + b"==")}
        except binascii.Error as error:
            raise ValueError(f"xattr {key[:80]!r} is not base64") from error
    return {}
