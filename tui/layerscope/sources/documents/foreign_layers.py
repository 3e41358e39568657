"""Whether an image's layers are there at all, before it is taken for one that can be shown."""

from __future__ import annotations

from layerscope.errors import NotFound
from layerscope.oci.media_types import is_foreign_layer
from layerscope.sources.documents.candidate import StatedLayer
from layerscope.sources.documents.files import Files, because


def is_foreign(part: StatedLayer) -> bool:
    """True for a layer that need not be there: told by its media type, or by addresses to fetch it from."""
    return is_foreign_layer(part.media_type) or any(part.urls)


def refuse_absent(files: Files, parts: tuple[StatedLayer, ...], what: str) -> None:
    """Raises NotFound when none of the layers is there: containerd's store exports manifests of platforms it never pulled."""
    if parts and not any(is_foreign(part) or files.has(part.file) for part in parts):
        raise NotFound(f"{what}: none of its {len(parts)} layers is there{because(files)}")
