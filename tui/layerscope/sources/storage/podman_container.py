"""Podman's containers, read in place (containers/storage `containers.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from layerscope.sources.storage.container import Container, pick_container, upper_directory
from layerscope.sources.storage.containers_store import ContainersStore, stores_at
from layerscope.sources.storage.unreadable import StorageUnreadable, is_there, plain_id, read_json


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
