"""Chooses how to read an engine's image, fastest first: storage in place, the cache, an export."""

from __future__ import annotations

from contextlib import suppress

from layerscope.sources.engine.export import OpenRequest, exported, known, stored
from layerscope.sources.engine.find_engine import EngineImage
from layerscope.sources.image import Image
from layerscope.sources.storage.allowed import may_read_storage
from layerscope.sources.storage.in_place import StoragePlace, open_kept
from layerscope.sources.storage.unreadable import StorageUnreadable


def open_found(found: EngineImage, asked: OpenRequest) -> Image:
    """Open an image in the fastest way that gives everything that was asked for.

    An archive for `--keep` has to be exported even if the image could be read in place.
    """
    if asked.engine_options.keep is not None:
        return exported(found, asked)
    with suppress(StorageUnreadable):
        kept = _kept(found, asked)
        if not asked.engine_options.needs_tars or not any(layer.reader.missing_bytes for layer in kept.layers):
            return kept
    if asked.engine_options.needs_archive:
        return stored(found, asked)
    return known(found, asked) or exported(found, asked)


def _kept(found: EngineImage, asked: OpenRequest) -> Image:
    """Open the image in the engine's storage. Raises StorageUnreadable."""
    engine = found.engine
    if engine.endpoint.socket is None or not may_read_storage():
        raise StorageUnreadable(f"what {engine.endpoint} keeps is not read")
    name = "" if found.name == found.image.id else found.name
    place = StoragePlace(engine.endpoint.kind, *engine.storage())
    return open_kept(place, found.image.id, reference=asked.reference, name=name, platform=asked.platform)
