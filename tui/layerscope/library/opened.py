"""`layerscope.open`: from a reference to an image that programs ask."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerscope.progress import Progress, ignore

if TYPE_CHECKING:
    from layerscope.library.analyzed import AnalyzedImage
    from layerscope.sources.image import Image
    from layerscope.sources.location import EngineOptions


def open_reference(  # noqa: PLR0913 - what a caller may say of where an image is
    reference: str | os.PathLike[str],
    *,
    platform: str | None = None,
    base: str | int | None = None,
    pull: bool = False,
    use_registry: bool = True,
    insecure: Sequence[str] = (),
    use_cache: bool = True,
    progress: Progress = ignore,
) -> OpenedImage:
    """Open the image that `reference` names, as on the command line: a path, or a name in an engine or a registry.

    `platform` (linux/arm64) selects one of several, by default this machine's; `base` is the base image or its number of
    layers. With `pull`, an engine fetches an image that it does not have; without `use_registry`, a name that no engine has is
    an error.
    `insecure` are registries that need no valid TLS. `use_cache` keeps lists of the files of layers for the next time.
    `progress` is called with the stage, the bytes done and their total (0: unknown), in any thread.

    Raises a child of LayerscopeError: NotFound, AmbiguousImage, NotAnImage, BadDocument, CorruptLayer, EngineFailed,
    RegistryFailed, UsageError.
    """
    from layerscope.cache.cache import Cache
    from layerscope.oci.platform import Platform
    from layerscope.sources.location import EngineOptions
    from layerscope.sources.open import open_image

    wanted = Platform.parse(platform) if platform else None
    cache = Cache.open() if use_cache else None
    options = EngineOptions(pull=pull, cache=cache, insecure=tuple(insecure), or_registry=use_registry)
    image = open_image(os.fspath(reference), platform=wanted, progress=progress, engine_options=options)
    return OpenedImage(image, options, None if base is None else str(base), progress)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class OpenedImage:
    """An image that was opened; no byte of its layers was read yet. `reference` is what was asked for."""

    _image: Image
    _options: EngineOptions
    _base: str | None
    _progress: Progress

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.reference!r} {self.platform}>"

    @property
    def reference(self) -> str:
        return self._image.reference

    @property
    def platform(self) -> str:
        """Return the platform, as in linux/amd64."""
        return self._image.platform.name

    @property
    def layers(self) -> int:
        """Return the number of layers."""
        return len(self._image.layers)

    def analyze(self, *, verify: bool = True, will_read: bool = False) -> AnalyzedImage:
        """Read all layers and find what they waste. Damage is told by `problems`; what remains is analyzed.

        Without `verify`, digests are not checked, which is faster; a judgment then says so. `will_read` takes longer here, and
        lets many files of compressed layers be read sooner. Raises UsageError if the base that was named is none of this image.
        """
        from layerscope.analysis import analyze, read_image
        from layerscope.library.analyzed import AnalyzedImage
        from layerscope.sources.base import find_base

        image, cache = self._image, self._options.cache
        found = find_base(image, self._base, open_base=self._open_base)
        contents = read_image(image, progress=self._progress, cache=cache, verify=verify, keep_seek_points=will_read)
        return AnalyzedImage(analyze(contents, base_layers=found.layers, base_name=found.name, base_known_by=found.known_by))

    analyse = analyze

    def _open_base(self, name: str) -> Image:
        from layerscope.sources.open import open_image

        platform = self._image.platform
        return open_image(name, platform=platform, progress=self._progress, engine_options=self._options)
