"""Finds all images at the places that a user named, or in the engine; reads only documents, no layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from layerscope.errors import BadDocument, LayerscopeError, NotAnImage, NotFound
from layerscope.oci.digest import Digest
from layerscope.oci.platform import Platform, host_platform
from layerscope.oci.reference import familiar
from layerscope.progress import Progress, ignore
from layerscope.sources.base import annotated_base
from layerscope.sources.documents.assemble import assemble
from layerscope.sources.documents.candidate import Candidate, Refused, StatedLayer, Stored
from layerscope.sources.documents.catalog import stored_images
from layerscope.sources.documents.choose import choose
from layerscope.sources.documents.files import Files
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.listing.facts import ImageFacts, LayerFacts
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.sources.location import (
    DEFAULT_ENGINE_OPTIONS,
    REGISTRY_URL,
    EngineKind,
    EngineName,
    EngineOptions,
    Location,
    locate,
    registry_name,
    split_prefix,
)
from layerscope.sources.open import open_image, open_place, refusal

_LAYER_ID = re.compile(r"[0-9a-f]{64}[./]", re.ASCII)
"""How the name of a layer's file begins that is called by the id which Docker gave it, before 1.10."""


def find_images(
    references: Sequence[str],
    *,
    stdin: BinaryIO | None = None,
    platform: Platform | None = None,
    engine_options: EngineOptions = DEFAULT_ENGINE_OPTIONS,
    progress: Progress = ignore,
) -> FoundImages:
    """Find all images, each once. A reference is an archive or layout, perhaps with a tag, a name in an engine, or an
    engine's prefix alone, such as `podman:`; without references it is the first engine that answers. `engine_options` are
    for opening an engine's image. Of a registry's image it is the one for `platform`; of all others, every one.

    What cannot be read becomes a problem if there are references, so that the rest can be shown; otherwise raises EngineFailed.
    """
    if not references:
        return _of_engine(None, "", engine_options, progress)
    images = FoundImages()
    for reference in references:
        try:
            images += _find(reference, stdin, platform, engine_options, progress)
        except LayerscopeError as error:
            images += FoundImages(problems=[str(error)])
    return images.merged()


def _find(
    reference: str, stdin: BinaryIO | None, platform: Platform | None, engine_options: EngineOptions, progress: Progress
) -> FoundImages:
    kind, name = split_prefix(reference)
    if kind is not None and not name:
        return _of_engine(kind, "", engine_options, progress)
    location = locate(reference)
    if location.engine is not None:
        return _of_name(location.engine, platform, engine_options, progress)
    if location.registry is not None:
        return _in_registry(reference, platform, engine_options, progress)
    return images_stored_at(location, stdin=stdin, progress=progress)


def _in_registry(reference: str, platform: Platform | None, options: EngineOptions, progress: Progress) -> FoundImages:
    """List the one image that `reference` names. Raises like `open_image`."""
    image = open_image(reference, platform=platform, engine_options=options, progress=progress)
    full, name = image.reference, image.name
    wanted = registry_name(reference)
    if wanted and wanted.digest and wanted.tag:  # the digest decides, and the tag is what it is called
        name = f"{name.partition('@')[0]}:{wanted.tag}"
    exact = f"{full.partition('@')[0]}@{image.manifest_digest}" if image.manifest_digest else full

    def open_again(progress: Progress) -> Image:
        return open_image(full, engine_options=options, progress=progress, platform=image.platform)

    is_default = platform is None or image.platform.matches(host_platform())
    return FoundImages([FoundImage(_facts_in_registry(image, name), full if is_default else exact, open_again, exact)])


def _facts_in_registry(image: Image, name: str) -> ImageFacts:
    layers = [
        LayerFacts(layer.chain_id or digest, digest, layer.reader.stored_bytes)
        for layer in image.layers
        if (digest := layer.digest or layer.diff_id)
    ]
    return ImageFacts(
        id=image.config_digest,
        names=(name,),
        layers=tuple(layers),
        platform=image.platform,
        created=image.config.created,
        place=image.reference.removeprefix(REGISTRY_URL).partition("/")[0],
        wasted_bytes=None if image.layers else 0,
        base_name=annotated_base(image)[0],
    )


