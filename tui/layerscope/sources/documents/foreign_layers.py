"""Checks whether an image's layers are stored at all, before the image is offered."""

from __future__ import annotations

from layerscope.errors import NotFound
from layerscope.oci.documents import is_foreign_layer
from layerscope.sources.documents.candidate import StatedLayer
from layerscope.sources.documents.files import Files, because


def is_foreign(part: StatedLayer) -> bool:
    """Tell whether a layer is allowed to be missing, by its media type or because it lists addresses to fetch it from."""
    return is_foreign_layer(part.media_type) or any(part.urls)


def refuse_absent(files: Files, parts: tuple[StatedLayer, ...], what: str) -> None:
    """Raise NotFound when none of the layers is stored: containerd exports manifests of platforms that it never pulled."""
    if parts and not any(is_foreign(part) or files.has(part.file) for part in parts):
        raise NotFound(f"{what}: none of its {len(parts)} layers is there{because(files)}")
