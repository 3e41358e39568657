"""Literals for tests: `image(layer("a", "b/c", directory("d", mode=0o700)), layer(".wh.a"))` is a whole image, as bytes.

Everything here is deterministic and made with the standard library's tarfile, so that it shares no code with what it tests.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import zstandard

from layerscope.layers.blob import Blob

Kind = Literal["file", "hardlink", "symlink", "char", "block", "directory", "fifo"]
Compress = Literal["none", "gzip", "zstd"]
Name = str | bytes

TYPE_FLAGS: dict[Kind, bytes] = {
    "file": tarfile.REGTYPE,
    "hardlink": tarfile.LNKTYPE,
    "symlink": tarfile.SYMTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "directory": tarfile.DIRTYPE,
    "fifo": tarfile.FIFOTYPE,
}
LAYER_TYPES: dict[Compress, str] = {
    "none": "application/vnd.oci.image.layer.v1.tar",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
CREATED = "2024-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a layer's tar, as written: `name` is spelled as it stands in the header. Times are whole seconds."""

    name: bytes
    kind: Kind = "file"
    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    target: bytes = b""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    device: tuple[int, int] = (0, 0)

    def header(self) -> tarfile.TarInfo:
        """The same as tarfile has it."""
        header = tarfile.TarInfo(text(self.name))
        header.type = TYPE_FLAGS[self.kind]
        header.mode, header.uid, header.gid, header.mtime = self.mode, self.uid, self.gid, self.mtime
        header.size = len(self.content)
        header.linkname = text(self.target)
        header.devmajor, header.devminor = self.device
        header.pax_headers = {f"SCHILY.xattr.{name}": text(value) for name, value in self.xattrs}
        return header


@dataclass(frozen=True, slots=True)
class Layer:
    """The members of one layer's tar, in order. Xattrs, long names and negative times need `tar_format` to be PAX."""

    members: tuple[Member, ...]
    tar_format: int = field(default=tarfile.PAX_FORMAT, compare=False)

    def tar(self, tar_format: int | None = None) -> bytes:
        """The layer as an uncompressed tar."""
        buffer = io.BytesIO()
        with tarfile.open(
            fileobj=buffer,
            mode="w",
            format=self.tar_format if tar_format is None else tar_format,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            for member in self.members:
                tar.addfile(member.header(), io.BytesIO(member.content))
        return buffer.getvalue()


def text(name: bytes) -> str:
    """Bytes as tarfile wants them."""
    return name.decode("utf-8", "surrogateescape")


def raw(name: Name) -> bytes:
    """A name of either sort as bytes."""
    return name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name


def layer(*items: Name | Member, tar_format: int = tarfile.PAX_FORMAT) -> Layer:
    """A layer of `items` in this order. A plain name is a file whose content follows from its name, or a directory (`d/`)."""
    members = tuple(item if isinstance(item, Member) else _of_name(raw(item)) for item in items)
    return Layer(members, tar_format)


def _of_name(name: bytes) -> Member:
    if name.endswith(b"/"):
        return directory(name)
    if name.rpartition(b"/")[2].startswith(b".wh."):
        return file(name, b"")
    return file(name, b"content of " + name + b"\n")


def file(
    name: Name,
    content: bytes = b"",
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    xattrs: dict[str, bytes] | None = None,
) -> Member:
    return Member(raw(name), "file", content, mode, uid, gid, mtime, xattrs=tuple(sorted((xattrs or {}).items())))


def directory(
    name: Name,
    *,
    mode: int = 0o755,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    xattrs: dict[str, bytes] | None = None,
) -> Member:
    return Member(raw(name), "directory", b"", mode, uid, gid, mtime, xattrs=tuple(sorted((xattrs or {}).items())))


def symlink(name: Name, target: Name, *, uid: int = 0, gid: int = 0, mtime: int = 0) -> Member:
    return Member(raw(name), "symlink", b"", 0o777, uid, gid, mtime, target=raw(target))


def hardlink(name: Name, target: Name, *, mode: int = 0o644, uid: int = 0, gid: int = 0, mtime: int = 0) -> Member:
    return Member(raw(name), "hardlink", b"", mode, uid, gid, mtime, target=raw(target))


def fifo(name: Name, *, mode: int = 0o644, uid: int = 0, gid: int = 0, mtime: int = 0) -> Member:
    return Member(raw(name), "fifo", b"", mode, uid, gid, mtime)


def char(name: Name, *, device: tuple[int, int] = (1, 3), mode: int = 0o644, uid: int = 0, gid: int = 0) -> Member:
    return Member(raw(name), "char", b"", mode, uid, gid, device=device)


def block(name: Name, *, device: tuple[int, int] = (7, 0), mode: int = 0o644, uid: int = 0, gid: int = 0) -> Member:
    return Member(raw(name), "block", b"", mode, uid, gid, device=device)


def whiteout(path: Name) -> Member:
    """The marker that hides `path` in the layers below."""
    parent, slash, name = raw(path).rpartition(b"/")
    return Member(parent + slash + b".wh." + name)


def opaque(path: Name = b"") -> Member:
    """The marker that hides all that lower layers have below the directory `path` (default: the root)."""
    return Member(raw(path) + b"/.wh..wh..opq" if path else b".wh..wh..opq")


def blob(content: bytes) -> Blob:
    """Bytes as a source would hand them on: a memory map of a file (that no longer has a name)."""
    with tempfile.TemporaryFile() as stored:
        stored.write(content)
        stored.flush()
        return Blob.of_open_file(stored)


def squeeze(content: bytes, compress: Compress) -> bytes:
    """Compressed bytes, the same on every run."""
    if compress == "gzip":
        return gzip.compress(content, 6, mtime=0)
    return zstandard.ZstdCompressor().compress(content) if compress == "zstd" else content


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class _Documents:
    """All that an image in OCI form is made of: `blobs` by digest, in the order of writing."""

    blobs: dict[str, bytes]
    config: str
    layers: tuple[str, ...]
    manifest: dict[str, Any]


def _documents(layers: tuple[Layer, ...], compress: Compress) -> _Documents:
    tars = [each.tar() for each in layers]
    stored = [squeeze(tar, compress) for tar in tars]
    config = _json(_config([digest(tar) for tar in tars]))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(config, CONFIG_TYPE),
        "layers": [_descriptor(content, LAYER_TYPES[compress]) for content in stored],
    }
    blobs = {digest(content): content for content in [*stored, config, _json(manifest)]}
    digests = tuple(digest(content) for content in stored)
    return _Documents(blobs, digest(config), digests, _descriptor(_json(manifest), MANIFEST_TYPE))


