"""The JSON documents of an image, as frozen structs, and their media types.

The OCI image-spec defines them in `manifest.md`, `image-index.md`, `config.md` and `media-types.md`. Strings are untrusted
text as the document has them; escape them when they are shown. Unknown fields are ignored, and a null means the same as a field
that is missing: real tools write both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from layerscope.errors import BadDocument
from layerscope.limits import DOCUMENT_VALUES
from layerscope.oci.digest import Digest
from layerscope.oci.platform import Platform
from layerscope.text import escape

MAX_DOCUMENT = 8 << 20
"""The longest document read, in bytes; registries stop at 4 MiB, and the index of 10,000 images takes 3."""

T = TypeVar("T")
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
SOCI_V1 = "application/vnd.amazon.soci.index.v1+json"
SOCI_INDEXES = frozenset({SOCI_V1, "application/vnd.amazon.soci.index.v2+json"})
UNNAMED_ARTIFACT = "an artifact of type "
_ARTIFACTS = {
    "application/vnd.cncf.helm.config.v1+json": "a Helm chart",
    "application/vnd.docker.plugin.v1+json": "a Docker plugin",
    "application/vnd.wasm.config.v0+json": "a WebAssembly module",
    BUILDKIT_CACHE: "a build cache, as `docker buildx build --cache-to` writes it",
    "application/vnd.in-toto+json": "an attestation",
    **dict.fromkeys(SOCI_INDEXES, "a SOCI index, which tells where files are in an image's layers"),
}


class PlatformFields(msgspec.Struct, frozen=True):
    """The `platform` object of an index."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: tuple[str, ...] = msgspec.field(default=(), name="os.features")

    @property
    def platform(self) -> Platform:
        """Convert it to a Platform."""
        return Platform(self.os, self.architecture, self.variant, self.os_version, self.os_features)


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """Names content by its digest (OCI image-spec `descriptor.md`); `size` is in bytes, `data` the content itself in base64."""

    digest: Digest
    media_type: str = ""
    size: int = -1
    urls: tuple[str, ...] = ()
    annotations: dict[str, str] = {}
    platform: PlatformFields | None = None
    artifact_type: str = ""
    data: bytes = b""


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """A list of manifests, and of further indexes."""

    manifests: tuple[Descriptor, ...] = ()
    media_type: str = ""
    artifact_type: str = ""
    annotations: dict[str, str] = {}


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """One image for one platform: its config and its layers, base first. Docker's schema 2 has the same fields."""

    config: Descriptor
    schema_version: int = 2
    media_type: str = ""
    artifact_type: str = ""
    layers: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] = {}


class HistoryStep(msgspec.Struct, frozen=True):
    """One step of the build. With `empty_layer` it made no layer."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False
    author: str = ""


class RuntimeConfig(msgspec.Struct, frozen=True, rename="pascal"):
    """What a container is started with."""

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    labels: dict[str, str] = {}
    exposed_ports: dict[str, Any] = {}
    volumes: dict[str, Any] = {}


class RootFs(msgspec.Struct, frozen=True):
    """The diff_ids of the layers, base first."""

    diff_ids: tuple[Digest, ...] = ()


class Config(msgspec.Struct, frozen=True):
    """The image's own description; its digest is the image's id."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: tuple[str, ...] = msgspec.field(default=(), name="os.features")
    created: str = ""
    config: RuntimeConfig = RuntimeConfig()
    rootfs: RootFs = RootFs()
    history: tuple[HistoryStep, ...] = ()

    @property
    def platform(self) -> Platform:
        """Return the platform that the image runs on; linux where it does not say."""
        return Platform(self.os or "linux", self.architecture, self.variant, self.os_version, self.os_features)


class ArchiveManifest(msgspec.Struct, frozen=True, rename="pascal"):
    """One image in `manifest.json` of a `docker save` archive.

    `config` and `layers`, base first, are names of members of the archive; `layer_sources` are by diff_id.
    """

    config: str
    repo_tags: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    layer_sources: dict[str, Descriptor] = {}


class LegacyImage(msgspec.Struct, frozen=True):
    """The file `ID/json` in an archive from before Docker 1.10: one layer, and the id of its parent, the layer below."""

    id: str = ""
    parent: str = ""
    created: str = ""
    comment: str = ""
    author: str = ""
    architecture: str = ""
    os: str = ""
    config: RuntimeConfig = RuntimeConfig()
    container_config: RuntimeConfig = RuntimeConfig()


def decode(raw: bytes, document: type[T], *, what: str) -> T:
    """Decode JSON into a struct of the type `document`.

    Raises BadDocument, with a sentence that starts with `what`, for JSON that is too long, too deep or malformed.
    """
    if len(raw) > MAX_DOCUMENT:
        raise BadDocument(f"{what} is longer than {MAX_DOCUMENT >> 20} MiB, which no image needs")
    if sum(raw.count(sign) for sign in b",[{") > DOCUMENT_VALUES:
        raise BadDocument(f"{what} holds more than {DOCUMENT_VALUES} values, which no image needs")
    try:
        value = msgspec.json.decode(raw)
        _drop_nulls(value)
        return msgspec.convert(value, document, dec_hook=_convert_own)
    except RecursionError as error:
        raise BadDocument(f"{what} is nested too deeply") from error
    except msgspec.ValidationError as error:
        raise BadDocument(f"{what} does not follow the OCI specification: {escape(str(error))}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDocument(f"{what} is not JSON: {_no_json(raw) or escape(str(error))}") from error


def _no_json(raw: bytes) -> str:
    """Say which common mistake keeps `raw` from being JSON: a byte order mark, UTF-16 or a NUL byte; empty if it is another."""
    if raw.startswith(b"\xef\xbb\xbf"):
        return "it starts with a byte order mark, which engines refuse, too"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16, which engines refuse, too"
    return f"a NUL byte at offset {raw.index(0)}, which engines refuse, too" if b"\0" in raw else ""


def _drop_nulls(value: Any) -> None:
    """Remove null fields from every object below `value`, in a loop, so that nesting costs no stack."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            for key in [key for key, field in item.items() if field is None]:
                del item[key]
            todo += [field for field in item.values() if isinstance(field, dict | list)]
        elif isinstance(item, list):
            todo += [field for field in item if isinstance(field, dict | list)]


def _convert_own(wanted: type, value: Any) -> Digest:
    if wanted is not Digest or not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    try:
        return Digest.parse(value)
    except BadDocument as error:
        raise ValueError(str(error)) from error


def is_layer(media_type: str) -> bool:
    """Tell whether a media type is a layer's, in any compression; an empty media type is taken for a layer's."""
    return not media_type or media_type.startswith(_LAYERS)


def is_foreign_layer(media_type: str) -> bool:
    """Tell whether a media type is that of foreign layers, which registries must not serve.

    See OCI image-spec `layer.md`, Non-Distributable Layers.
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
    """Name an artifact in words by its media type, such as `a Helm chart`; by the media type itself if it is not known."""
    return _ARTIFACTS.get(media_type) or (f"{UNNAMED_ARTIFACT}{media_type}" if media_type else "an artifact of unknown type")
