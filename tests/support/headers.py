"""Tars written header by header, so that a test can say what no tar program writes."""

from __future__ import annotations

BLOCK = 512
END = bytes(2 * BLOCK)
USTAR, GNU, V7 = b"ustar\x0000", b"ustar  \0", bytes(8)


def padded(content: bytes) -> bytes:
    """`content` and zeros to the end of its last block."""
    return content + bytes(-len(content) % BLOCK)


def with_checksum(block: bytes) -> bytes:
    """The same header with the right checksum."""
    total = sum(block[:148]) + sum(block[156:]) + 8 * 0x20
    return block[:148] + b"%06o\0 " % total + block[156:]


def header(
    name: bytes,
    flag: bytes = b"0",
    size: int = 0,
    *,
    link: bytes = b"",
    magic: bytes = USTAR,
    prefix: bytes = b"",
    fields: dict[int, bytes] | None = None,
) -> bytes:
    """One header block. `fields` are bytes to be written at an offset, over what would stand there."""
    mode = b"0000755\0" if flag == b"5" else b"0000644\0"
    block = bytearray(name[:100].ljust(100, b"\0") + mode + b"0000000\0" * 2 + b"%011o\0" % size + b"%011o\0" % 9)
    block += b" " * 8 + flag + link[:100].ljust(100, b"\0") + magic
    block += (bytes(64) + b"0000000\0" * 2 if magic != V7 else b"").ljust(80, b"\0") + prefix
    block = block.ljust(BLOCK, b"\0")
    for offset, value in (fields or {}).items():
        block[offset : offset + len(value)] = value
    return with_checksum(bytes(block))


def member(name: bytes, content: bytes = b"", flag: bytes = b"0", **parts: object) -> bytes:
    """A header and its content."""
    return header(name, flag, len(content), **parts) + padded(content)  # type: ignore[arg-type]


def directory(name: bytes) -> bytes:
    return header(name, b"5")


def record(key: bytes, value: bytes) -> bytes:
    """`length key=value` and a line end, as a PAX header's body holds them; the length counts its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def extended(flag: bytes, body: bytes, name: bytes = b"././@PaxHeader") -> bytes:
    return header(name, flag, len(body)) + padded(body)


def x(*records: tuple[bytes, bytes]) -> bytes:
    """A PAX header for the next entry."""
    return extended(b"x", b"".join(record(key, value) for key, value in records))


def g(*records: tuple[bytes, bytes]) -> bytes:
    """A global PAX header."""
    return extended(b"g", b"".join(record(key, value) for key, value in records), b"pax_global_header")


def long_name(name: bytes, flag: bytes = b"L") -> bytes:
    """GNU tar's long name, or with `K` its long link target, of the next entry."""
    return header(b"././@LongLink", flag, len(name) + 1, magic=GNU) + padded(name + b"\0")
