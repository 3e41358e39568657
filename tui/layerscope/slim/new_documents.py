"""The documents of the new image: the original's, with the new digests and sizes in place of the old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from layerscope import __version__
from layerscope.layers.compression import Compression
from layerscope.oci.digest import Digest
from layerscope.oci.documents import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST
from layerscope.oci.reference import normalize, tag_of
from layerscope.slim.output import WrittenBlob
from layerscope.slim.plan import Plan
from layerscope.sources.image import Image
from layerscope.sources.registry.attached import SOCI_ANNOTATION

ANNOTATION = "io.layerscope.slim"
"""Says in the manifest what was done, and with which versions."""
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
REF_NAME, IMAGE_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"
IN_OCI = {DOCKER_MANIFEST: OCI_MANIFEST, DOCKER_CONFIG: OCI_CONFIG, DOCKER_LAYER: OCI_LAYER} | {
    f"{DOCKER_LAYER}.{each}": f"{OCI_LAYER}+{each}" for each in ("gzip", "zstd")
}
"""Media types of OCI by those of Docker's schema 2 (OCI image-spec `media-types.md`, Compatibility Matrix)."""
SUFFIXES = {Compression.NONE: "", Compression.GZIP: "gzip", Compression.ZSTD: "zstd"}


@dataclass(frozen=True, slots=True)
class NewLayer:
    """A layer of the new image, stored with `compression`; `is_rewritten` says that its bytes are not the original's.

    `is_packed` says that its tar is the original's, but stored compressed as it was not. `made_of` are the numbers of the
    original's layers in whose place it is: one, or a run.
    """

    made_of: tuple[int, ...]
    blob: WrittenBlob
    diff_id: Digest
    compression: Compression
    is_rewritten: bool
    is_packed: bool = False

    @property
    def number(self) -> int:
        """Return the number, in the original, of the layer in whose place it is: the last of a run."""
        return self.made_of[-1]


def config_of(image: Image, layers: list[NewLayer]) -> bytes:
    """Return the config of the new image: the original's, every field as it was, with the new diff_ids.

    Of steps whose layers became one, the last made it, and the others are as if they had made none. The step of a layer that is
    gone goes with it.
    """
    config: dict[str, Any] = msgspec.json.decode(image.raw_config)
    if isinstance(config.get("history"), list):
        config["history"] = list(_history(config["history"], layers, len(image.layers)))
    config["rootfs"] = {**(config.get("rootfs") or {"type": "layers"}), "diff_ids": [str(layer.diff_id) for layer in layers]}
    return msgspec.json.encode(config)


def _history(steps: list[Any], layers: list[NewLayer], count: int) -> Iterator[Any]:
    made, merged = {layer.number for layer in layers}, {number for layer in layers for number in layer.made_of}
    number = 0
    for step in steps:
        if isinstance(step, dict) and not step.get("empty_layer"):
            number += 1
            if number <= count and number not in merged:
                continue
            if number <= count and number not in made:
                step["empty_layer"] = True
        yield step


def manifest_of(image: Image, layers: list[NewLayer], config: WrittenBlob, *, done: str) -> bytes:
    """Return the manifest: the original's with the new descriptors, or one as the OCI image-spec `manifest.md` has it.

    `done` becomes an annotation, except in Docker's schema, which has none.
    """
    old: dict[str, Any] = msgspec.json.decode(image.raw_manifest) if image.raw_manifest else {}
    if any(layer.compression is Compression.ZSTD for layer in layers):
        old = _as_oci(old)
    is_docker = old.get("mediaType") == DOCKER_MANIFEST
    old_config = old.get("config") or {"mediaType": OCI_CONFIG}
    stated = old.get("layers") or [{} for _ in image.layers]
    new = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        **old,
        "config": {**{k: v for k, v in old_config.items() if k != "data"}, "digest": str(config.digest), "size": config.size},
        "layers": [_descriptor(layer, stated[layer.number - 1], is_docker=is_docker) for layer in layers],
    }
    if not is_docker:
        stated = {key: value for key, value in (old.get("annotations") or {}).items() if key != SOCI_ANNOTATION}
        new["annotations"] = {**stated, ANNOTATION: done}
    return msgspec.json.encode(new)


