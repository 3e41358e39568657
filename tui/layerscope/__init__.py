"""layerscope: what is in a container image, and why it is so big.

As a library: `layerscope.open(reference).analyze()` (docs/library.md). Importing this module imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerscope.errors import (
        AmbiguousImage,
        BadDocument,
        BadSettings,
        CorruptLayer,
        FileChanged,
        LayerscopeError,
        NotAnImage,
        NotFound,
        UsageError,
    )
    from layerscope.library.analyzed import AnalyzedImage
    from layerscope.library.facts import FileEntry, ImageSummary, JudgedRule, Judgment, LayerSummary, WastedContent
    from layerscope.library.opened import OpenedImage
    from layerscope.library.opened import open_reference as open  # noqa: A004 - as in gzip.open
    from layerscope.sources.engine.failures import EngineFailed
    from layerscope.sources.registry.failures import RegistryFailed
    from layerscope.sources.storage.unreadable import StorageUnreadable

__version__ = "0.1.0"
__all__ = [
    "AmbiguousImage",
    "AnalyzedImage",
    "BadDocument",
    "BadSettings",
    "CorruptLayer",
    "EngineFailed",
    "FileChanged",
    "FileEntry",
    "ImageSummary",
    "JudgedRule",
    "Judgment",
    "LayerSummary",
    "LayerscopeError",
    "NotAnImage",
    "NotFound",
    "OpenedImage",
    "RegistryFailed",
    "StorageUnreadable",
    "UsageError",
    "WastedContent",
    "__version__",
    "open",
]
_NAMES = {
    "layerscope.errors": (
        "AmbiguousImage",
        "BadDocument",
        "BadSettings",
        "CorruptLayer",
        "FileChanged",
        "LayerscopeError",
        "NotAnImage",
        "NotFound",
        "UsageError",
    ),
    "layerscope.library.analyzed": ("AnalyzedImage",),
    "layerscope.library.facts": ("FileEntry", "ImageSummary", "JudgedRule", "Judgment", "LayerSummary", "WastedContent"),
    "layerscope.library.opened": ("OpenedImage",),
    "layerscope.sources.engine.failures": ("EngineFailed",),
    "layerscope.sources.registry.failures": ("RegistryFailed",),
    "layerscope.sources.storage.unreadable": ("StorageUnreadable",),
}
_PLACES = {name: (module, name) for module, names in _NAMES.items() for name in names}
_PLACES["open"] = ("layerscope.library.opened", "open_reference")


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, own = _PLACES[name]
    found = globals()[name] = getattr(import_module(module), own)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
