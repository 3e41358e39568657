"""The images of Podman, Buildah and CRI-O (containers/storage), read in place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from layerscope.oci.platform import Platform
from layerscope.sources.image import Image
from layerscope.sources.storage.containers_image import kept_image
from layerscope.sources.storage.containers_store import ContainersStore, images_of, stores_at
from layerscope.sources.storage.kept import KeptImage
from layerscope.sources.storage.unreadable import StorageUnreadable
from layerscope.sources.storage.wanted import find_wanted


def open_containers_storage(
    roots: Sequence[Path], name_or_id: str, *, reference: str = "", platform: Platform | None = None, driver: str = ""
) -> Image:
    """The image of that name or id in the stores at `roots`: the engine's own, then additional ones. No layer is read.

    Raises StorageUnreadable when this user may not read it or it is of a driver that is not known here: ask the API then.
    Raises NotFound and AmbiguousImage for the name, NotFound for the platform.
    """
    stores = stores_at(roots, driver)
    rows = images_of(stores)
    names = {name: image for image, (_, row) in reversed(rows.items()) for name in row.names or ()}
    wanted = find_wanted(name_or_id, names, rows, place="Podman's storage")
    image = kept_image(stores, *rows[wanted.id])
    return image.opened(reference=reference or name_or_id, name=wanted.name.partition("@")[0], platform=platform)


def list_containers_storage(roots: Sequence[Path], *, driver: str = "") -> list[KeptImage]:
    """Every image in the stores at `roots`, each once. What is no image, or cannot be read, is left out.

    Raises StorageUnreadable when nothing can be read.
    """
    stores = stores_at(roots, driver)
    return list(_readable(stores))


def _readable(stores: Sequence[ContainersStore]) -> Iterator[KeptImage]:
    for store, row in images_of(stores).values():
        try:
            yield kept_image(stores, store, row)
        except StorageUnreadable:
            continue
