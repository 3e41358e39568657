"""A layer as large as is wanted that is never whole in memory: a gzip member for each piece of one file."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.oci.digest import Digest
from support.pretend_registry import Answer, Asked, PretendedRegistry, document_route

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class HugeLayer:
    """The stored layer is `first`, `count` times `piece`, and `last`; its content cannot be compressed."""

    first: bytes
    piece: bytes
    last: bytes
    count: int
    diff_id: str

    @property
    def size(self) -> int:
        return len(self.first) + self.count * len(self.piece) + len(self.last)

    def pieces(self) -> Iterator[bytes]:
        yield self.first
        for _ in range(self.count):
            yield self.piece
        yield self.last

    def digest(self) -> str:
        hashed = hashlib.sha256()
        for each in self.pieces():
            hashed.update(each)
        return f"sha256:{hashed.hexdigest()}"


def huge_layer(size: int) -> HugeLayer:
    """A layer of one file `big` of about `size` bytes, stored and unpacked."""
    content, count = random.Random(12).randbytes(PIECE), size // PIECE
    header = tarfile.TarInfo("big")
    header.size = count * PIECE
    block, end = header.tobuf(tarfile.GNU_FORMAT), bytes(1024)
    unpacked = hashlib.sha256(block)
    for _ in range(count):
        unpacked.update(content)
    unpacked.update(end)
    first, piece, last = (gzip.compress(each, 0, mtime=0) for each in (block, content, end))
    return HugeLayer(first, piece, last, count, f"sha256:{unpacked.hexdigest()}")


def serve_huge(registry: PretendedRegistry, layer: HugeLayer) -> str:
    """Serve an image of one layer as huge:1, and return its reference. Parts are not served: it has to be streamed."""
    digest = layer.digest()
    config = json.dumps(
        {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}}
    ).encode()
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": str(Digest.of(config)),
                "size": len(config),
            },
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": layer.size}],
        }
    ).encode()

    def blob(asked: Asked) -> Answer:
        return Answer(416) if asked.range else Answer(200, length=layer.size, more=layer.pieces())

    top = str(Digest.of(manifest))
    registry.routes["/v2/huge/manifests/1"] = registry.routes[f"/v2/huge/manifests/{top}"] = document_route(top, manifest)
    registry.routes[f"/v2/huge/blobs/{Digest.of(config)}"] = lambda _: Answer(200, config)
    registry.routes[f"/v2/huge/blobs/{digest}"] = blob
    return f"docker://{registry.host}/huge:1"