def _of_name(wanted: EngineName, platform: Platform | None, engine_options: EngineOptions, progress: Progress) -> FoundImages:
    try:
        return _of_engine(wanted.kind, wanted.name, engine_options, progress)
    except NotFound as error:
        if engine_options.or_registry and wanted.may_be_in_registry:
            return _in_registry(wanted.name, platform, engine_options, progress)
        raise NotFound(f"{wanted.no_path}, and {error}" if wanted.no_path else str(error)) from error


def _of_engine(kind: EngineKind | None, name: str, engine_options: EngineOptions, progress: Progress) -> FoundImages:
    from layerscope.sources.listing.engine_images import images_of_engine

    return images_of_engine(kind, name=name, engine_options=engine_options, progress=progress)


def images_stored_at(location: Location, *, stdin: BinaryIO | None = None, progress: Progress = ignore) -> FoundImages:
    """Return every image of an archive or layout, or only the one that the location's tag chooses. No layer is read.

    Damaged images become problems as long as there is an image beside them. Attestations and other artifacts are skipped, and
    so are platforms that were never pulled. Raises like `sources.open.open_image`.
    """
    if location.is_layer:
        raise NotAnImage(f"{location.place} is a single layer (layer:), not a list of images")
    place = open_place(location, stdin, progress)
    files, inside = place.files, place.location
    stored = stored_images(files)
    if not stored:
        raise refusal(files)
    wanted = [choose(stored, inside, None)[0]] if inside.tag else stored
    found = [_found(files, each, inside, stored) for each in wanted if isinstance(each, Candidate)]
    refusals = [each.error for each in wanted if isinstance(each, Refused)]
    if not found:
        raise refusals[0]
    return FoundImages(found, [str(error) for error in refusals if isinstance(error, BadDocument)])


def _found(files: Files, candidate: Candidate, location: Location, stored: Sequence[Stored]) -> FoundImage:
    # Standard input can be read only once; anything else is opened again, because every open file costs a descriptor.
    kept = files if location.is_stdin else None

    def open_again(progress: Progress) -> Image:
        name = next(iter(candidate.names), "")
        return assemble(kept or open_place(locate(exact), None, progress).files, candidate, reference=reference, name=name)

    exact = location.typed if location.is_stdin else f"{location.typed}:{candidate.digest}"
    reference = exact if location.is_stdin else _shortest(candidate, location, stored) or exact
    return FoundImage(_facts(files, candidate, location.place), reference, open_again, exact)


def _shortest(candidate: Candidate, location: Location, stored: Sequence[Stored]) -> str:
    """Return the place alone if that opens the image, else the place with the first tag that does; empty if none does."""
    for tag in ("", *(familiar(name) for name in candidate.names)):
        try:
            chosen = choose(stored, replace(location, tag=tag), None)[0]
        except LayerscopeError:
            continue
        if chosen is candidate:
            return f"{location.typed}:{tag}" if tag else location.typed
    return ""


def _facts(files: Files, candidate: Candidate, place: str) -> ImageFacts:
    image = assemble(files, candidate, reference="", name="")
    return ImageFacts(
        id=candidate.config_digest,
        names=candidate.names,
        layers=tuple(_layers(candidate.parts, image.layers, place)),
        platform=candidate.platform,
        created=candidate.config.created,
        place=place,
        wasted_bytes=None if image.layers else 0,
        base_name=annotated_base(image)[0],
    )


def _layers(parts: tuple[StatedLayer, ...], layers: tuple[StoredLayer, ...], place: str) -> list[LayerFacts]:
    """Return the facts of an image's layers; without diff_ids, as before Docker 1.10, names of blobs identify layers.

    Where such a name is Docker's id of the layer, that identifies it everywhere, else only in this archive.
    """
    facts: list[LayerFacts] = []
    for part, layer in zip(parts, layers, strict=True):
        name = layer.digest or layer.diff_id or Digest.of(_known_by(part.file, place).encode("utf-8", "surrogatepass"))
        chain_id = layer.chain_id or _chain_id(facts, name)
        size = layer.reader.stored_bytes if not layer.reader.missing_bytes else max(part.size, 0)
        facts.append(LayerFacts(chain_id, name, size))
    return facts


def _known_by(file: str, place: str) -> str:
    return file if _LAYER_ID.match(file) else f"{place}\0{file}"


def _chain_id(below: list[LayerFacts], name: Digest) -> Digest:
    return Digest.of(f"{below[-1].chain_id} {name}".encode()) if below else name
