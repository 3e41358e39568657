"""tar-split, restated: what `github.com/vbatts/tar-split` writes for a tar, as its documentation and source have it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from support.image_builder import Layer

POLYNOMIAL = 0xD800000000000000
"""ISO 3309's, reversed, as Go's hash/crc64 has it."""
ALL_ONES = 0xFFFFFFFFFFFFFFFF


def _shifted(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
    return value


TABLE = [_shifted(byte) for byte in range(256)]


def crc64(content: bytes) -> bytes:
    """CRC-64 (ISO), big endian."""
    checksum = ALL_ONES
    for byte in content:
        checksum = TABLE[(checksum ^ byte) & 0xFF] ^ checksum >> 8
    return (checksum ^ ALL_ONES).to_bytes(8, "big")


def segment(payload: bytes) -> dict[str, Any]:
    return {"type": 2, "payload": base64.b64encode(payload).decode()}


def file_record(name: str, content: bytes = b"", size: int | None = None) -> dict[str, Any]:
    """A file; `size` says another one than its content has."""
    length = len(content) if size is None else size
    checksum = base64.b64encode(crc64(content)).decode() if content else None
    return {"type": 1, "name": name} | ({"size": length} if length else {}) | {"payload": checksum}


def split(tar: bytes) -> list[dict[str, Any]]:
    """The records of a tar without sparse files and global headers."""
    records, done = [], 0
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            records.append(segment(tar[done : member.offset_data]))
            content = tar[member.offset_data :][: member.size] if member.isreg() else b""
            records.append(file_record(member.name.encode(errors="replace").decode(), content))
            done = member.offset_data + len(content)
    return [*records, segment(tar[done:])]


def lines(records: list[dict[str, Any]]) -> bytes:
    numbered = (record | {"position": position} for position, record in enumerate(records))
    return b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in numbered)


def write_record(path: Path, records: list[dict[str, Any]]) -> Path:
    """A tar-split file at `path`; returns `path`."""
    path.write_bytes(gzip.compress(lines(records), 1))
    return path


def record_of(path: Path, layer: Layer) -> Path:
    """The tar-split file of a layer, at `path`."""
    return write_record(path, split(layer.tar()))
