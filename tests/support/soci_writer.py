"""A small writer of SOCI: ztocs by Google's own flatbuffers, checkpoints where zlib says that blocks end, and both indexes.

The soci program itself is packed by no distribution; this writes what its sources say that it writes.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from conftest import do_without
from layerscope.progress import ignore
from support.deflate_blocks import WINDOW, Boundary, block_boundaries
from support.toc_writer import TYPES

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
Version = Literal["v1", "v2"]
GZIP, PLAIN = 1, 2
HERE = {"os": "linux", "architecture": "amd64"}


@dataclass
class ZtocEntry:
    """One entry of a ztoc; its fields are those of the schema."""

    name: bytes
    type: bytes
    offset: int
    size: int = 0
    link: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    time: str = "1970-01-01T00:00:00Z"
    device: tuple[int, int] = (0, 0)
    records: dict[bytes, bytes] = field(default_factory=dict)


@dataclass
class Ztoc:
    """A ztoc before it is written, to be changed by tests."""

    entries: list[ZtocEntry]
    stored_bytes: int
    unpacked_bytes: int
    algorithm: int
    checkpoints: bytes

    def pack(self) -> bytes:
        """The ztoc as a flatbuffer."""
        builder = new_builder()
        version, tool = builder.CreateString("0.9"), builder.CreateString("AWS SOCI CLI v0.2")
        entries = _vector(builder, [_entry(builder, each) for each in self.entries])
        toc = _table(builder, 1, (0, "UOffsetTRelative", entries))
        checkpoints = builder.CreateByteVector(self.checkpoints)
        digests = _vector(builder, [builder.CreateString("sha256:" + "0" * 64)])
        packing = [(2, "UOffsetTRelative", digests), (3, "UOffsetTRelative", checkpoints)]
        packing += [(0, "Int8", self.algorithm)] * (self.algorithm != GZIP)  # the default is left out
        info = _table(builder, 4, *packing)
        fields = [(0, "UOffsetTRelative", version), (1, "UOffsetTRelative", tool), (4, "UOffsetTRelative", toc)]
        fields += [(2, "Int64", self.stored_bytes), (3, "Int64", self.unpacked_bytes), (5, "UOffsetTRelative", info)]
        builder.Finish(_table(builder, 6, *fields))
        return bytes(builder.Output())


def new_builder() -> Any:
    """A builder of flatbuffers."""
    try:
        import flatbuffers
    except ImportError:
        do_without("flatbuffers is not installed")
    return flatbuffers.Builder(0)


def _table(builder: Any, count: int, *fields: tuple[int, str, int]) -> int:
    builder.StartObject(count)
    for slot, kind, value in fields:
        getattr(builder, f"Prepend{kind}Slot")(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _entry(builder: Any, entry: ZtocEntry) -> int:
    records = [
        _table(builder, 2, (0, "UOffsetTRelative", builder.CreateString(key)), (1, "UOffsetTRelative", _text(builder, value)))
        for key, value in sorted(entry.records.items())
    ]
    texts = ((0, entry.name), (1, entry.type), (4, entry.link), (8, b"root"), (9, b"root"), (10, entry.time.encode()))
    fields = [(slot, "UOffsetTRelative", _text(builder, text)) for slot, text in texts]
    fields += [(13, "UOffsetTRelative", _vector(builder, records))]
    numbers = ((2, entry.offset), (3, entry.size), (5, entry.mode), (11, entry.device[0]), (12, entry.device[1]))
    fields += [(slot, "Int64", number) for slot, number in numbers]
    return _table(builder, 14, *fields, (6, "Uint32", entry.uid), (7, "Uint32", entry.gid))


def _text(builder: Any, text: bytes) -> int:
    return int(builder.CreateString(text))


def ztoc_of(stored: bytes, tar: bytes, *, span: int = 4 << 20, is_first_form: bool = False) -> Ztoc:
    """The ztoc of a gzip layer (a plain one if `stored` is the tar), as `soci create` makes it."""
    entries, end = [], 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            entries.append(_entry_of(member))
            end = -(-(member.offset_data + (member.size if member.isreg() else 0)) // 512) * 512
    algorithm = PLAIN if stored == tar else GZIP
    checkpoints = b"" if stored == tar else pack_checkpoints(stored, tar, span, is_first_form=is_first_form)
    return Ztoc(entries, len(stored), min(end + 1024, len(tar)), algorithm, checkpoints)


def _entry_of(member: tarfile.TarInfo) -> ZtocEntry:
    time = datetime.fromtimestamp(member.mtime, UTC).isoformat().replace("+00:00", ".000000001Z")
    return ZtocEntry(
        name=_raw(member.name) + b"/" * member.isdir(),
        type=TYPES[member.type].encode(),
        offset=member.offset_data,
        size=member.size,
        link=_raw(member.linkname),
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        time=time,
        device=(member.devmajor, member.devminor) if member.isdev() else (0, 0),
        records={_raw(key): _raw(value) for key, value in member.pax_headers.items()},
    )


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def pack_checkpoints(stored: bytes, tar: bytes, span: int, *, is_first_form: bool = False) -> bytes:
    """Checkpoints at ends of blocks that are more than `span` apart; in the first form the one at the start is left out."""
    chosen: list[Boundary] = []
    for each in block_boundaries(stored, len(tar)):
        if not chosen or each.unpacked - chosen[-1].unpacked > span:
            chosen.append(each)
    written = chosen[1:] if is_first_form else chosen
    head = struct.pack("<iq", len(chosen), span)
    return head + b"".join(
        struct.pack("<qqB", each.stored, each.unpacked, each.bits)
        + tar[max(0, each.unpacked - WINDOW) : each.unpacked].rjust(WINDOW, b"\0")
        for each in written
    )


def add_index(
    place: Path, version: Version, ztocs: dict[str, bytes], *, edit: Callable[[dict[str, Any]], None] = ignore
) -> str:
    """Add ztocs, by the digests of their layers, to the one image of a layout, and an index of them; return its digest.

    The second version changes the image's manifest, and lists the index beside it.
    """
    top = json.loads((place / "index.json").read_bytes())
    (image,) = top["manifests"]
    layers = [
        _put(place, ztoc, "application/octet-stream") | {"annotations": {"com.amazon.soci.image-layer-digest": digest}}
        for digest, ztoc in ztocs.items()
    ]
    kind = f"application/vnd.amazon.soci.index.{version}+json"
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST, "config": _put(place, b"{}", kind), "layers": layers}
    if version == "v1":
        index["subject"] = {key: image[key] for key in ("mediaType", "digest", "size")}
    edit(index)
    described = _put(place, json.dumps(index).encode(), MANIFEST) | {"artifactType": kind}
    if version == "v2":
        manifest = json.loads((place / "blobs" / image["digest"].replace(":", "/")).read_bytes())
        manifest["annotations"] = {"com.amazon.soci.index-digest": described["digest"]}
        image = _put(place, json.dumps(manifest).encode(), MANIFEST) | {"platform": HERE}
        about = {"com.amazon.soci.image-manifest-digest": image["digest"]}
        top["manifests"] = [image, described | {"platform": HERE, "annotations": about}]
        (place / "index.json").write_text(json.dumps(top))
    return str(described["digest"])


def _put(place: Path, content: bytes, media_type: str) -> dict[str, Any]:
    name = hashlib.sha256(content).hexdigest()
    (place / "blobs/sha256" / name).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(content)}
