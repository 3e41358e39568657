"""All images at the places that a user named, or in the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from layerscope.errors import LayerscopeError, NotFound
from layerscope.progress import Progress, ignore
from layerscope.sources.engine.options import DEFAULT_ENGINE_OPTIONS, EngineOptions
from layerscope.sources.engine_names import EngineKind, split_prefix
from layerscope.sources.listing.found import FoundImages
from layerscope.sources.location import EngineName, locate


def find_images(
    references: Sequence[str],
    *,
    stdin: BinaryIO | None = None,
    engine_options: EngineOptions = DEFAULT_ENGINE_OPTIONS,
    progress: Progress = ignore,
) -> FoundImages:
    """Find all images, each once. A reference is an archive or layout, perhaps with a tag, a name in an engine, or an
    engine's prefix alone, such as `podman:`; without references it is the first engine that answers. `engine_options` are
    for opening an engine's image.

    What cannot be read becomes a problem if there are references, so that the rest can be shown; otherwise raises EngineFailed.
    """
    if not references:
        return _of_engine(None, "", engine_options, progress)
    images = FoundImages()
    for reference in references:
        try:
            images += _find(reference, stdin, engine_options, progress)
        except LayerscopeError as error:
            images += FoundImages(problems=[str(error)])
    return images.merged()


def _find(reference: str, stdin: BinaryIO | None, engine_options: EngineOptions, progress: Progress) -> FoundImages:
    kind, name = split_prefix(reference)
    if kind is not None and not name:
        return _of_engine(kind, "", engine_options, progress)
    location = locate(reference)
    if location.engine is not None:
        return _of_name(location.engine, engine_options, progress)
    from layerscope.sources.listing.archive_images import images_stored_at

    return images_stored_at(location, stdin=stdin, progress=progress)


def _of_name(wanted: EngineName, engine_options: EngineOptions, progress: Progress) -> FoundImages:
    try:
        return _of_engine(wanted.kind, wanted.name, engine_options, progress)
    except NotFound as error:
        raise NotFound(f"{wanted.no_path}, and {error}" if wanted.no_path else str(error)) from error


def _of_engine(kind: EngineKind | None, name: str, engine_options: EngineOptions, progress: Progress) -> FoundImages:
    from layerscope.sources.listing.engine_images import images_of_engine

    return images_of_engine(kind, name=name, engine_options=engine_options, progress=progress)
