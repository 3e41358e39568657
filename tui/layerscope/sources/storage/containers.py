"""The images of Podman, Buildah and CRI-O (containers/storage), read in place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layerscope.sources.storage.containers_image import kept_image
from layerscope.sources.storage.containers_store import images_of, stores_at
from layerscope.sources.storage.kept import KeptImage
from layerscope.sources.storage.wanted import find_wanted


def find_containers_image(roots: Sequence[Path], name_or_id: str, *, driver: str = "") -> KeptImage:
    """Find the image of that name or id in the stores at `roots`: the engine's own, then additional ones.

    Raises StorageUnreadable when this user may not read it or its storage driver is not supported: then ask the API. Raises
    NotFound and AmbiguousImage for the name.
    """
    stores = stores_at(roots, driver)
    rows = images_of(stores)
    names = {name: image for image, (_, row) in reversed(rows.items()) for name in row.names or ()}
    wanted = find_wanted(name_or_id, names, rows, place="Podman's storage")
    return kept_image(stores, *rows[wanted.id], name=wanted.name.partition("@")[0])
