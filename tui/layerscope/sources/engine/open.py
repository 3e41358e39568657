"""Opening an image of an engine: finds the engine, then the fastest reader of its layers."""

from __future__ import annotations

from dataclasses import replace

from layerscope.cache.cache import Cache
from layerscope.cache.cached_reader import CachedReader
from layerscope.cache.directory import IdKind
from layerscope.layers.readers.tar_split import TarSplitReader
from layerscope.oci.platform import Platform
from layerscope.progress import Progress
from layerscope.sources.engine.container import open_container
from layerscope.sources.engine.endpoints import is_usual
from layerscope.sources.engine.export import OpenRequest
from layerscope.sources.engine.find_engine import NotInEngine, found_image
from layerscope.sources.engine.layer_readers import open_found
from layerscope.sources.engine.options import EngineOptions
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.location import EngineKind, EngineName
from layerscope.sources.storage.allowed import may_read_storage
from layerscope.sources.storage.in_place import search_kept


def open_engine_image(
    wanted: EngineName, *, reference: str, platform: Platform | None, engine_options: EngineOptions, progress: Progress
) -> Image:
    """Open an image or a container of an engine. Layers that have to be exported are read here, with `progress`.

    If no engine answers, the image may still be in the storage of one that does not run; Podman needs no service. Raises
    NotFound, AmbiguousImage, EngineFailed, and whatever opening the engine's archive raises.
    """
    image = _open(wanted, OpenRequest(reference, platform, engine_options, progress))
    cache = engine_options.cache
    return image if cache is None else replace(image, layers=tuple(_with_cache(layer, cache) for layer in image.layers))


def _with_cache(layer: StoredLayer, cache: Cache) -> StoredLayer:
    """Put the cache before the engine's own record, which is slower to read."""
    if layer.diff_id is None or not isinstance(layer.reader, TarSplitReader):
        return layer
    return replace(layer, reader=CachedReader(layer.reader, cache, layer.diff_id, IdKind.CRC64))


def _open(wanted: EngineName, asked: OpenRequest) -> Image:
    if wanted.is_container:
        return open_container(wanted, asked)
    try:
        with found_image(
            wanted, platform=asked.platform, engine_options=asked.engine_options, progress=asked.progress
        ) as found:
            return open_found(found, asked)
    except NotInEngine:
        kinds = [kind for kind in EngineKind if wanted.kind in (None, kind) and is_usual(kind)]
        kept = (
            search_kept(kinds, wanted.name, reference=asked.reference, platform=asked.platform) if may_read_storage() else None
        )
        if kept is None:
            raise
        return kept
