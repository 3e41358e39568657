"""A container's own layer on top of its image: where an engine keeps what the container wrote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from layerscope.errors import AmbiguousImage, NotFound
from layerscope.layers.directory_way import DirectoryWay
from layerscope.oci.documents import HistoryStep
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.storage.unreadable import StorageUnreadable, is_there, plain_id
from layerscope.text import escape

UPPER = {"overlay2": "overlay2/{}/diff", "fuse-overlayfs": "fuse-overlayfs/{}/diff", "overlay": "overlay/{}/diff"}
"""Where each driver keeps what a container wrote. vfs keeps the whole tree in one directory, so no layer by itself."""


@dataclass(frozen=True, slots=True)
class KeptContainer:
    """A container, running or not. `image_id` is in hexadecimal; `directory` holds what it wrote, and only that.

    `mounts` are the paths in it where something else is mounted (volumes, directories of the host): not part of the layer.
    """

    id: str
    name: str
    image_id: str
    directory: Path
    mounts: tuple[str, ...] = ()


def with_container_layer(image: Image, container: KeptContainer) -> Image:
    """`image` with the container's own layer on top, read when the image is. Its number is one more than the image's last."""
    layer = StoredLayer(
        number=len(image.layers) + 1,
        digest=None,
        diff_id=None,
        chain_id=None,
        media_type="",
        blob=None,
        history=HistoryStep(created_by=f"container {container.name or container.id[:12]}"),
        way=DirectoryWay(container.directory),
    )
    return replace(image, layers=(*image.layers, layer))


def upper_directory(root: Path, driver: str, layer: str) -> Path:
    """Where a driver keeps what a container wrote. Raises StorageUnreadable."""
    if driver not in UPPER:
        raise StorageUnreadable(f"storage driver {driver} keeps no layer of a container's own")
    directory = root / UPPER[driver].format(plain_id(layer, "the id of a container's layer"))
    if not is_there(directory):
        raise StorageUnreadable(f"{escape(str(directory))}, what the container wrote, is not there, or not for this user")
    return directory


def pick_container(wanted: str, names: dict[str, tuple[str, ...]], place: str) -> str:
    """The id that a name, or the first digits of an id, mean. `names` are by id. Raises NotFound and AmbiguousImage."""
    named = [each for each, own in names.items() if wanted in own]
    found = named or [each for each in names if wanted and each.startswith(wanted)]
    if len(found) > 1:
        listed = ", ".join(sorted(each[:12] for each in found))
        raise AmbiguousImage(f"{place} has {len(found)} containers '{escape(wanted)}': {listed}")
    if not found:
        raise NotFound(f"{place} has no container '{escape(wanted[:200])}'")
    return found[0]