def _config(diff_ids: list[str]) -> dict[str, Any]:
    history = [{"created": CREATED, "created_by": f"step {number}"} for number in range(1, len(diff_ids) + 1)]
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    }


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def _layout_files(documents: _Documents, tag: str) -> dict[str, bytes]:
    name = {"annotations": {"org.opencontainers.image.ref.name": tag}}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"})}
    files["index.json"] = _json({"schemaVersion": 2, "manifests": [documents.manifest | name]})
    files |= {_blob_path(each): content for each, content in documents.blobs.items()}
    return files


def _blob_path(name: str) -> str:
    return "blobs/" + name.replace(":", "/")


def _docker_files(documents: _Documents, tag: str) -> dict[str, bytes]:
    """As `docker save` wrote before version 25: the config by its digest, and a directory with a `layer.tar` for each layer."""
    config = documents.config.removeprefix("sha256:") + ".json"
    files = {config: documents.blobs[documents.config]}
    paths = []
    for each in documents.layers:
        paths.append(each.removeprefix("sha256:") + "/layer.tar")
        files[paths[-1]] = documents.blobs[each]
    files["manifest.json"] = _json([{"Config": config, "RepoTags": [tag], "Layers": paths}])
    return files


def image(*layers: Layer, tag: str = "test:1", compress: Compress = "none", fmt: Literal["docker", "oci"] = "docker") -> bytes:
    """An archive with one image, as `docker save` or an OCI layout; `compress` says how its layers are stored."""
    documents = _documents(layers, compress)
    files = _docker_files(documents, tag) if fmt == "docker" else _layout_files(documents, tag)
    return layer(*(file(path, content) for path, content in files.items()), tar_format=tarfile.USTAR_FORMAT).tar()


def write_layout(path: Path, *layers: Layer, tag: str = "latest", compress: Compress = "none") -> Path:
    """Write an OCI layout directory with one image to `path`; returns `path`."""
    for name, content in _layout_files(_documents(layers, compress), tag).items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return path
