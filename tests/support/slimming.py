"""Images made smaller, and read back with the standard library's tarfile, which shares no code with what is tested."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import zstandard

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.slim.plan import SlimOptions, plan_slim
from layerscope.slim.write import Slimmed, WriteOptions, write_slim
from layerscope.sources.open import open_image
from support.image_builder import Compress, Layer, Member, image, raw

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "directory",
    tarfile.FIFOTYPE: "fifo",
}
XATTR = "SCHILY.xattr."


def analyzed(path: Path) -> Analysis:
    return analyze(read_image(open_image(str(path))))


def stored(place: Path, *layers: Layer, compress: Compress = "none") -> Path:
    """An archive of these layers in the directory `place`."""
    path = place / "image.tar"
    path.write_bytes(image(*layers, compress=compress))
    return path


def slimmed(path: Path, options: SlimOptions | None = None, write: WriteOptions | None = None) -> tuple[Slimmed, Path]:
    """The image at `path` made smaller, beside it."""
    out = path.with_name(f"slim-{path.name}")
    plan = plan_slim(analyzed(path), options)
    return write_slim(plan, out, write or WriteOptions(), progress=lambda *_: None), out


def tars_of(path: Path) -> list[bytes]:
    """The layers of an archive, base first, unpacked, with every digest checked."""
    with tarfile.open(path) as archive:
        files = {each.name: content.read() for each in archive if (content := archive.extractfile(each))}
    (entry,) = json.loads(files["manifest.json"])
    config = json.loads(files[entry["Config"]])
    assert hashlib.sha256(files[entry["Config"]]).hexdigest() in entry["Config"]
    tars = []
    for name, diff_id in zip(entry["Layers"], config["rootfs"]["diff_ids"], strict=True):
        blob = files[name]
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"
        tars.append(_unpacked(blob))
        assert diff_id == f"sha256:{hashlib.sha256(tars[-1]).hexdigest()}"
    return tars


def _unpacked(blob: bytes) -> bytes:
    if blob.startswith(b"\x1f\x8b"):
        return gzip.decompress(blob)
    return zstandard.ZstdDecompressor().stream_reader(blob).read() if blob.startswith(b"\x28\xb5\x2f\xfd") else blob


def layers_of(path: Path) -> list[Layer]:
    """The layers of an archive as tarfile reads them."""
    return [Layer(tuple(_members(tar))) for tar in tars_of(path)]


def _members(tar: bytes) -> list[Member]:
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as opened:
        return [_member(opened, each) for each in opened]


def _member(opened: tarfile.TarFile, each: tarfile.TarInfo) -> Member:
    content = opened.extractfile(each) if each.isreg() else None
    xattrs = {key.removeprefix(XATTR): raw(value) for key, value in each.pax_headers.items() if key.startswith(XATTR)}
    return Member(
        name=raw(each.name) + (b"/" if each.isdir() else b""),
        kind=KINDS[each.type],  # type: ignore[arg-type]
        content=content.read() if content else b"",
        mode=each.mode,
        uid=each.uid,
        gid=each.gid,
        mtime=int(each.mtime),
        target=raw(each.linkname) if each.islnk() or each.issym() else b"",
        xattrs=tuple(sorted(xattrs.items())),
        device=(each.devmajor, each.devminor),
    )
