"""Remembers, in the cache's directory, how many bytes engines' images waste: computing it again would merge all layers."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from layerscope import __version__
from layerscope.cache import directory as files
from layerscope.oci.digest import Digest
from layerscope.sources.listing.facts import ImageFacts

if TYPE_CHECKING:
    from layerscope.cache.cache import Cache
    from layerscope.sources.listing.found import FoundImages

NAME = "waste.json"
MOST = 10_000
"""The most images in the file, which takes 100 bytes for each."""


@dataclass(frozen=True, slots=True)
class _Document:
    """The file `waste.json`: wasted bytes by an image's last chain id, the most recently learned last.

    `version` is that of the program that found them.
    """

    version: str = ""
    wasted: dict[str, int] = field(default_factory=dict)


def recall_waste(cache: Cache | None, images: FoundImages) -> FoundImages:
    """Return `images` with the wasted bytes of images analyzed before. Never fails: without the file, they are unknown."""
    wasted = _read(cache)
    return replace(images, found=[replace(each, facts=_recalled(each.facts, wasted)) for each in images.found])


def remember_waste(cache: Cache | None, images: Iterable[ImageFacts]) -> None:
    """Store the known wasted bytes of `images`; only of an engine's, because the engine checked their chain ids."""
    found = {
        str(image.chain_id): image.wasted_bytes
        for image in images
        if image.chain_id and not image.place and image.wasted_bytes is not None
    }
    _keep(cache, found)


def remember_layers(cache: Cache | None, chain_id: Digest, wasted_bytes: int) -> None:
    """Store the wasted bytes of an engine's image whose last layer has the chain id `chain_id`."""
    _keep(cache, {str(chain_id): wasted_bytes})


def _keep(cache: Cache | None, fresh: dict[str, int]) -> None:
    if cache is None or cache.trouble or not fresh:
        return
    known = {chain_id: size for chain_id, size in _read(cache).items() if chain_id not in fresh} | fresh
    document = _Document(__version__, dict(list(known.items())[-MOST:]))
    with suppress(OSError):
        files.write(cache.directory, NAME, msgspec.json.encode(document))


def _recalled(image: ImageFacts, wasted: dict[str, int]) -> ImageFacts:
    if image.wasted_bytes is not None or image.place or not image.chain_id:
        return image
    return image.wasting(wasted.get(image.chain_id))


def _read(cache: Cache | None) -> dict[str, int]:
    data = files.read(cache.directory, NAME) if cache is not None and not cache.trouble else None
    try:
        document = msgspec.json.decode(data or b"{}", type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return document.wasted if document.version == __version__ else {}
