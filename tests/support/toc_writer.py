"""Small writers of eStargz and zstd:chunked, for what real ones do not write: old footers, no annotations, tables that lie."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import stat
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import zstandard

from support.image_builder import LAYER_TYPES, Layer

Toc = dict[str, Any]
Edit = Callable[[Toc], None]
Footer = Literal["usual", "old", "none"]
TYPES = {
    tarfile.REGTYPE: "reg",
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "dir",
    tarfile.FIFOTYPE: "fifo",
}
SKIPPABLE = b"\x50\x2a\x4d\x18"


@dataclass(frozen=True)
class Written:
    """A layer's stored bytes, its unpacked ones, the annotations that a writer gives it, and its media type."""

    stored: bytes
    tar: bytes
    annotations: dict[str, str]
    media_type: str


def write_estargz(
    layer: Layer,
    *,
    is_behind: bool = True,
    footer: Footer = "usual",
    edit: Edit = lambda _toc: None,
    chunk: int = 1 << 22,
    is_inner: bool = False,
) -> Written:
    """Write eStargz as BuildKit does, or with the table before the tar's end (`is_behind` false), as its first writers did.

    `is_inner` puts all into one member, as a minimal chunk size does.
    """
    parts, toc = _Parts(gzip.compress, is_inner=is_inner), Toc(version=1, entries=[])
    tar = layer.tar()
    _add_entries(tar, parts, toc, chunk, is_behind=is_behind)
    edit(toc)
    raw = json.dumps(toc, indent="\t").encode()
    member = io.BytesIO()
    with tarfile.open(fileobj=member, mode="w") as archive:
        info = tarfile.TarInfo("stargz.index.json")
        info.size = len(raw)
        archive.addfile(info, io.BytesIO(raw))
    whole = member.getvalue()[: 512 + -(-len(raw) // 512) * 512 + 1024]
    at = parts.length
    parts.add(whole)
    field = f"{at:016x}STARGZ".encode()
    extra = field if footer == "old" else b"SG" + struct.pack("<H", len(field)) + field
    head = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + struct.pack("<H", len(extra)) + extra
    stored = bytes(parts.stored) + (b"" if footer == "none" else head + b"\x01\x00\x00\xff\xff" + bytes(8))
    annotations = {
        "containerd.io/snapshot/stargz/toc.digest": _sha256(raw),
        "io.containers.estargz.uncompressed-size": str(len(parts.unpacked)),
    }
    return Written(stored, bytes(parts.unpacked), annotations, LAYER_TYPES["gzip"])


def write_chunked(
    layer: Layer,
    *,
    footer: Footer = "usual",
    edit: Edit = lambda _toc: None,
    chunk: int = 1 << 16,
    prefix: str = "io.github.containers.zstd-chunked.",
) -> Written:
    """Write zstd:chunked without a tar-split record, as containers/storage did at first (`footer` "old")."""
    parts, toc = _Parts(zstandard.ZstdCompressor().compress), Toc(version=1, entries=[])
    tar = layer.tar()
    _add_entries(tar, parts, toc, chunk, is_behind=True)
    edit(toc)
    raw = json.dumps(toc).encode()
    table = zstandard.ZstdCompressor().compress(raw)
    at = parts.length + 8
    numbers = (at, len(table), len(raw), 1)
    stored = bytes(parts.stored) + SKIPPABLE + struct.pack("<I", len(table)) + table
    if footer != "none":
        end = struct.pack("<4Q8s", *numbers, b"GnUlInUx")
        end = end if footer == "old" else struct.pack("<7Q8s", *numbers, at, len(table), len(raw), b"GNUlInUx")
        stored += SKIPPABLE + struct.pack("<I", len(end)) + end
    annotations = {prefix + "manifest-position": ":".join(map(str, numbers)), prefix + "manifest-checksum": _sha256(table)}
    return Written(stored, tar, annotations, LAYER_TYPES["zstd"])


class _Parts:
    """Compressed parts, one member or frame each."""

    def __init__(self, compress: Callable[[bytes], bytes], *, is_inner: bool = False) -> None:
        self.stored, self.unpacked = bytearray(), bytearray()
        self._compress, self._is_inner = compress, is_inner
        self._pending = b""

    @property
    def length(self) -> int:
        """Where the next part will start."""
        return len(self.stored)

    def add(self, part: bytes, *, is_content: bool = False) -> tuple[int, int]:
        """Add a part, and return the offsets of its member, and in it."""
        inner = len(self._pending)
        at = len(self.stored)
        self._pending += part
        self.unpacked += part
        if not self._is_inner or not is_content:
            self.flush()
        return at, inner

    def flush(self) -> None:
        """End the member."""
        if self._pending:
            self.stored += self._compress(self._pending)
        self._pending = b""


def _add_entries(tar: bytes, parts: _Parts, toc: Toc, chunk: int, *, is_behind: bool) -> None:
    position = 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            entry = _entry(member)
            toc["entries"].append(entry)
            if not member.isreg() or not member.size:
                continue
            parts.add(tar[position : member.offset_data], is_content=True)
            content = tar[member.offset_data : member.offset_data + member.size]
            entry["digest"] = _sha256(content)
            for begin in range(0, member.size, chunk):
                piece = content[begin : begin + chunk]
                at, inner = parts.add(piece, is_content=True)
                row = entry if not begin else {"name": entry["name"], "type": "chunk", "chunkOffset": begin}
                row |= {"offset": at} | ({"innerOffset": inner} if inner else {})
                row |= {"chunkSize": len(piece)} if member.size > chunk else {}
                if begin:
                    toc["entries"].append(row)
            position = member.offset_data + member.size
        end = archive.offset
    parts.add(tar[position : len(tar) if is_behind else end])
    parts.flush()


def _entry(member: tarfile.TarInfo) -> dict[str, Any]:
    kind = TYPES[member.type]
    form = {"dir": stat.S_IFDIR, "reg": stat.S_IFREG}.get(kind, 0)
    entry: dict[str, Any] = {"name": member.name + "/" * member.isdir(), "type": kind, "mode": member.mode | form}
    entry |= {"uid": member.uid, "gid": member.gid}
    entry["modtime"] = datetime.fromtimestamp(member.mtime, UTC).isoformat().replace("+00:00", "Z")
    if member.isreg():
        entry["size"] = member.size
    if member.linkname:
        entry["linkName"] = member.linkname
    if member.isdev():
        entry |= {"devMajor": member.devmajor, "devMinor": member.devminor}
    xattrs = {name[13:]: value for name, value in member.pax_headers.items() if name.startswith("SCHILY.xattr.")}
    if xattrs:
        encoded = {name: base64.b64encode(value.encode("utf-8", "surrogateescape")).decode() for name, value in xattrs.items()}
        entry["xattrs"] = encoded
    return entry


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def write_tables_layout(path: Path, *layers: Written, is_annotated: bool = True) -> Path:
    """Write an OCI layout of layers that were written here; the annotations can be left out, as some registries do."""
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
        digest = _sha256(content)
        (blobs / digest.removeprefix("sha256:")).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)} | (
            {"annotations": annotations} if annotations else {}
        )

    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [_sha256(each.tar) for each in layers]},
        "history": [{"created_by": f"step {number}"} for number in range(len(layers))],
    }
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [put(each.stored, each.media_type, each.annotations if is_annotated else None) for each in layers],
    }
    described = put(json.dumps(manifest).encode(), manifest["mediaType"])
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return path
