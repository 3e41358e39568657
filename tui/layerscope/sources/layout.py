"""OCI layouts, in a directory or in a tar: from `index.json` to the images it lists (OCI image-spec `image-layout.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from layerscope.errors import BadDocument, LayerscopeError, NotAnImage, NotFound
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Config, Descriptor, Index, Manifest, decode
from layerscope.oci.media_types import (
    CONFIGS,
    DOCKER_MANIFEST,
    INDEXES,
    OCI_MANIFEST,
    artifact_kind,
    is_foreign_layer,
    is_layer,
)
from layerscope.oci.platform import Platform
from layerscope.sources.candidate import Candidate, Part, Refused, Stored
from layerscope.sources.files import Files, because, blob_name, decode_document, read_document
from layerscope.text import escape

INDEX = "index.json"
MAX_DEPTH = 8
"""Indexes within indexes; real ones stop at two."""
MAX_LISTED = 10_000
"""Descriptors looked at; an index may list another one many times over."""
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
REFERENCE_TYPE = "vnd.docker.reference.type"
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST, ""})


@dataclass(slots=True)
class _Leaf:
    """A manifest that an index lists, and all that was said about it on the way there."""

    descriptor: Descriptor
    names: dict[str, None] = field(default_factory=dict)
    indexes: set[Digest] = field(default_factory=set)


def layout_images(files: Files) -> list[Stored]:
    """Every manifest that `index.json` leads to, once, in its order. Raises NotFound or BadDocument for `index.json` itself."""
    index = decode_document(files, INDEX, Index)
    leaves: dict[Digest, _Leaf] = {}
    for descriptor, names, indexes in _walk(files, index):
        leaf = leaves.setdefault(descriptor.digest, _Leaf(descriptor))
        leaf.names.update(dict.fromkeys(names))
        leaf.indexes.update(indexes)
        if descriptor.platform and not leaf.descriptor.platform:
            leaf.descriptor = descriptor
    return [_stored(files, leaf) for leaf in leaves.values()]


_Found = tuple[Descriptor, tuple[str, ...], tuple[Digest, ...]]


def _walk(files: Files, top: Index) -> Iterator[_Found]:
    """Depth first: (descriptor, names, indexes above). An index that cannot be read is a leaf, which `_stored` refuses."""
    todo: list[_Found] = [(each, names_of(each), ()) for each in reversed(top.manifests)]
    for _ in range(MAX_LISTED):
        if not todo:
            return
        descriptor, names, above = todo.pop()
        if descriptor.digest in above or len(above) >= MAX_DEPTH:
            raise BadDocument(f"{files.place}: its indexes are nested without end, at {descriptor.digest}")
        inner = _index(files, descriptor)
        if inner is None:
            yield descriptor, names, above
        else:
            below = (*above, descriptor.digest)
            todo += [(each, (*names, *names_of(each)), below) for each in reversed(inner.manifests)]
    raise BadDocument(f"{files.place}: {INDEX} leads to more than {MAX_LISTED} manifests")


def names_of(descriptor: Descriptor) -> tuple[str, ...]:
    """The tag of a descriptor: the full name that containerd and Docker write, or else the standard annotation."""
    name = descriptor.annotations.get(CONTAINERD_NAME) or descriptor.annotations.get(REF_NAME)
    return (name,) if name else ()


def _index(files: Files, descriptor: Descriptor) -> Index | None:
    if descriptor.media_type not in INDEXES:
        return None
    try:
        return decode(_content(files, descriptor), Index, what=f"{files.place}: the index {descriptor.digest}")
    except LayerscopeError:
        return None


def _content(files: Files, descriptor: Descriptor) -> bytes:
    """A document's bytes; from the descriptor itself where it embeds them (OCI image-spec `descriptor.md`, `data`)."""
    if descriptor.data and descriptor.digest.matches(descriptor.data):
        return descriptor.data
    return read_document(files, blob_name(descriptor.digest))


