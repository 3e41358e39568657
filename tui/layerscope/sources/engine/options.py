"""Options for reading an image of an engine or a registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from layerscope.progress import ignore

if TYPE_CHECKING:
    from layerscope.cache.cache import Cache


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`pull`: the engine pulls an image that it does not have. `keep`: a directory for the exported archive. `needs_bytes`:
    contents of files will be read, so an export is stored at once instead of being requested twice. `needs_tars`: so will
    the layers as they are stored. `cache` holds images that were exported before, and receives new ones.

    `insecure` are hosts of registries that may answer without TLS, or with any certificate; `bytes_per_second` limits what is
    fetched from registries (0: no limit). With `or_registry`, a NAME that no engine has is read in its registry; `say` is
    then called with a sentence for the user.
    `trust_toc` says whether a layer of a registry may be read by its table of contents, which nothing proves; None: unless
    bytes are to be hashed.
    """

    pull: bool = False
    keep: Path | None = None
    needs_bytes: bool = False
    needs_tars: bool = False
    cache: Cache | None = None
    insecure: tuple[str, ...] = ()
    bytes_per_second: int = 0
    or_registry: bool = False
    say: Callable[[str], None] = ignore
    trust_toc: bool | None = None

    @property
    def needs_archive(self) -> bool:
        """Tell whether an export should be stored."""
        return self.needs_bytes or self.needs_tars


DEFAULT_ENGINE_OPTIONS = EngineOptions()
