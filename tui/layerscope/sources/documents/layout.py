"""OCI layouts: the manifests that `index.json` leads to, as candidates, or refused with a reason (OCI image-spec
`image-layout.md`, `image-index.md`, `manifest.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from layerscope.errors import BadDocument, LayerscopeError, NotAnImage, NotFound
from layerscope.layers.table import Problem, Severity
from layerscope.oci.ambiguity import ambiguities
from layerscope.oci.digest import Digest
from layerscope.oci.documents import (
    BUILDKIT_CACHE,
    CONFIGS,
    DOCKER_MANIFEST,
    INDEXES,
    OCI_MANIFEST,
    SCHEMA_1,
    Config,
    Descriptor,
    Index,
    Manifest,
    artifact_kind,
    decode,
    is_layer,
    unread_kind,
)
from layerscope.oci.platform import Platform
from layerscope.sources.documents.candidate import Candidate, Refused, StatedLayer, Stored, refuse_absent
from layerscope.sources.documents.files import Files, blob_name, decode_document, read_content, read_document
from layerscope.text import escape

REFERENCE_TYPE = "vnd.docker.reference.type"
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST, ""}) | INDEXES | SCHEMA_1
"""Media types of descriptors that may lead to an image; the empty one, because some tools leave the media type out."""
OLD_MANIFEST = "of Docker's schema 1 (before 2016), which engines have dropped too; pull the image and save it again"
INDEX = "index.json"
MAX_DEPTH = 8
"""The most indexes nested in one another; real images stop at two."""
MAX_LISTED = 10_000
"""The most descriptors looked at; an index may list another one many times over."""
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
_Found = tuple[Descriptor, tuple[str, ...], tuple[Digest, ...], int]
"""A descriptor, the names that it and the descriptors of its indexes have, the digests of the indexes it is nested in, and its
position in the topmost index.
"""


def layout_images(files: Files) -> list[Stored]:
    """Return every image that `index.json` leads to. Raises NotFound or BadDocument for `index.json` itself."""
    return images_at(files, leaves(files))


def images_at(files: Files, found: list[Leaf]) -> list[Stored]:
    """Read each manifest in `found` as an image, or as a refusal with the reason."""
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
    """Return the platform that the index states, or else the config's; the OS version from whichever states one."""
    stated = descriptor.platform
    if not (stated and stated.os and stated.architecture):
        return config.platform
    return replace(
        stated.platform,
        os_version=stated.os_version or config.os_version,
        os_features=stated.os_features or config.os_features,
    )


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


@dataclass(frozen=True, slots=True)
class _Nested:
    """An index inside another (None: it cannot be read, or is no index), and how it differs from its descriptor."""

    index: Index | None
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class Leaf:
    """A manifest that an index lists; `names`, `indexes` and `numbers` keep the order of the document.

    `numbers` are the positions in the topmost index that lead to it, `problems` those of the indexes on the way.
    """

    descriptor: Descriptor
    names: dict[str, None] = field(default_factory=dict)
    indexes: dict[Digest, None] = field(default_factory=dict)
    numbers: dict[int, None] = field(default_factory=dict)
    problems: dict[Problem, None] = field(default_factory=dict)


def leaves(files: Files, document: str = INDEX) -> list[Leaf]:
    """Return every manifest that the index `document` leads to, once, in its order; nested indexes are followed.

    An index that cannot be read is a leaf itself. Raises NotFound or BadDocument for `document`, and BadDocument when indexes
    are nested too deep.
    """
    found: dict[Digest, Leaf] = {}
    known: dict[Digest, _Nested] = {}
    top = decode_document(files, document, Index)
    problems = dict.fromkeys(ambiguity_problems(escape(document), read_document(files, document), Index))
    for descriptor, names, indexes, number in _walk(files, top, known):
        leaf = found.setdefault(descriptor.digest, Leaf(descriptor, problems=dict(problems)))
        leaf.names |= dict.fromkeys(names)
        leaf.indexes |= dict.fromkeys(indexes)
        leaf.numbers |= {number: None}
        leaf.problems |= {problem: None for index in indexes for problem in known[index].problems}
        if descriptor.platform and not leaf.descriptor.platform:
            leaf.descriptor = descriptor
    return list(found.values())


def _walk(files: Files, top: Index, known: dict[Digest, _Nested]) -> Iterator[_Found]:
    """Yield every descriptor that is no readable index, walking indexes depth first.

    Each index is decoded once, however often it is listed, and then kept in `known`.
    """
    todo: list[_Found] = [(each, _names(each), (), number) for number, each in enumerate(top.manifests)]
    todo.reverse()
    listed = len(todo)
    while todo and listed <= MAX_LISTED:
        descriptor, names, above, number = todo.pop()
        if descriptor.digest in above or len(above) >= MAX_DEPTH:
            raise BadDocument(f"{files.place}: its indexes are nested too deeply, at {descriptor.digest}")
        if descriptor.digest not in known:
            known[descriptor.digest] = _nested(files, descriptor)
        inner = known[descriptor.digest].index
        if inner is None:
            yield descriptor, names, above, number
            continue
        listed += len(inner.manifests)
        inside = (*above, descriptor.digest)
        todo += [(each, (*names, *_names(each)), inside, number) for each in reversed(inner.manifests)]
    if listed > MAX_LISTED:
        raise BadDocument(f"{files.place}: {INDEX} leads to more than {MAX_LISTED} manifests")


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    """Return a descriptor's tags: the full name that containerd and Docker write, or else the standard annotation."""
    name = descriptor.annotations.get(CONTAINERD_NAME) or descriptor.annotations.get(REF_NAME)
    return (name,) if name else ()


def read_index(files: Files, descriptor: Descriptor) -> Index:
    """Read the index behind a descriptor. Raises NotFound and BadDocument with whole sentences."""
    return _decoded(files, descriptor, read_content(files, descriptor))


def _decoded(files: Files, descriptor: Descriptor, raw: bytes) -> Index:
    return decode(raw, Index, what=f"{files.place}: the index {descriptor.digest.short}")


def size_problem(what: str, descriptor: Descriptor, content: bytes) -> list[Problem]:
    """Return a problem if a document's length differs from its descriptor's `size`; none where no size is stated."""
    if descriptor.size in (-1, len(content)):
        return []
    text = f"the {what} has {len(content)} bytes where its descriptor says {descriptor.size}"
    return [Problem(0, b"", text, Severity.REFUSED)]


def ambiguity_problems(what: str, raw: bytes, document: Any) -> list[Problem]:
    """Return a problem for each part of a JSON document that engines read differently from this program."""
    return [Problem(0, b"", f"the {what} {text}", Severity.REFUSED) for text in ambiguities(raw, document)]


def _nested(files: Files, descriptor: Descriptor) -> _Nested:
    if descriptor.media_type not in INDEXES:
        return _Nested(None)
    try:
        raw = read_content(files, descriptor)
        index = _decoded(files, descriptor, raw)
    except LayerscopeError:
        return _Nested(None)
    problems = size_problem("index", descriptor, raw) + ambiguity_problems("index", raw, Index)
    if not descriptor.digest.matches(raw):
        text = f"the index does not match its digest {descriptor.digest}"
        problems.append(Problem(0, b"", text, Severity.REFUSED))
    return _Nested(index, tuple(problems))
