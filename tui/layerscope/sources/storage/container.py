"""A container's own layer: where Docker and Podman store what the container wrote on top of its image.

Docker (moby `container/container.go`, `layer/filestore.go`), in `/var/lib/docker` and the like:
containers/ID/config.v2.json                     name, image, mounts
image/DRIVER/layerdb/mounts/ID/mount-id          the directory of its own layer
Podman: containers/storage `containers.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from layerscope.errors import AmbiguousImage, NotFound
from layerscope.layers.readers.overlay.reader import DirectoryReader
from layerscope.layers.readers.protocol import LayerReader
from layerscope.layers.readers.tar_split import TarSplitReader
from layerscope.layers.table import Problem
from layerscope.oci.documents import DOCKER_LAYER, HistoryStep
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.storage.containers_store import ContainersStore, stores_at
from layerscope.sources.storage.docker import DockerStorage
from layerscope.sources.storage.unreadable import (
    StorageUnreadable,
    is_there,
    may_read,
    names_in,
    plain_id,
    read_json,
    read_word,
)
from layerscope.text import escape

UPPER = {"overlay2": "overlay2/{}/diff", "fuse-overlayfs": "fuse-overlayfs/{}/diff", "overlay": "overlay/{}/diff"}
"""Where each driver keeps what a container wrote. vfs is missing: it keeps the whole tree, no layer of a container's own."""


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
    """Return the id of the container whose name is `wanted`, or whose id begins with it; `names` has the names by id.

    Raises NotFound and AmbiguousImage.
    """
    named = [each for each, own in names.items() if wanted in own]
    found = named or [each for each in names if wanted and each.startswith(wanted)]
    if len(found) > 1:
        listed = ", ".join(sorted(each[:12] for each in found))
        raise AmbiguousImage(f"{place} has {len(found)} containers '{escape(wanted)}': {listed}")
    if not found:
        raise NotFound(f"{place} has no container '{escape(wanted[:200])}'")
    return found[0]


class _Settings(msgspec.Struct, frozen=True, rename="pascal"):
    """The fields of `config.v2.json` that are used here; the name begins with a slash."""

    name: str = ""
    image: str = ""
    mount_points: dict[str, object] | None = None


def find_docker_container(root: Path, name_or_id: str, *, driver: str = "") -> Container:
    """Find the container with that name or id prefix. Raises StorageUnreadable, NotFound and AmbiguousImage."""
    storage = DockerStorage.at(root, driver)
    known = {each: _settings(root, each) for each in names_in(root / "containers")}
    names = {each: (settings.name.removeprefix("/"),) for each, settings in known.items()}
    one = pick_container(name_or_id, names, f"Docker's storage {escape(str(root))}")
    mount = read_word(storage.database / "layerdb/mounts" / plain_id(one, "a container's id") / "mount-id")
    return Container(
        id=one,
        name=names[one][0],
        image_id=known[one].image.removeprefix("sha256:"),
        upper=upper_directory(root, storage.driver, mount),
        mounts=tuple(sorted(known[one].mount_points or ())),
    )


def _settings(root: Path, container: str) -> _Settings:
    """Return a container's settings; nothing for one that is being created or removed."""
    try:
        return read_json(root / "containers" / container / "config.v2.json", _Settings)
    except StorageUnreadable:
        return _Settings()


class _ContainerRow(msgspec.Struct, frozen=True):
    """A container in `containers.json`; `layer` is its own layer."""

    id: str
    names: tuple[str, ...] | None = None
    image: str = ""
    layer: str = ""


class _Mount(msgspec.Struct, frozen=True):
    destination: str = ""
    type: str = ""


class _RuntimeSpec(msgspec.Struct, frozen=True):
    """`config.json` of a container that was started once (OCI runtime-spec)."""

    mounts: tuple[_Mount, ...] | None = None


def find_podman_container(roots: Sequence[Path], name_or_id: str, *, driver: str = "") -> Container:
    """Find the container with that name or id prefix. Raises StorageUnreadable, NotFound and AmbiguousImage."""
    rows = {row.id: (store, row) for store in stores_at(roots, driver) for row in _container_rows(store)}
    one = pick_container(name_or_id, {each: row.names or () for each, (_, row) in rows.items()}, "Podman's storage")
    store, row = rows[one]
    return Container(
        id=row.id,
        name=next(iter(row.names or ()), ""),
        image_id=row.image,
        upper=upper_directory(store.root, store.driver, row.layer),
        mounts=_mounts(store.root / f"{store.driver}-containers" / plain_id(row.id, "a container's id")),
    )


def _container_rows(store: ContainersStore) -> list[_ContainerRow]:
    place = store.root / f"{store.driver}-containers"
    paths = [place / name for name in ("containers.json", "volatile-containers.json")]
    return [row for path in paths if is_there(path) for row in read_json(path, list[_ContainerRow])]


def _mounts(place: Path) -> tuple[str, ...]:
    """Return the paths where host files are mounted, `/etc/hosts` and the like too; nothing for a container that never ran."""
    try:
        mounts = read_json(place / "userdata/config.json", _RuntimeSpec).mounts or ()
    except StorageUnreadable:
        return ()
    return tuple(sorted(mount.destination for mount in mounts if mount.type == "bind"))
