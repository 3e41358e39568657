"""Opening an image of an engine: the engine is found first, then the cheapest way to its layers."""

from __future__ import annotations

from layerscope.oci.platform import Platform
from layerscope.progress import Progress
from layerscope.sources.engine.export import Asked
from layerscope.sources.engine.find import found_image
from layerscope.sources.engine.ways import open_found
from layerscope.sources.engine.wishes import Wishes
from layerscope.sources.image import Image
from layerscope.sources.location import EngineName


def open_engine_image(
    wanted: EngineName, *, reference: str, platform: Platform | None, wishes: Wishes, progress: Progress
) -> Image:
    """Open an image of an engine. Layers that have to be exported are read by then; `progress` shows that.

    Raises NotFound, AmbiguousImage, EngineFailed, and what opening the engine's archive raises.
    """
    with found_image(wanted, platform=platform, wishes=wishes, progress=progress) as found:
        return open_found(found, Asked(reference, platform, wishes, progress))
