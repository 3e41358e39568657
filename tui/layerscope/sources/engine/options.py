"""What a user may ask of the reading of an engine's image besides its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerscope.cache.cache import Cache


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`pull`: the engine pulls what it does not have. `keep`: a directory to keep the archive in. `needs_bytes`: contents of
    files will be read, so that an archive had better be stored at once instead of asked for twice. `needs_tars`: so will the
    layers as they are stored. `cache` knows images that were exported before, and learns others.
    """

    pull: bool = False
    keep: Path | None = None
    needs_bytes: bool = False
    needs_tars: bool = False
    cache: Cache | None = None

    @property
    def needs_archive(self) -> bool:
        """Return True when an export had better be stored."""
        return self.needs_bytes or self.needs_tars


DEFAULT_ENGINE_OPTIONS = EngineOptions()
