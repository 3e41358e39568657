"""Media types (OCI image-spec `media-types.md`, and Docker's schema 2 names for the same things)."""

from __future__ import annotations

from collections.abc import Mapping

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
SCHEMA_1 = frozenset(f"application/vnd.docker.distribution.manifest.v1+{kind}" for kind in ("json", "prettyjws"))
BUILDKIT_CACHE = "application/vnd.buildkit.cacheconfig.v0"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})

_LAYERS = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.docker.container.image.rootfs.",
)
NYDUS_BLOB = ".nydus.blob."
NYDUS_ANNOTATION, OVERLAYBD_ANNOTATION = "containerd.io/snapshot/nydus-blob", "containerd.io/snapshot/overlaybd/blob-digest"
_FOREIGN = (".nondistributable.", ".rootfs.foreign.")
_ARTIFACTS = {
    "application/vnd.cncf.helm.config.v1+json": "a Helm chart",
    "application/vnd.docker.plugin.v1+json": "a Docker plugin",
    "application/vnd.wasm.config.v0+json": "a WebAssembly module",
    BUILDKIT_CACHE: "a build cache, as `docker buildx build --cache-to` writes it",
    "application/vnd.in-toto+json": "an attestation",
}


def is_layer(media_type: str) -> bool:
    """Tell whether a media type is a layer's, in any compression; an empty one is assumed to be."""
    return not media_type or media_type.startswith(_LAYERS)


def is_foreign_layer(media_type: str) -> bool:
    """Tell whether a media type is that of layers that registries must not serve (OCI image-spec `layer.md`,
    Non-Distributable Layers).
    """
    return is_layer(media_type) and any(mark in media_type for mark in _FOREIGN)


def unread_kind(media_type: str, annotations: Mapping[str, str]) -> str:
    """Say why a layer with this media type is not a tar that can be read (encrypted, nydus); empty for all others."""
    if media_type.endswith("+encrypted"):  # as ocicrypt does
        return "it is encrypted"
    if NYDUS_BLOB in media_type or NYDUS_ANNOTATION in annotations:
        return "it is a nydus blob, which no engine reads without nydus' snapshotter"
    if OVERLAYBD_ANNOTATION in annotations:
        return "it is an overlaybd device, which no engine reads without overlaybd's snapshotter"
    return ""


def artifact_kind(media_type: str) -> str:
    """Name an artifact in words: `a Helm chart`; its media type where we have no word."""
    return _ARTIFACTS.get(media_type, f"an artifact of type {media_type or 'unknown'}")
