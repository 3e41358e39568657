"""A tag of a repository with the size of its image: enough for a chart over time, without a byte of a layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from layerscope.oci.digest import Digest

FIRST_BUILD = datetime(2013, 1, 1, tzinfo=UTC).timestamp()
"""Seconds since 1970 before which no container image was built: reproducible builds state 1970, 1980, or year 1."""


@dataclass(frozen=True, slots=True)
class TagLayer:
    """One layer of a tag's image. `size` is in bytes as stored, -1 where the manifest does not say; `created_by` is the
    instruction that made it, empty where the history does not tell.
    """

    digest: Digest
    size: int
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class SizedTag:
    """A tag and its image for one platform. `digest` is that of the tag's manifest or index, None where it is not known.

    `created` (the config's) and `pushed` (the registry's) are RFC 3339 or empty. `wire_bytes` are the stored bytes of all
    layers, None if not known. `layers`, base first, are None if only the registry's own list of sizes was read. `base_digest`
    is what the image states about its base (annotation `org.opencontainers.image.base.digest`), or empty.
    """

    tag: str
    digest: Digest | None = None
    platform: str = ""
    created: str = ""
    pushed: str = ""
    wire_bytes: int | None = None
    layers: tuple[TagLayer, ...] | None = None
    base_digest: str = ""

    @property
    def is_known(self) -> bool:
        """Tell whether its size is known."""
        return self.wire_bytes is not None


def build_moment(text: str) -> float | None:
    """Return seconds since 1970 for an RFC 3339 time; None if it is not one, or no time at which an image was built."""
    for written in (text, text[:19]):
        try:
            moment = datetime.fromisoformat(written)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
        return seconds if seconds >= FIRST_BUILD else None
    return None


def total_size(layers: Iterable[TagLayer]) -> int | None:
    """Add up the sizes of layers, one that occurs twice once, as it is fetched; None if one is not known."""
    sizes = {layer.digest: layer.size for layer in layers}.values()
    return sum(sizes) if all(size >= 0 for size in sizes) else None
