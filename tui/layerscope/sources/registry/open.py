"""Opening an image in a registry, without an engine: its documents are fetched, its layers when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from layerscope.cache.cache import Cache
from layerscope.errors import AmbiguousImage, BadDocument, NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.readers.protocol import LayerReader
from layerscope.layers.readers.stored import AbsentReader
from layerscope.oci.digest import Digest
from layerscope.oci.documents import INDEXES, OCI_INDEX, OCI_MANIFEST, SOCI_INDEXES, Descriptor, Index, decode
from layerscope.oci.platform import Platform, host_platform
from layerscope.oci.reference import familiar, is_like_a_host
from layerscope.progress import Progress
from layerscope.sources.documents.assemble import assemble
from layerscope.sources.documents.candidate import Candidate, StatedLayer, is_foreign
from layerscope.sources.documents.choose import choose, fitting
from layerscope.sources.documents.files import Files, blob_name
from layerscope.sources.documents.layout import REFERENCE_TYPE, Leaf, images_at, leaves
from layerscope.sources.image import Image
from layerscope.sources.location import REGISTRY_URL, EngineOptions, Location
from layerscope.sources.registry.check import low_limits
from layerscope.sources.registry.clouds import cloud_findings
from layerscope.sources.registry.credentials import Credential, find_credential
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import NoSuchImage, RegistryFailed
from layerscope.sources.registry.host_settings import HostSettings
from layerscope.sources.registry.layer_reader import RegistryReader
from layerscope.sources.registry.registry_name import RegistryName, parse_image_name
from layerscope.sources.registry.repository import Document, Repository
from layerscope.sources.registry.soci import SociIndex
from layerscope.sources.registry.transport import Connection
from layerscope.sources.registry.visit import RegistryVisit
from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.sources.registry.attached import Attached


def open_registry_image(
    name: RegistryName, *, reference: str, platform: Platform | None, options: EngineOptions, progress: Progress
) -> Image:
    """Open an image that a registry has. Two or three small documents are fetched, and no byte of a layer.

    If `reference` is empty, it becomes the full name of the image that was found.
    Raises RegistryFailed, AccessDenied, NoSuchImage, NotFound (no such platform), AmbiguousImage, BadDocument and NotAnImage.
    """
    progress(f"asking {escape(name.host)}", 0, 0)
    repository, top = _found(name, options)
    files = RegistryFiles(repository, top, options.cache)
    found = _of_platform(listed_manifests(files, top), platform, files.place)
    if not found:
        raise NotFound(f"{files.place} lists no image")
    reference = reference or f"{REGISTRY_URL}{repository.name}"
    location = Location(reference, None)
    candidate, _ = choose(images_at(files, found), location, platform)
    known = familiar(str(repository.name))
    soci = SociIndex(repository, candidate.manifest_digest, candidate.annotations)
    reader_of = partial(_reader, repository, options, soci)
    image = assemble(files, candidate, reference=reference, name=known, reader_of=reader_of)
    for sentence in low_limits(repository.connection.traffic):
        options.say(sentence)
    traffic = repository.connection.traffic
    return replace(
        image,
        stop_reading=traffic.cancel,
        count_fetched=lambda: traffic.total,
        find_attached=partial(_find_attached, repository, top.digest, candidate, options.cache),
    )


def _find_attached(repository: Repository, top: Digest, candidate: Candidate, cache: Cache | None) -> Sequence[Attached]:
    """Return what is attached to an image, or to the index that lists it. Raises AccessDenied, RegistryFailed."""
    from layerscope.sources.registry.attached import find_attached
    from layerscope.sources.registry.tag_facts import fetch_tag_facts

    wanted = repository.name.reference
    (facts,) = fetch_tag_facts(repository, [wanted], cache=cache, platform=candidate.platform)
    subjects = (top, candidate.manifest_digest)
    return [each for each in find_attached(repository, facts, cache) if each.subject in subjects]


def open_instead_of_engine(
    typed: str, missing: NotFound, *, platform: Platform | None, options: EngineOptions, progress: Progress
) -> Image:
    """Open an image that no engine has in its registry, and say so. Raises as `open_registry_image` does.

    If the registry does not have it or does not answer, raises NotFound with both reasons; `missing` is the engines'.
    """
    name = parse_image_name(typed)
    places = " or ".join(escape(str(full)) for full in HostSettings.of_this_machine(options.insecure).full_names(name))
    found = "it" if places == escape(typed) else places
    options.say(f"no engine has {escape(typed)}; reading {found} in its registry (--no-registry prevents this)")
    try:
        return open_registry_image(name, reference="", platform=platform, options=options, progress=progress)
    except RegistryFailed as error:
        listed = f". If it is a registry: layerscope registry {escape(typed)}" if is_like_a_host(typed) else ""
        raise NotFound(f"{missing}; and in its registry: {error}{listed}") from error


def connect(name: RegistryName, options: EngineOptions) -> Iterator[Repository]:
    """Yield the repositories that a name may stand for, in the order to try them; nothing is asked yet."""
    settings, visit = HostSettings.of_this_machine(options.insecure), options.visit or RegistryVisit()
    traffic = visit.traffic(options.bytes_per_second)
    for full in settings.full_names(name):
        endpoints = settings.endpoints(full)
        openers = (partial(Connection, each, partial(credential_for, full, each), traffic) for each in endpoints)
        pairs = zip(endpoints, openers, strict=True)
        yield Repository(full, [visit.connection(full.host, endpoint, opened) for endpoint, opened in pairs])


def credential_for(name: RegistryName, endpoint: RegistryEndpoint) -> Credential:
    """Return the user's credential for an endpoint of a name: a mirror has its own."""
    host = endpoint.host if endpoint.is_mirror else name.host
    return find_credential(host, endpoint.repository, cloud_findings)[0]


