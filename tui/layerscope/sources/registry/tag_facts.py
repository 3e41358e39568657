"""What the tags of a repository lead to: platforms, sizes and ages, from manifests and configs, without a byte of a layer.

A tag costs a HEAD request, which no registry counts as a pull; manifests and configs are fetched by digest and kept in the
cache, so each costs one request ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

from layerscope.cache.cache import Cache
from layerscope.errors import LayerscopeError
from layerscope.oci.digest import Digest
from layerscope.oci.documents import CONFIGS, Config, Descriptor, Manifest, artifact_kind, decode
from layerscope.oci.platform import UNKNOWN, Platform
from layerscope.sources.documents.assemble import layer_steps
from layerscope.sources.documents.candidate import Candidate
from layerscope.sources.documents.choose import fitting
from layerscope.sources.documents.files import read_content
from layerscope.sources.documents.layout import Leaf, images_at
from layerscope.sources.listing.sized_tag import TagLayer
from layerscope.sources.registry.open import RegistryFiles, is_attestation, is_beside_images, listed_manifests, top_document
from layerscope.sources.registry.registry_name import is_tag
from layerscope.sources.registry.repository import Document, Repository
from layerscope.sources.registry.side_by_side import side_by_side
from layerscope.text import escape

NO_PLATFORM = Platform(UNKNOWN, UNKNOWN)


@dataclass(frozen=True, slots=True)
class TagImage:
    """One manifest that a tag leads to, for one platform (`unknown/unknown` where nothing states it).

    `digest` is the manifest's. Unless `is_read`, only what the index says is known, and `stated_bytes` if the registry's own
    list has its size. `kind` says what it is if it is no image (`a Helm chart`). `created` is RFC 3339 as the config has it,
    or empty. `config` and `config_digest` are None for what is no image. `problem` is a sentence, empty if it could be read.
    """

    digest: Digest
    platform: Platform = NO_PLATFORM
    is_read: bool = False
    kind: str = ""
    created: str = ""
    layers: tuple[TagLayer, ...] = ()
    config: Config | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    stated_bytes: int | None = None
    config_digest: Digest | None = None

    @property
    def is_artifact(self) -> bool:
        """Tell whether it is no image: a chart, a signature, an index of SOCI."""
        return bool(self.kind)

    @property
    def wire_bytes(self) -> int | None:
        """Return the bytes that a pull of all layers moves; None if they are not known."""
        if not self.is_read:
            return self.stated_bytes
        sizes = {layer.digest: layer.size for layer in self.layers}.values()
        return sum(sizes) if not self.problem and all(size >= 0 for size in sizes) else None


@dataclass(frozen=True, slots=True)
class TagFacts:
    """A tag and what it leads to. `digest` and `media_type` are those of its manifest or index.

    `chosen` is the image for the wanted platform; None if there is none. `pushed` is when the tag was last pushed, RFC 3339,
    empty unless the registry's own list says so. `attestations` are what the index lists beside the images. `problem` is a
    sentence, and all else is then unknown.
    """

    tag: str
    digest: Digest | None = None
    media_type: str = ""
    images: tuple[TagImage, ...] = ()
    chosen: TagImage | None = None
    pushed: str = ""
    attestations: tuple[Descriptor, ...] = ()
    problem: str = ""

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms that it has images for, in the index's order."""
        return tuple(image.platform for image in self.images if not image.platform.is_unknown and not image.is_artifact)

    @property
    def created(self) -> str:
        """Return when the chosen image was built: RFC 3339, or empty."""
        return self.chosen.created if self.chosen else ""

    @property
    def wire_bytes(self) -> int | None:
        """Return the stored bytes of the chosen image's layers; None if they are not known."""
        return self.chosen.wire_bytes if self.chosen else None

    @property
    def layers(self) -> tuple[TagLayer, ...]:
        """Return the layers of the chosen image, base first."""
        return self.chosen.layers if self.chosen else ()


@dataclass(frozen=True, slots=True)
class _Manifests:
    """What a manifest or index leads to; the fields are those of TagFacts."""

    digest: Digest
    media_type: str
    images: tuple[TagImage, ...]
    chosen: TagImage | None
    attestations: tuple[Descriptor, ...]


def fetch_tag_facts(
    repository: Repository,
    tags: Iterable[str],
    *,
    cache: Cache | None,
    platform: Platform | None = None,
    every_platform: bool = False,
) -> Iterator[TagFacts]:
    """Yield the facts of each tag, in the order of `tags`, fetched side by side. `tags` may still be arriving, and digests.

    The chosen image is the one for `platform`, by default this machine's, else the first of the tag. Only its manifest and
    config are fetched, or all with `every_platform`. A tag that cannot be read has a `problem`; nothing is raised for it.
    """
    known = _Once(partial(_images, platform=platform, every_platform=every_platform))
    traffic = repository.connection.traffic
    many = replace(cache, makes_room=False) if cache is not None else None  # a look at all of it takes longer than to write
    try:
        yield from side_by_side(lambda tag: _facts(repository.at(tag), tag, many, known), tags, traffic)
    finally:
        if cache is not None and cache.makes_room:
            cache.make_room()


