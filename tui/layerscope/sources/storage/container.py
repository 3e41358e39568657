"""A container's own layer: where an engine stores what the container wrote on top of its image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from layerscope.errors import AmbiguousImage, NotFound
from layerscope.layers.readers.overlay.reader import DirectoryReader
from layerscope.layers.readers.protocol import LayerReader
from layerscope.layers.readers.tar_split import TarSplitReader
from layerscope.layers.table import Problem
from layerscope.oci.documents import DOCKER_LAYER, HistoryStep
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.storage.unreadable import StorageUnreadable, may_read, plain_id
from layerscope.text import escape

UPPER = {"overlay2": "overlay2/{}/diff", "fuse-overlayfs": "fuse-overlayfs/{}/diff", "overlay": "overlay/{}/diff"}
"""Where each driver keeps what a container wrote. vfs keeps the whole tree in one directory, so no layer by itself."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container, running or not. `image_id` is in hexadecimal, `upper` the directory that holds exactly what it wrote.

    `mounts` are the paths in it where something else is mounted (volumes, directories of the host): not part of the layer.
    """

    id: str
    name: str
    image_id: str
    upper: Path
    mounts: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return its name, or the first digits of its id."""
        return self.name or self.id[:12]


def own_layer(container: Container, image: Image) -> DirectoryReader:
    """Return a reader of what the container wrote. Raises StorageUnreadable where this user may not read it."""
    if not may_read(container.upper):
        where = escape(str(container.upper))
        raise StorageUnreadable(
            f"{where}, what container {escape(container.title)} wrote, does not exist, or this user may not read it"
        )
    lowers = [layer.reader.directory for layer in reversed(image.layers) if isinstance(layer.reader, TarSplitReader)]
    return DirectoryReader(container.upper, tuple(lowers))


def with_own_layer(image: Image, container: Container, reader: LayerReader, *, reference: str) -> Image:
    """Return `image` with the container's own layer on top, which is read when the image is; it gets the next layer number."""
    layer = StoredLayer(
        number=len(image.layers) + 1,
        digest=None,
        diff_id=None,
        chain_id=None,
        media_type=DOCKER_LAYER,
        history=HistoryStep(created_by=f"container {container.title} (writable layer)"),
        reader=reader,
    )
    layers, problems = (*image.layers, layer), (*image.problems, *_mount_notes(container))
    return replace(image, reference=reference, name="", layers=layers, problems=problems)


def _mount_notes(container: Container) -> list[Problem]:
    if not container.mounts:
        return []
    mounts = ", ".join(escape(mount) for mount in container.mounts)
    return [Problem(0, b"", f"mounted in the container and not part of its layer: {mounts}")]


def upper_directory(root: Path, driver: str, layer: str) -> Path:
    """Return the directory where a storage driver keeps what a container wrote. Raises StorageUnreadable."""
    if driver not in UPPER:
        raise StorageUnreadable(f"storage driver {escape(driver)} keeps no layer of a container's own")
    return root / UPPER[driver].format(plain_id(layer, "the id of a container's layer"))


def pick_container(wanted: str, names: Mapping[str, tuple[str, ...]], place: str) -> str:
    """Return the id of the container with that name or id prefix. `names` are by id. Raises NotFound and AmbiguousImage."""
    named = [each for each, own in names.items() if wanted in own]
    found = named or [each for each in names if wanted and each.startswith(wanted)]
    if len(found) > 1:
        listed = ", ".join(sorted(each[:12] for each in found))
        raise AmbiguousImage(f"{place} has {len(found)} containers '{escape(wanted)}': {listed}")
    if not found:
        raise NotFound(f"{place} has no container '{escape(wanted[:200])}'")
    return found[0]
