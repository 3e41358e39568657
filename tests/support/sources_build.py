"""Literals for tests of sources: documents, blobs and the archives around them, in whatever wrong shape a test wants."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerscope.layers.blob import Blob
from layerscope.layers.readers.blob import read_layer
from layerscope.layers.readers.stored import BlobReader
from layerscope.sources.image import Image, StoredLayer
from support.image_builder import (
    CONFIG_TYPE,
    CREATED,
    LAYER_TYPES,
    MANIFEST_TYPE,
    Member,
    digest,
    file,
    layer,
)

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
AMD64 = {"os": "linux", "architecture": "amd64"}
ARM64 = {"os": "linux", "architecture": "arm64"}
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"

Json = dict[str, Any]
Files = dict[str, bytes | Member]


def dump(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def tar(files: Files) -> bytes:
    """An archive of these files, in this order; a Member stands for itself."""
    return layer(*(each if isinstance(each, Member) else file(name, each) for name, each in files.items())).tar()


def write_tar(path: Path, files: Files) -> str:
    path.write_bytes(tar(files))
    return str(path)


def write_directory(path: Path, files: Files) -> str:
    for name, content in files.items():
        assert isinstance(content, bytes)
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return str(path)


def layer_tar(*names: str) -> bytes:
    """A layer with these files, each of which holds its own name."""
    return layer(*names).tar()


def config(*layers: bytes, platform: Json = AMD64, **more: Any) -> bytes:
    """A config for uncompressed `layers`; `more` replaces or adds fields."""
    history = [{"created": CREATED, "created_by": f"step {number}"} for number in range(1, len(layers) + 1)]
    rootfs = {"type": "layers", "diff_ids": [digest(each) for each in layers]}
    return dump({**platform, "created": CREATED, "config": {}, "rootfs": rootfs, "history": history, **more})


def saved(*layers: bytes, tags: tuple[str, ...] | None = ("app:1",), settings: bytes | None = None) -> Files:
    """The files of a classic `docker save` with one image."""
    settings = config(*layers) if settings is None else settings
    names = [f"{number:064x}/layer.tar" for number in range(len(layers))]
    files: Files = dict(zip(names, layers, strict=True))
    name = digest(settings).removeprefix("sha256:") + ".json"
    manifest = [{"Config": name, "RepoTags": tags, "Layers": names}]
    return {**files, name: settings, "manifest.json": dump(manifest)}


@dataclass(slots=True)
class Layout:
    """An OCI layout that is being put together; `files` is what to write once all is in."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    more: Files = field(default_factory=dict)

    def add(self, content: bytes, media_type: str, **more: Any) -> Json:
        """Keep `content` and return its descriptor."""
        self.blobs[digest(content)] = content
        return {"mediaType": media_type, "digest": digest(content), "size": len(content), **more}

    def image(
        self,
        *layers: bytes,
        platform: Json = AMD64,
        names: Json | None = None,
        settings: bytes | None = None,
        changes: Json | None = None,
    ) -> Json:
        """Keep an image and return its descriptor; `changes` replaces fields of the manifest."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.add(config(*layers, platform=platform) if settings is None else settings, CONFIG_TYPE),
            "layers": [self.add(each, LAYER_TYPES["none"]) for each in layers],
            **(changes or {}),
        }
        annotations = {"annotations": names} if names else {}
        return self.add(dump(manifest), MANIFEST_TYPE, platform=platform, **annotations)

    def index(self, *descriptors: Json, names: Json | None = None) -> Json:
        """Keep an index of `descriptors` and return its descriptor."""
        annotations = {"annotations": names} if names else {}
        return self.add(
            dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": descriptors}), INDEX_TYPE, **annotations
        )

    def drop(self, descriptor: Json) -> Json:
        """Forget the content of a descriptor, as a partial pull leaves it; returns the descriptor."""
        del self.blobs[descriptor["digest"]]
        return descriptor

    def files(self, *descriptors: Json) -> Files:
        """The files of the layout, with `descriptors` in its `index.json`."""
        index = dump({"schemaVersion": 2, "manifests": descriptors})
        blobs = {"blobs/" + name.replace(":", "/"): content for name, content in self.blobs.items()}
        return {"oci-layout": dump({"imageLayoutVersion": "1.0.0"}), "index.json": index, **blobs, **self.more}


def docker_layout(layout: Layout, *descriptors: Json, items: list[Json]) -> Files:
    """What Docker 25 and later save: a layout with `manifest.json` beside `index.json`."""
    return {**layout.files(*descriptors), "manifest.json": dump(items)}


def stored_blob(layer: StoredLayer) -> Blob | None:
    """A layer's stored bytes, None where they are not there or in an unknown form."""
    return layer.reader.blob if isinstance(layer.reader, BlobReader) else None


def stored_blobs(image: Image) -> list[Blob]:
    """The stored bytes of those layers that have any."""
    return [blob for layer in image.layers if (blob := stored_blob(layer)) is not None]


def paths(image: Image) -> list[list[bytes]]:
    """The paths of each layer, read through the bytes that the image hands on."""
    return [
        read_layer(blob, layer=each.number).table.entries.paths.tolist() if (blob := stored_blob(each)) else []
        for each in image.layers
    ]


def manifest(files: Files) -> list[Json]:
    raw = files["manifest.json"]
    assert isinstance(raw, bytes)
    items: list[Json] = json.loads(raw)
    return items


def item(entry: Json, layout: Layout, *tags: str) -> Json:
    """What `manifest.json` says about an image of a layout."""
    document: Any = json.loads(layout.blobs[entry["digest"]])
    names = ["blobs/" + each["digest"].replace(":", "/") for each in [document["config"], *document["layers"]]]
    return {"Config": names[0], "RepoTags": tags or None, "Layers": names[1:]}


def legacy(*layers: bytes, tag: str = "1") -> Files:
    """What Docker 1.0 to 1.9 saved: a chain of ids."""
    files: Files = {}
    for number, content in enumerate(layers):
        parent = {"parent": f"{number - 1:064x}"} if number else {}
        about = {"id": f"{number:064x}", **parent, "os": "linux", "architecture": "amd64"}
        command = {"container_config": {"Cmd": ["/bin/sh", "-c", f"step {number}"]}, "created": "2015"}
        files |= {f"{number:064x}/json": dump({**about, **command}), f"{number:064x}/layer.tar": content}
    return {**files, "repositories": dump({"old": {tag: f"{len(layers) - 1:064x}"}})}
