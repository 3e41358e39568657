"""The images of archives and layouts, from their documents and the sizes of their blobs."""

from __future__ import annotations

from typing import BinaryIO

from layerscope.errors import BadDocument, NotAnImage
from layerscope.oci.digest import Digest
from layerscope.progress import Progress, ignore
from layerscope.sources.documents.assemble import assemble
from layerscope.sources.documents.candidate import Candidate, Refused, StatedLayer
from layerscope.sources.documents.catalog import stored_images
from layerscope.sources.documents.choose import choose
from layerscope.sources.documents.files import Files
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.listing.facts import ImageFacts, LayerFacts
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.sources.location import Location, locate
from layerscope.sources.open import open_place, refusal


def images_stored_at(location: Location, *, stdin: BinaryIO | None = None, progress: Progress = ignore) -> FoundImages:
    """Return every image of an archive or layout; the one that is meant where a tag was asked for. No layer is read.

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
    if inside.tag:
        stored = [choose(stored, inside, None)[0]]
    found = [_found(files, each, inside) for each in stored if isinstance(each, Candidate)]
    refusals = [each.error for each in stored if isinstance(each, Refused)]
    if not found:
        raise refusals[0]
    return FoundImages(found, [str(error) for error in refusals if isinstance(error, BadDocument)])


def _found(files: Files, candidate: Candidate, location: Location) -> FoundImage:
    # Standard input can be read only once; anything else is opened again, because every open file costs a descriptor.
    kept = files if location.is_stdin else None

    def open_again(progress: Progress) -> Image:
        name = next(iter(candidate.names), "")
        return assemble(kept or open_place(locate(reference), None, progress).files, candidate, reference=reference, name=name)

    reference = location.typed if location.is_stdin else f"{location.typed}:{candidate.digest}"
    return FoundImage(_facts(files, candidate, location.place), reference, open_again)


def _facts(files: Files, candidate: Candidate, place: str) -> ImageFacts:
    image = assemble(files, candidate, reference="", name="")
    return ImageFacts(
        id=candidate.config_digest,
        names=candidate.names,
        layers=tuple(_layers(candidate.parts, image.layers)),
        platform=candidate.platform,
        created=candidate.config.created,
        place=place,
        wasted_bytes=None if image.layers else 0,
    )


def _layers(parts: tuple[StatedLayer, ...], layers: tuple[StoredLayer, ...]) -> list[LayerFacts]:
    """Return an image's layers; without diff_ids, as before Docker 1.10, the names of blobs identify them."""
    facts: list[LayerFacts] = []
    for part, layer in zip(parts, layers, strict=True):
        name = layer.digest or layer.diff_id or Digest.of(part.file.encode("utf-8", "surrogatepass"))
        chain_id = layer.chain_id or _chain_id(facts, name)
        size = layer.reader.stored_bytes if not layer.reader.missing_bytes else max(part.size, 0)
        facts.append(LayerFacts(chain_id, name, size))
    return facts


def _chain_id(below: list[LayerFacts], name: Digest) -> Digest:
    return Digest.of(f"{below[-1].chain_id} {name}".encode()) if below else name
