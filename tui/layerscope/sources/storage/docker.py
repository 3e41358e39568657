"""Docker's classic image store, read in place (moby `image/fs.go`, `layer/filestore.go`): `/var/lib/docker` and the like.

image/DRIVER/repositories.json                names -> ids
image/DRIVER/imagedb/content/sha256/ID        the config
image/DRIVER/layerdb/sha256/CHAIN_ID/         cache-id, diff, size, tar-split.json.gz
overlay2/CACHE_ID/diff                        the files of a layer
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from layerscope.oci.digest import Digest, chain_ids
from layerscope.sources.storage.kept import KeptImage, KeptLayer, find_wanted
from layerscope.sources.storage.unreadable import (
    StorageUnreadable,
    is_there,
    may_read,
    names_in,
    plain_id,
    read_config,
    read_json,
    read_word,
)
from layerscope.text import escape

DIRECTORIES = {"overlay2": "overlay2/{}/diff", "fuse-overlayfs": "fuse-overlayfs/{}/diff", "vfs": "vfs/dir/{}"}
"""Where each storage driver keeps the files of a layer; with vfs, the files of the layers below are there, too."""
SYSTEM = Path("/var/lib/docker")


class _Repositories(msgspec.Struct, frozen=True, rename="pascal"):
    repositories: dict[str, dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class DockerStorage:
    """A data root and the storage driver whose images are read."""

    root: Path
    driver: str

    @classmethod
    def at(cls, root: Path, driver: str = "") -> DockerStorage:
        """Return the storage below `root`, of that driver or of the first one found. Raises StorageUnreadable."""
        for name in [driver] if driver else DIRECTORIES:
            if name in DIRECTORIES and is_there(root / "image" / name / "imagedb" / "content"):
                return cls(root, name)
        what = f"Docker's storage {escape(str(root))}"
        if not may_read(root):
            raise StorageUnreadable(f"{what} cannot be read: it does not exist, or this user may not read it")
        raise StorageUnreadable(f"{what} has no images of a kind that is read in place ({', '.join(DIRECTORIES)})")

    @property
    def database(self) -> Path:
        """Return the directory with the engine's metadata about images and layers."""
        return self.root / "image" / self.driver

    def directory(self, cache_id: str) -> Path:
        """Return the directory with the files of a layer. Raises StorageUnreadable for an invalid id."""
        return self.root / DIRECTORIES[self.driver].format(plain_id(cache_id, "an id of Docker's"))

    def names(self) -> dict[str, str]:
        """Return every tag, and every `NAME@DIGEST`, with the id of its image in hexadecimal. Raises StorageUnreadable."""
        path = self.database / "repositories.json"
        if not is_there(path):
            return {}
        repositories = read_json(path, _Repositories).repositories
        return {name: image.removeprefix("sha256:") for names in repositories.values() for name, image in names.items()}

    def ids(self) -> list[str]:
        """Return the ids of all images in hexadecimal, including those of the build cache."""
        return list(names_in(self.database / "imagedb/content/sha256"))

    def image(self, image_id: str, *, name: str) -> KeptImage:
        """Return one image by its id in hexadecimal. Raises StorageUnreadable."""
        config, raw = read_config(self.database / "imagedb/content/sha256" / plain_id(image_id, "an id of an image"))
        diff_ids = config.rootfs.diff_ids
        return KeptImage(
            id=Digest.parse(f"sha256:{image_id}"),
            name=name,
            config=config,
            raw_config=raw,
            layers=tuple(map(self._layer, diff_ids, chain_ids(diff_ids))),
        )

    def _layer(self, diff_id: Digest, chain_id: Digest) -> KeptLayer:
        place = self.database / "layerdb" / chain_id.algorithm / chain_id.encoded
        size = read_word(place / "size")
        return KeptLayer(
            diff_id=diff_id,
            chain_id=chain_id,
            size=int(size) if size.isdecimal() else 0,
            record=place / "tar-split.json.gz",
            directory=self.directory(read_word(place / "cache-id")),
        )


def docker_roots() -> list[Path]:
    """Return Docker's default data directories: the system's, and that of this user's rootless engine."""
    own = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "docker"
    return [SYSTEM, own]


def find_docker_image(root: Path, name_or_id: str, *, driver: str = "") -> KeptImage:
    """Find the image of that name or id in the data root `root`.

    Raises StorageUnreadable when this user may not read it or Docker stores its images in another way: then ask the API. Raises
    NotFound and AmbiguousImage for the name.
    """
    storage = DockerStorage.at(root, driver)
    wanted = find_wanted(name_or_id, storage.names(), storage.ids(), place=f"Docker's storage {escape(str(root))}")
    return storage.image(wanted.id, name=wanted.name.partition("@")[0])
