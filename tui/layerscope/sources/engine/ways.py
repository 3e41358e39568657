"""The ways to an engine's image that was found, the cheapest first. This is the one place that knows them all."""

from __future__ import annotations

from layerscope.sources.engine.export import Asked, exported, known, stored
from layerscope.sources.engine.find import Found
from layerscope.sources.image import Image


def open_found(found: Found, asked: Asked) -> Image:
    """Open an image by the cheapest way that does what was asked for.

    An archive to keep has to be exported whatever other ways there are.
    """
    if asked.wishes.keep is not None:
        return exported(found, asked)
    if asked.wishes.needs_bytes:
        return stored(found, asked)
    return known(found, asked) or exported(found, asked)