def _found(name: RegistryName, options: EngineOptions) -> tuple[Repository, Document]:
    """Return the first repository that has the image, and its manifest or index. Raises the last one's error."""
    visit = options.visit or RegistryVisit()
    return visit.found(str(name), partial(_first_with, name, options))


def _first_with(name: RegistryName, options: EngineOptions) -> tuple[Repository, Document]:
    repositories = list(connect(name, options))
    for repository in repositories[:-1]:
        with suppress(NoSuchImage):
            return repository, top_document(repository, options.cache)
    return repositories[-1], top_document(repositories[-1], options.cache)


def top_document(repository: Repository, cache: Cache | None, *, digest: Digest | None = None) -> Document:
    """Return the manifest or index of a name. A tag's digest is asked for by HEAD, which does not count as a pull, unless it is
    given.
    """
    name = repository.name
    digest = digest or name.digest or repository.resolve(name.tag)
    kept = cache.document(digest) if cache is not None and digest is not None else None
    if kept is None or digest is None:
        top = repository.document(str(digest) if digest else name.tag)
        if cache is not None:
            cache.keep_document(top.digest, top.raw)
        return top
    if name.digest:
        repository.resolve(str(digest))  # which mirror serves it, and whether it may still be read
    return Document(kept, digest, _media_type(kept))


def _media_type(raw: bytes) -> str:
    """Return the media type of a cached document: the one it states, else OCI's for an index or a manifest."""
    with suppress(BadDocument):
        stated = decode(raw, Index, what="a cached manifest")
        return stated.media_type or (OCI_INDEX if stated.manifests else OCI_MANIFEST)
    return OCI_MANIFEST