class _Once:
    """Remembers what each digest leads to, so that several tags of one image cost what one does."""

    def __init__(self, images_of: Callable[[RegistryFiles, Document], _Manifests]) -> None:
        self._images_of = images_of
        self._found: dict[Digest, Future[_Manifests]] = {}
        self._lock = Lock()

    def found(self, repository: Repository, cache: Cache | None, digest: Digest | None) -> _Manifests:
        """Return what a tag of this digest leads to; a second thread waits for the first one's answer.

        Without a digest, which some registries do not state, the tag's manifest is fetched to learn it.
        """
        top = None
        if digest is None:
            top = top_document(repository, cache)
            digest = top.digest
        with self._lock:
            is_first = digest not in self._found
            found = self._found.setdefault(digest, Future())
        if is_first:
            try:
                top = top or top_document(repository, cache, digest=digest)
                found.set_result(self._images_of(RegistryFiles(repository, top, cache), top))
            except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
                found.set_exception(error)
        return found.result()


def _facts(repository: Repository, tag: str, cache: Cache | None, known: _Once) -> TagFacts:
    if repository.name.digest is None and not is_tag(tag):  # it would become part of a URL
        return TagFacts(tag, problem=f"'{escape(tag[:128])}' is no valid name of a tag")
    try:
        digest = repository.name.digest or repository.resolve(repository.name.tag)
        found = known.found(repository, cache, digest)
    except LayerscopeError as error:
        return TagFacts(tag, problem=str(error))
    return TagFacts(tag, found.digest, found.media_type, found.images, found.chosen, attestations=found.attestations)


def _images(files: RegistryFiles, top: Document, *, platform: Platform | None, every_platform: bool) -> _Manifests:
    """Return an image for each manifest that is one, the wanted ones read, and the chosen one of these."""
    everything = listed_manifests(files, top)
    leaves = [leaf for leaf in everything if not is_beside_images(leaf.descriptor)]
    listed = [_listed(leaf.descriptor) for leaf in leaves]
    wanted = listed if every_platform or len(listed) == 1 else _wanted(listed, platform)
    to_read = {image.digest for image in wanted}
    images = [
        _read(files, leaf) if leaf.descriptor.digest in to_read else each for leaf, each in zip(leaves, listed, strict=True)
    ]
    chosen = of_platform([image for image in images if image.is_read], platform)
    is_alone = len(images) == 1 and (images[0].is_artifact or platform is None)
    attestations = tuple(leaf.descriptor for leaf in everything if is_attestation(leaf.descriptor))
    return _Manifests(
        top.digest, top.media_type, tuple(images), next(iter(chosen), images[0] if is_alone else None), attestations
    )


def _wanted(listed: list[TagImage], platform: Platform | None) -> list[TagImage]:
    """Return the images to read: those for a platform, and those whose platform only reading them tells."""
    silent = [image for image in listed if image.platform.is_unknown and not image.is_artifact]
    return [*silent, *of_platform(listed, platform)] or listed[:1]


def of_platform(images: Sequence[TagImage], platform: Platform | None) -> list[TagImage]:
    """Return the images for a platform; by default for this machine's, else the first."""
    known = [image for image in images if not image.platform.is_unknown and not image.is_artifact]
    return fitting(known, platform) or (known[:1] if platform is None else [])


def _listed(descriptor: Descriptor) -> TagImage:
    """Return what the descriptor of a manifest says about it."""
    platform = descriptor.platform.platform if descriptor.platform else NO_PLATFORM
    kind = escape(artifact_kind(descriptor.artifact_type)[:100]) if descriptor.artifact_type else ""
    return TagImage(descriptor.digest, platform, kind=kind, annotations=descriptor.annotations)


def _read(files: RegistryFiles, leaf: Leaf) -> TagImage:
    """Fetch a manifest and its config. What is no image, or cannot be read, says so itself."""
    listed = _listed(leaf.descriptor)
    (found,) = images_at(files, [leaf])
    if isinstance(found, Candidate):
        steps = [step.created_by for step in layer_steps(found.config)]
        steps += [""] * (len(found.parts) - len(steps))
        layers = [TagLayer(part.digest, part.size, step) for part, step in zip(found.parts, steps, strict=False) if part.digest]
        return replace(
            listed,
            platform=found.platform,
            is_read=True,
            kind="",
            created=found.config.created,
            layers=tuple(layers),
            config=found.config,
            annotations=found.annotations,
            config_digest=found.config_digest,
        )
    try:
        manifest = decode(read_content(files, leaf.descriptor), Manifest, what=f"{files.place}: its manifest")
    except LayerscopeError:
        return replace(listed, is_read=True, problem=str(found.error))
    if manifest.config.media_type in CONFIGS:
        return replace(listed, is_read=True, problem=str(found.error))
    layers = [TagLayer(each.digest, each.size) for each in manifest.layers]
    kind = escape(artifact_kind(manifest.artifact_type or manifest.config.media_type)[:100])
    return replace(listed, is_read=True, kind=kind, layers=tuple(layers), annotations=manifest.annotations)
