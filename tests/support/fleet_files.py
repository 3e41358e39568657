"""A made-up fleet on the disk: images on common bases, as a registry stores them and as archives, without an engine.

A registry's files are laid as distribution's `filesystem` driver keeps them (`registry/storage/paths.go`).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OWN_LAYERS, BASE_LAYERS = 2, 10
FILES, LEAST, MOST = 12, 400, 6000
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE, MANIFEST_TYPE = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class MadeLayer:
    """A layer as it is stored, and its diff_id."""

    stored: bytes
    diff_id: str

    @property
    def digest(self) -> str:
        return digest_of(self.stored)


@dataclass(frozen=True, slots=True)
class MadeImage:
    """An image: its repository and tag, its config and its layers, base first."""

    repository: str
    tag: str
    config: bytes
    layers: tuple[MadeLayer, ...]

    @property
    def manifest(self) -> bytes:
        def described(media_type: str, data: bytes) -> dict[str, object]:
            return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": described(CONFIG_TYPE, self.config),
            "layers": [described(LAYER_TYPE, layer.stored) for layer in self.layers],
        }
        return json.dumps(document).encode()


def made_fleet(images: int, bases: int) -> Iterator[MadeImage]:
    """Yield images of 10 layers of a base and 2 of their own, in teams of 20; the same ones each time.

    Every third layer writes some files of the one before again, so that there is waste in bases and in images.
    """
    below = [_layers(f"base {number}", BASE_LAYERS) for number in range(bases)]
    for number in range(images):
        layers = (*below[number % bases], *_layers(f"image {number}", OWN_LAYERS))
        steps = [{"created": _day(number), "created_by": f"RUN step {step}"} for step in range(len(layers))]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": _day(number),
            "config": {"Labels": {"org.opencontainers.image.base.name": f"base-{number % bases}:1"}},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": steps,
        }
        repository = f"team-{number // 20:03}/app-{number // 4:04}"
        yield MadeImage(repository, f"1.{number % 4}", json.dumps(config).encode(), layers)


def _day(number: int) -> str:
    return f"20{20 + number % 6}-{1 + number % 12:02}-{1 + number % 28:02}T00:00:00Z"


def _layers(seed: str, count: int) -> list[MadeLayer]:
    made, source = list[MadeLayer](), random.Random(seed)
    for number in range(count):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for file in range(FILES):
                content = source.randbytes(source.randint(LEAST, MOST) // 2).hex().encode()
                at = number - 1 if number % 3 == 2 and file < FILES // 4 else number
                entry = tarfile.TarInfo(f"{seed.replace(' ', '-')}/{at}/file-{file}")
                entry.size, entry.mtime = len(content), 1_700_000_000
                tar.addfile(entry, io.BytesIO(content))
        made.append(MadeLayer(gzip.compress(buffer.getvalue(), 6, mtime=0), digest_of(buffer.getvalue())))
    return made


def lay_registry(top: Path, images: list[MadeImage]) -> None:
    """Write images as docker-registry keeps them below its root directory `top`."""
    root = top / "docker/registry/v2"
    for image in images:
        repository = root / "repositories" / image.repository
        manifest = image.manifest
        for data in (image.config, *(layer.stored for layer in image.layers), manifest):
            name = digest_of(data).partition(":")[2]
            _write(root / "blobs/sha256" / name[:2] / name / "data", data)
            kind = "_manifests/revisions" if data is manifest else "_layers"
            _write(repository / kind / "sha256" / name / "link", f"sha256:{name}".encode())
        link = digest_of(manifest)
        tag = repository / "_manifests/tags" / image.tag
        _write(tag / "current/link", link.encode())
        _write(tag / "index/sha256" / link.partition(":")[2] / "link", link.encode())


def _write(path: Path, data: bytes) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def lay_archives(top: Path, images: list[MadeImage]) -> None:
    """Write each image as an OCI archive into `top`."""
    for image in images:
        manifest = image.manifest
        name = f"{image.repository}:{image.tag}"
        described = {"mediaType": MANIFEST_TYPE, "digest": digest_of(manifest), "size": len(manifest)}
        index = {"schemaVersion": 2, "manifests": [described | {"annotations": {"io.containerd.image.name": name}}]}
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
        for data in (manifest, image.config, *(layer.stored for layer in image.layers)):
            files[f"blobs/sha256/{digest_of(data).partition(':')[2]}"] = data
        path = top / f"{image.repository}-{image.tag}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for member, data in files.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