def _stored(files: Files, leaf: _Leaf) -> Stored:
    """A leaf as an image, or as refused with the reason."""
    descriptor, names, indexes = leaf.descriptor, tuple(leaf.names), frozenset(leaf.indexes)
    platform = descriptor.platform.platform if descriptor.platform else None
    try:
        return _read(files, descriptor, names, indexes)
    except (NotFound, NotAnImage, BadDocument) as error:
        return Refused(error, names, platform, descriptor.digest, indexes)


def _read(files: Files, descriptor: Descriptor, names: tuple[str, ...], indexes: frozenset[Digest]) -> Candidate:
    what = f"{files.place}: {escape(names[0]) if names else 'the manifest ' + descriptor.digest.short}"
    _refuse_descriptor(descriptor, what)
    raw = _content(files, descriptor)
    manifest = _manifest(raw, what)
    _refuse_artifact(manifest, what)
    raw_config = _content(files, manifest.config)
    config = decode(raw_config, Config, what=f"{what}: its config")
    _refuse_absent(files, manifest, what)
    platform = descriptor.platform.platform if descriptor.platform and descriptor.platform.architecture else config.platform
    notes = [*_mismatch("manifest", descriptor, raw), *_mismatch("config", manifest.config, raw_config)]
    return Candidate(
        platform=platform,
        config_digest=manifest.config.digest,
        config=config,
        raw_config=raw_config,
        parts=tuple(_part(each) for each in manifest.layers),
        manifest_digest=descriptor.digest,
        names=names,
        indexes=indexes,
        annotations=manifest.annotations,
        notes=tuple(notes),
    )


def _manifest(raw: bytes, what: str) -> Manifest:
    if b'"fsLayers"' in raw and b'"history"' in raw:
        raise BadDocument(f"{what}: its manifest is of Docker's schema 1, which engines have dropped too; pull and save it again")
    return decode(raw, Manifest, what=f"{what}: its manifest")


def _refuse_descriptor(descriptor: Descriptor, what: str) -> None:
    """Raises NotAnImage for what need not be opened to see that it is none: attestations, foreign media types."""
    is_unknown = descriptor.platform is not None and descriptor.platform.platform.is_unknown
    if is_unknown or REFERENCE_TYPE in descriptor.annotations:
        raise NotAnImage(f"{what} is an attestation about an image, not an image")
    if descriptor.media_type not in MANIFESTS | INDEXES:
        raise NotAnImage(f"{what} is not a container image: it is {escape(artifact_kind(descriptor.media_type))}")


def _refuse_artifact(manifest: Manifest, what: str) -> None:
    """Raises NotAnImage for a manifest that packs something else (OCI image-spec `manifest.md`, Guidelines for Artifact Usage)."""
    config_type = manifest.config.media_type
    if config_type not in CONFIGS:
        kind = artifact_kind(manifest.artifact_type or config_type)
        raise NotAnImage(f"{what} is not a container image: it is {escape(kind)}")
    if manifest.layers and not any(is_layer(layer.media_type) for layer in manifest.layers):
        kind = artifact_kind(manifest.artifact_type or manifest.layers[0].media_type)
        raise NotAnImage(f"{what} is not a container image: it is {escape(kind)}, without layers")


def _refuse_absent(files: Files, manifest: Manifest, what: str) -> None:
    """Raises NotFound when none of the layers is there: containerd's store exports manifests of platforms it never pulled."""
    layers = manifest.layers
    if layers and not any(is_foreign(each.media_type, each.urls) or files.has(blob_name(each.digest)) for each in layers):
        raise NotFound(f"{what}: none of its layers are there{because(files)}")


def is_foreign(media_type: str, urls: Iterable[str]) -> bool:
    """True for layers that an archive need not hold: told by media type, or by addresses to fetch them from."""
    return is_foreign_layer(media_type) or any(urls)


def _part(layer: Descriptor) -> Part:
    return Part(blob_name(layer.digest), layer.digest, layer.media_type, layer.size, layer.urls)


def _mismatch(what: str, descriptor: Descriptor, content: bytes) -> list[str]:
    if descriptor.digest.matches(content) is not False:
        return []
    return [f"the {what} does not match its digest {descriptor.digest}"]