@dataclass(eq=False)
class RegistryFiles:
    """The documents of one image of a registry, as files of an OCI layout; each is fetched when it is first read."""

    repository: Repository
    top: Document
    cache: Cache | None = None
    damage: str = ""
    _documents: dict[str, bytes] = field(default_factory=dict)
    _manifests: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._take(blob_name(self.top.digest), self.top.raw)

    @property
    def place(self) -> str:
        return escape(familiar(str(self.repository.name)))

    def has(self, name: str) -> bool:
        """Tell whether `name` is a blob's; only a request tells whether the registry has it."""
        return name.startswith("blobs/")

    def blob(self, name: str) -> Blob:
        """Return the bytes of a blob, fetched by the first call. Raises RegistryFailed; see Files."""
        if name not in self._documents:
            digest = Digest.parse(name.removeprefix("blobs/").replace("/", ":", 1))
            kept = self.cache.document(digest) if self.cache is not None else None
            if kept is None:
                is_manifest = name in self._manifests
                kept = self.repository.document(str(digest)).raw if is_manifest else self.repository.blob(digest, -1)
                if self.cache is not None:
                    self.cache.keep_document(digest, kept)
            self._take(name, kept)
        return Blob.of_bytes(self._documents[name])

    def names(self) -> list[bytes]:
        return [name.encode() for name in self._documents]

    def _take(self, name: str, raw: bytes) -> None:
        self._documents[name] = raw
        with suppress(BadDocument):
            self._manifests |= {blob_name(each.digest) for each in decode(raw, Index, what=name).manifests}


def listed_manifests(files: RegistryFiles, top: Document) -> list[Leaf]:
    """Return the manifests that the registry has under the name: one, or those of an index."""
    name = blob_name(top.digest)
    if top.media_type in INDEXES or b'"manifests"' in top.raw:
        found = leaves(files, name)
        for leaf in found:
            leaf.indexes |= {top.digest: None}
        return found
    return [Leaf(Descriptor(media_type=top.media_type, digest=top.digest, size=len(top.raw)))]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A manifest whose platform the index states."""

    leaf: Leaf
    platform: Platform


def _of_platform(found: list[Leaf], platform: Platform | None, place: str) -> list[Leaf]:
    """Return the manifests to read in order to choose one: the fitting ones, and those whose platform is not stated."""
    images = [leaf for leaf in found if not is_beside_images(leaf.descriptor)]
    stated = [_Listed(leaf, leaf.descriptor.platform.platform) for leaf in images if leaf.descriptor.platform]
    silent = [leaf for leaf in images if not leaf.descriptor.platform]
    fits = fitting(stated, platform)
    if fits or silent:
        return [*(each.leaf for each in fits), *silent]
    if len(stated) <= 1 and platform is None:
        return images or found
    present = _platforms(each.platform for each in stated)
    if platform is not None:
        raise NotFound(f"{place} has no {platform} image; it has {present}")
    raise AmbiguousImage(f"{place} has {present} and none for this machine ({host_platform()}); choose one with --platform")


def is_beside_images(descriptor: Descriptor) -> bool:
    """Tell whether an index lists no image there, although perhaps with a platform: an attestation, an index of SOCI."""
    return descriptor.artifact_type in SOCI_INDEXES or is_attestation(descriptor)


def is_attestation(descriptor: Descriptor) -> bool:
    """Tell whether an index lists an attestation there, as BuildKit puts one beside each image."""
    stated = descriptor.platform
    return REFERENCE_TYPE in descriptor.annotations or (stated is not None and stated.platform.is_unknown)


def _platforms(platforms: Iterable[Platform]) -> str:
    return ", ".join(sorted({escape(str(platform)) for platform in platforms}))


def _reader(repository: Repository, options: EngineOptions, soci: SociIndex, _files: Files, part: StatedLayer) -> LayerReader:
    if is_foreign(part):
        return AbsentReader("it is a foreign layer, which is not in the registry", may_be_missing=True)
    if part.digest is None or part.size < 0:
        return AbsentReader("its manifest does not say which blob it is, or how large")
    if options.visit is not None:
        options.visit.expect(part.digest)
    return RegistryReader(
        repository,
        part.digest,
        part.size,
        media_type=part.media_type,
        annotations=part.annotations,
        cache=options.cache,
        trust_toc=options.trust_toc,
        soci=soci,
        keep_windows=options.keep_windows,
        unreadable=part.unread,
        visit=options.visit,
        compare_contents=options.compare_contents,
    )
