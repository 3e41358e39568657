"""OCI layouts: their manifests as candidates, or refused with a reason (OCI image-spec `image-layout.md`, `manifest.md`)."""

from __future__ import annotations

from dataclasses import replace

from layerscope.errors import BadDocument, NotAnImage, NotFound
from layerscope.oci.documents import (
    BUILDKIT_CACHE,
    CONFIGS,
    DOCKER_MANIFEST,
    INDEXES,
    OCI_MANIFEST,
    SCHEMA_1,
    Config,
    Descriptor,
    Manifest,
    artifact_kind,
    decode,
    is_layer,
    unread_kind,
)
from layerscope.oci.platform import Platform
from layerscope.sources.documents.candidate import Candidate, Refused, StatedLayer, Stored
from layerscope.sources.documents.files import Files, blob_name, read_content
from layerscope.sources.documents.foreign_layers import refuse_absent
from layerscope.sources.documents.index import Leaf, ambiguity_problems, leaves, read_index, size_problem
from layerscope.text import escape

REFERENCE_TYPE = "vnd.docker.reference.type"
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST, ""}) | INDEXES | SCHEMA_1
"""Media types that may lead to an image; some tools leave it out."""
OLD_MANIFEST = "of Docker's schema 1 (before 2016), which engines have dropped too; pull the image and save it again"


def layout_images(files: Files) -> list[Stored]:
    """Return every image that `index.json` leads to. Raises NotFound or BadDocument for `index.json` itself."""
    return images_at(files, leaves(files))


def images_at(files: Files, found: list[Leaf]) -> list[Stored]:
    """Turn each leaf into an image, or into a refusal with the reason."""
    caches = {tuple(leaf.indexes) for leaf in found if leaf.descriptor.media_type == BUILDKIT_CACHE}
    return [_stored(files, leaf, is_cache=tuple(leaf.indexes) in caches) for leaf in found]


def _stored(files: Files, leaf: Leaf, *, is_cache: bool) -> Stored:
    descriptor = leaf.descriptor
    try:
        return _read(files, leaf, is_cache=is_cache)
    except (NotFound, NotAnImage, BadDocument) as error:
        platform = descriptor.platform.platform if descriptor.platform else None
        indexes, numbers = frozenset(leaf.indexes), tuple(leaf.numbers)
        return Refused(error, tuple(leaf.names), platform, descriptor.digest, indexes, numbers)


def _read(files: Files, leaf: Leaf, *, is_cache: bool) -> Candidate:
    descriptor = leaf.descriptor
    name = escape(next(iter(leaf.names))[:200]) if leaf.names else f"the manifest {descriptor.digest.short}"
    what = f"{files.place}: {name}"
    if is_cache:  # BuildKit lists the cache's layers where manifests belong
        raise NotAnImage(f"{what} is not a container image: it is {artifact_kind(BUILDKIT_CACHE)}")
    _refuse_descriptor(descriptor, what)
    if descriptor.media_type in INDEXES:  # only one that cannot be read is a leaf: let it say why
        read_index(files, descriptor)
    raw = read_content(files, descriptor)
    manifest = _manifest(raw, what)
    _refuse_artifact(manifest, what)
    raw_config = read_content(files, manifest.config)
    config = decode(raw_config, Config, what=f"{what}: its config")
    parts = tuple(_part(layer) for layer in manifest.layers)
    refuse_absent(files, parts, what)
    return Candidate(
        platform=_platform(descriptor, config),
        config_digest=manifest.config.digest,
        config=config,
        raw_config=raw_config,
        parts=parts,
        manifest_digest=descriptor.digest,
        raw_manifest=raw,
        names=tuple(leaf.names),
        indexes=frozenset(leaf.indexes),
        annotations=manifest.annotations,
        numbers=tuple(leaf.numbers),
        problems=(
            *leaf.problems,
            *size_problem("manifest", descriptor, raw),
            *size_problem("config", manifest.config, raw_config),
            *ambiguity_problems("manifest", raw, Manifest),
            *ambiguity_problems("config", raw_config, Config),
        ),
    )


def _platform(descriptor: Descriptor, config: Config) -> Platform:
    """Return the platform that the index states, or else the config; the OS version from whichever has one."""
    stated = descriptor.platform
    if not (stated and stated.os and stated.architecture):
        return config.platform
    return replace(stated.platform, os_version=stated.os_version or config.os_version)


def _manifest(raw: bytes, what: str) -> Manifest:
    if b'"fsLayers"' in raw and b'"history"' in raw:
        raise BadDocument(f"{what}: its manifest is {OLD_MANIFEST}")
    return decode(raw, Manifest, what=f"{what}: its manifest")


def _refuse_descriptor(descriptor: Descriptor, what: str) -> None:
    """Raise NotAnImage for what the descriptor alone shows to be no image: attestations, foreign media types."""
    is_unknown = descriptor.platform is not None and descriptor.platform.platform.is_unknown
    if is_unknown or REFERENCE_TYPE in descriptor.annotations:
        raise NotAnImage(f"{what} is an attestation about an image, not an image")
    if descriptor.media_type not in MANIFESTS:
        raise NotAnImage(f"{what} is not a container image: it is {escape(artifact_kind(descriptor.media_type))}")


def _refuse_artifact(manifest: Manifest, what: str) -> None:
    """Raise NotAnImage for a manifest that packs something else (OCI image-spec `manifest.md`, artifact usage)."""
    config_type = manifest.config.media_type
    if config_type not in CONFIGS:
        kind = artifact_kind(manifest.artifact_type or config_type)
        raise NotAnImage(f"{what} is not a container image: it is {escape(kind)}")
    if manifest.layers and not any(is_layer(layer.media_type) for layer in manifest.layers):
        kind = artifact_kind(manifest.artifact_type or manifest.layers[0].media_type)
        raise NotAnImage(f"{what} is not a container image: it is {escape(kind)}, without layers")


def _part(layer: Descriptor) -> StatedLayer:
    unread = unread_kind(layer.media_type, layer.annotations)
    file = blob_name(layer.digest)
    return StatedLayer(file, layer.digest, layer.media_type, layer.size, layer.urls, unread, layer.annotations)