def _as_oci(old: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest with OCI's media types in place of Docker's: these have no layers in zstd, which podman refuses."""

    def renamed(part: dict[str, Any]) -> dict[str, Any]:
        stated = part.get("mediaType")
        return {**part, "mediaType": IN_OCI[stated]} if stated in IN_OCI else part

    parts = {"config": renamed(old["config"]), "layers": [renamed(each) for each in old["layers"]]} if old else {}
    return renamed({**old, **parts})


def _descriptor(layer: NewLayer, old: dict[str, Any], *, is_docker: bool) -> dict[str, Any]:
    """Return a layer's descriptor, a rewritten one's without annotations: they are about the old bytes (tables of contents)."""
    if old and not (layer.is_rewritten or layer.is_packed):
        return old
    suffix = SUFFIXES.get(layer.compression, "gzip")
    joint = "." if is_docker else "+"
    base = DOCKER_LAYER if is_docker else OCI_LAYER
    return {
        "mediaType": f"{base}{joint}{suffix}" if suffix else base,
        "digest": str(layer.blob.digest),
        "size": layer.blob.size,
    }


def index_of(image: Image, manifest: WrittenBlob, raw_manifest: bytes, name: str) -> bytes:
    """Return `index.json` of a layout with this one image (OCI image-spec `image-layout.md`).

    Its name is in full: Docker on containerd does not find an image by another one.
    """
    media_type = msgspec.json.decode(raw_manifest)["mediaType"]
    stated = {
        "architecture": image.platform.architecture,
        "os": image.platform.os,
        "os.version": image.platform.os_version,
        "os.features": image.platform.os_features,
        "variant": image.platform.variant,
    }
    platform = {key: value for key, value in stated.items() if value or key in ("architecture", "os")}
    descriptor: dict[str, Any] = {
        "mediaType": media_type,
        "digest": str(manifest.digest),
        "size": manifest.size,
        "platform": platform,
    }
    full = full_name(name)
    named = {IMAGE_NAME: normalize(full) if full else "", REF_NAME: tag_of(name) or ("" if "@" in name else name)}
    if annotations := {key: value for key, value in named.items() if value}:
        descriptor["annotations"] = annotations
    return msgspec.json.encode({"schemaVersion": 2, "manifests": [descriptor]})


def saved_manifest_of(layers: list[NewLayer], config: WrittenBlob, name: str) -> bytes:
    """Return `manifest.json` as `docker save` writes it."""
    names = [_place(layer.blob.digest) for layer in layers]
    tags = [full] if (full := full_name(name)) else []
    return msgspec.json.encode([{"Config": _place(config.digest), "RepoTags": tags, "Layers": names}])


def full_name(name: str) -> str:
    """Return a name with a tag and without a digest, as engines take it; empty for a tag or a repository alone."""
    return name.partition("@")[0] if tag_of(name) else ""


def _place(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def what_was_done(plan: Plan, libraries: list[str]) -> str:
    """Say in one line what was done, with the versions on which the bytes depend."""
    layers = ", ".join(str(layer.number) for layer in plan.rewritten)
    done = [f"{plan.content_bytes} bytes that nobody sees left out of layers {layers}"]
    done += [f"layers {layer.first} to {layer.last} merged" for layer in plan.arrangement.merged]
    if plan.arrangement.gone:
        done.append(f"empty layers left out: {', '.join(map(str, sorted(plan.arrangement.gone)))}")
    return f"layerscope {__version__}: {'; '.join(done)}" + (f" ({', '.join(libraries)})" if libraries else "")
