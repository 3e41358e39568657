"""The files of containers/storage, where Podman, Buildah and CRI-O store images: `/var/lib/containers/storage` and the like.

DRIVER-images/images.json        names, ids, top layers
DRIVER-images/ID/                manifest and config, under names in base64
DRIVER-layers/layers.json        parents and digests of layers; ID.tar-split.gz beside it
overlay/ID/diff, vfs/dir/ID      the files of a layer
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from layerscope.sources.storage.unreadable import (
    StorageUnreadable,
    is_there,
    may_read,
    plain_id,
    read_bytes,
    read_json,
)
from layerscope.text import escape

DIRECTORIES = {"overlay": "overlay/{}/diff", "vfs": "vfs/dir/{}"}
"""Where each storage driver keeps the files of a layer; with vfs, the files of the layers below are there, too."""
ID = "an id of containers/storage"
SYSTEM = Path("/var/lib/containers/storage")
FILES = (Path("/usr/share/containers/storage.conf"), Path("/etc/containers/storage.conf"))


class ImageRow(msgspec.Struct, frozen=True):
    """An image in `images.json`; `layer` is its top layer, empty for an image without any."""

    id: str
    names: tuple[str, ...] | None = None
    layer: str = ""


class LayerRow(msgspec.Struct, frozen=True, rename="kebab"):
    """A layer in `layers.json`; `diff_size` is the length of its unpacked tar in bytes."""

    id: str
    parent: str = ""
    diff_digest: str = ""
    diff_size: int = 0


@dataclass(frozen=True)
class ContainersStore:
    """A store and the storage driver whose images are read."""

    root: Path
    driver: str

    @property
    def images_directory(self) -> Path:
        """Return the directory of images."""
        return self.root / f"{self.driver}-images"

    @property
    def layers_directory(self) -> Path:
        """Return the directory of layers' records."""
        return self.root / f"{self.driver}-layers"

    @cached_property
    def images(self) -> dict[str, ImageRow]:
        """Return all images by id. Raises StorageUnreadable."""
        path = self.images_directory / "images.json"
        return {row.id: row for row in read_json(path, list[ImageRow])} if is_there(path) else {}

    @cached_property
    def layers(self) -> dict[str, LayerRow]:
        """Return all layers by id, including those that only containers use. Raises StorageUnreadable."""
        paths = [self.layers_directory / name for name in ("layers.json", "volatile-layers.json")]
        return {row.id: row for path in paths if is_there(path) for row in read_json(path, list[LayerRow])}

    def directory(self, layer: str) -> Path:
        """Return the directory with the files of a layer. Raises StorageUnreadable for an invalid id."""
        return self.root / DIRECTORIES[self.driver].format(plain_id(layer, ID))

    def record(self, layer: str) -> Path:
        """Return the path of a layer's tar-split file."""
        return self.layers_directory / f"{plain_id(layer, ID)}.tar-split.gz"


def stores_at(roots: Sequence[Path], driver: str = "") -> list[ContainersStore]:
    """Return the stores below `roots`, of that driver or all. Raises StorageUnreadable when none can be read."""
    drivers = [driver] if driver in DIRECTORIES else [] if driver else list(DIRECTORIES)
    stores = [ContainersStore(root, each) for root in roots for each in drivers]
    found = [store for store in stores if is_there(store.images_directory)]
    if found:
        return found
    places = " and ".join(escape(str(root)) for root in roots)
    if not any(map(may_read, roots)):
        raise StorageUnreadable(f"Podman's storage {places} cannot be read: it does not exist, or this user may not read it")
    raise StorageUnreadable(
        f"Podman's storage {places} has no images of a kind that is read in place ({', '.join(DIRECTORIES)})"
    )


def images_of(stores: Sequence[ContainersStore]) -> dict[str, tuple[ContainersStore, ImageRow]]:
    """Return all images by id, with the first store that has them."""
    found: dict[str, tuple[ContainersStore, ImageRow]] = {}
    for store in stores:
        for id, row in store.images.items():  # noqa: A001
            found.setdefault(id, (store, row))
    return found


def containers_roots() -> list[Path]:
    """Return the root directory of this user's own store, then those of its additional, read-only image stores.

    A configuration that cannot be read counts as none.
    """
    settings = _settings()
    options = settings.get("options")
    more = options.get("additionalimagestores") if isinstance(options, Mapping) else None
    stores = [Path(each) for each in more if isinstance(each, str)] if isinstance(more, list) else []
    return list(dict.fromkeys([_own(settings), *stores]))


def _own(settings: Mapping[str, Any]) -> Path:
    if os.geteuid() == 0:
        root = settings.get("graphroot")
        return Path(root) if isinstance(root, str) and root else SYSTEM
    root = settings.get("rootless_storage_path") or settings.get("graphroot")
    if isinstance(root, str) and root and not root.startswith(str(SYSTEM)):
        return Path(os.path.expandvars(root.replace("$UID", str(os.geteuid()))))
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "containers/storage"


def _settings() -> dict[str, Any]:
    """Return the `storage` table of the first readable configuration file: the user's, else the system's."""
    for path in _files():
        try:
            found = tomllib.loads(read_bytes(path).decode())
        except (StorageUnreadable, ValueError):
            continue
        storage = found.get("storage")
        return storage if isinstance(storage, dict) else {}
    return {}


def _files() -> Iterator[Path]:
    named = os.environ.get("CONTAINERS_STORAGE_CONF")
    if named:
        yield Path(named)
        return
    if os.geteuid() != 0:
        yield Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "containers/storage.conf"
    yield from reversed(FILES)
