"""The images of an engine, listed without moving a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from layerscope.errors import NotFound
from layerscope.oci.digest import Digest
from layerscope.oci.reference import best_match
from layerscope.progress import Progress, ignore
from layerscope.sources.engine.listing import ListedImage
from layerscope.sources.engine.options import DEFAULT_ENGINE_OPTIONS, EngineOptions
from layerscope.sources.engine_names import EngineKind
from layerscope.sources.listing.engine_list import listed_images
from layerscope.sources.listing.facts import ImageFacts, LayerFacts
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.sources.listing.step_sizes import layer_sizes
from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.sources.image import Image

SHORTEST_ID = 4


def images_of_engine(
    kind: EngineKind | None = None,
    *,
    name: str = "",
    engine_options: EngineOptions = DEFAULT_ENGINE_OPTIONS,
    progress: Progress = ignore,
) -> FoundImages:
    """List the images of the first engine that answers, or of the given kind; with `name`, only the one it names.

    Where Podman does not run, as is usual, its storage is read. Raises EngineFailed, and NotFound where there is no engine or
    the engine has no image of that name.
    """
    found, listed = listed_images(kind, progress)
    known = known_sums(listed)
    if name:
        listed = _named(listed, name)
        if not listed:
            raise NotFound(f"{found} has no image {escape(name)}")
    return FoundImages([_found(each, found.kind, known, engine_options) for each in listed])


def _named(listed: list[ListedImage], name: str) -> list[ListedImage]:
    """Return the images with that tag, or else with an id that begins with those digits."""
    tags = best_match(name, {tag for each in listed for tag in each.names})
    digits = name.removeprefix("sha256:")
    by_id = [each for each in listed if len(digits) >= SHORTEST_ID and each.id.removeprefix("sha256:").startswith(digits)]
    return [each for each in listed if tags & set(each.names)] or by_id


def known_sums(images: Iterable[ListedImage]) -> dict[Digest, int]:
    """Map the chain id of an image's last layer to the total of all its layers, for engines that report no step sizes."""
    return {
        image.chain[-1]: image.size
        for image in images
        if image.diff_ids and image.size == sum(step.size for step in image.steps)
    }


def _found(listed: ListedImage, kind: EngineKind, known: Mapping[Digest, int], engine_options: EngineOptions) -> FoundImage:
    reference = f"{kind}:{next(iter(listed.names), listed.id)}"

    def open_it(progress: Progress) -> Image:
        from layerscope.sources.open import open_image

        return open_image(reference, engine_options=engine_options, progress=progress)

    return FoundImage(facts_of(listed, known), reference, open_it)


def facts_of(listed: ListedImage, known: Mapping[Digest, int]) -> ImageFacts:
    """Describe an engine's image; the key of a layer is its chain id, because an engine stores it once per base."""
    chain = listed.chain
    sizes = listed.sizes or layer_sizes(listed.steps, chain, listed.size, known)
    return ImageFacts(
        id=Digest.parse(listed.id if ":" in listed.id else f"sha256:{listed.id}"),
        names=listed.names,
        layers=tuple(LayerFacts(each, f"engine {each}", size) for each, size in zip(chain, sizes, strict=True)),
        platform=listed.platform,
        created=listed.created,
        repo_digests=listed.repo_digests,
        wasted_bytes=None if chain else 0,
    )
