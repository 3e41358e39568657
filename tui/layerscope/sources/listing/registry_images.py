"""One image of a registry in a list of images: its documents say what its layers are, and none is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerscope.progress import Progress
from layerscope.sources.engine.options import EngineOptions
from layerscope.sources.listing.facts import ImageFacts, LayerFacts
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.sources.open import open_image

if TYPE_CHECKING:
    from layerscope.sources.image import Image


def image_in_registry(reference: str, options: EngineOptions, progress: Progress) -> FoundImages:
    """List the one image that `reference` names. Raises like `open_image`."""
    image = open_image(reference, engine_options=options, progress=progress)
    full = image.reference

    def open_again(progress: Progress) -> Image:
        return open_image(full, engine_options=options, progress=progress, platform=image.platform)

    return FoundImages([FoundImage(_facts(image), full, open_again)])


def _facts(image: Image) -> ImageFacts:
    layers = [
        LayerFacts(layer.chain_id or name, name, layer.reader.stored_bytes)
        for layer in image.layers
        if (name := layer.digest or layer.diff_id)
    ]
    return ImageFacts(
        id=image.config_digest,
        names=(image.name,),
        layers=tuple(layers),
        platform=image.platform,
        created=image.config.created,
        place=image.reference.removeprefix("docker://").partition("/")[0],
        wasted_bytes=None if image.layers else 0,
    )
