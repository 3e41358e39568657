"""Headers of a tar that the original does not have: of empty files, and of members under another name or to another target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from layerscope.layers.tar.headers import BLOCK, name_of
from layerscope.layers.tar.numbers import parse_field
from layerscope.layers.tar.pax import Overrides

NAME, LINK, PREFIX = slice(0, 100), slice(157, 257), slice(345, 500)
LENGTH = 100
"""The longest name or target that fits into a header's own field."""
STAR_PREFIX = slice(345, 476)
SPARSE_NAME = b"GNU.sparse.name"
Record = tuple[bytes, bytes]


def empty_file(path: bytes) -> bytes:
    """Return the member of an empty file that nobody sees: its path alone matters (POSIX pax, "ustar Interchange Format")."""
    records = [] if len(path) <= LENGTH else [(b"path", path)]
    return _extended(records) + _header(path[-LENGTH:], b"0", 0)


def marker_of(path: bytes) -> bytes:
    """Return the path of the whiteout that hides `path` (OCI image-spec `layer.md`)."""
    parent, slash, name = path.rpartition(b"/")
    return parent + slash + b".wh." + name


def renamed(head: bytes, *, path: bytes | None = None, link: bytes | None = None) -> bytes:
    """Return the headers of a member with another path, target, or both; everything else stays as it is.

    `head` is what comes before the content: extended headers, the header, and the map of a sparse file, if there is one.
    """
    records, long_names, position = _before_header(head)
    block = bytearray(head[position : position + BLOCK])
    if path is not None:
        long_names.pop(b"L", None)
        records = [*_renamed_in_records(records, block, path)]
    if link is not None:
        long_names.pop(b"K", None)
        records = [record for record in records if record[0] != b"linkpath"]
        block[LINK] = link[-LENGTH:].ljust(LENGTH, b"\0")
        if len(link) > LENGTH:
            records.append((b"linkpath", link))
    _sum_up(block)
    return _extended(records) + b"".join(long_names.values()) + bytes(block) + head[position + BLOCK :]


def _before_header(head: bytes) -> tuple[list[Record], dict[bytes, bytes], int]:
    """Return the PAX records that apply, the members of GNU's long names by their flag, and where the header is.

    A new x header replaces the one before it; a global one drops all before it, and is not used by any engine.
    """
    records, long_names, position = list[Record](), dict[bytes, bytes](), 0
    while (flag := head[position + 156 : position + 157]) in (b"x", b"g", b"L", b"K"):
        size = parse_field(head[position + 124 : position + 136])
        start, stop = position, position + BLOCK + -(-size // BLOCK) * BLOCK
        if flag == b"x":
            records = list(_records(head[start + BLOCK : start + BLOCK + size]))
        elif flag == b"g":
            records, long_names = [], {}
        else:
            long_names[flag] = head[start:stop]
        position = stop
    return records, long_names, position


def _records(body: bytes) -> Iterator[Record]:
    """Yield the records of a PAX header that was read before, so that it is known to be well-formed, as they stand there."""
    position = 0
    while position < len(body):
        space = body.index(b" ", position)
        end = position + int(body[position:space])
        key, _, value = body[space + 1 : end - 1].partition(b"=")
        yield key, value
        position = end


def _renamed_in_records(records: list[Record], block: bytearray, path: bytes) -> Iterator[Record]:
    """Set the name of a header, and yield the records that go with it: a sparse file has its name in a record of its own."""
    if any(key == SPARSE_NAME for key, _ in records):
        yield from ((key, path if key == SPARSE_NAME else value) for key, value in records)
        return
    yield from (record for record in records if record[0] != b"path")
    if block[156:157] == b"5" or name_of(bytes(block), Overrides()).endswith(b"/"):
        path += b"/"
    if name_of(bytes(block), Overrides()) != bytes(block[NAME]).partition(b"\0")[0]:
        prefix = STAR_PREFIX if block[508:512] == b"tar\0" else PREFIX
        block[prefix] = bytes(prefix.stop - prefix.start)
    block[NAME] = path[-LENGTH:].ljust(LENGTH, b"\0")
    if len(path) > LENGTH:
        yield b"path", path


def _extended(records: Iterable[Record]) -> bytes:
    body = b"".join(_record(*record) for record in records)
    return _header(b"pax", b"x", len(body)) + body + bytes(-len(body) % BLOCK) if body else b""


def _header(name: bytes, flag: bytes, size: int) -> bytes:
    block = bytearray(BLOCK)
    fields = {0: name, 100: b"0000644\0", 108: b"0000000\0", 116: b"0000000\0", 124: b"%011o\0" % size, 136: b"00000000000\0"}
    fields |= {156: flag, 257: b"ustar\x0000", 329: b"0000000\0", 337: b"0000000\0"}
    for offset, value in fields.items():
        block[offset : offset + len(value)] = value
    _sum_up(block)
    return bytes(block)


def _sum_up(block: bytearray) -> None:
    """Write the checksum of a header into it (POSIX pax, "ustar Interchange Format")."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)


def _record(key: bytes, value: bytes) -> bytes:
    """Return a PAX record, which begins with its own length in digits (POSIX pax, "pax Extended Header")."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
