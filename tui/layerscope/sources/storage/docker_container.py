"""Docker's containers, read in place (moby `container/container.go`, `layer/filestore.go`): `/var/lib/docker` and the like.

containers/ID/config.v2.json                     name, image, mounts
image/DRIVER/layerdb/mounts/ID/mount-id          the directory of its own layer
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from layerscope.sources.storage.container import Container, pick_container, upper_directory
from layerscope.sources.storage.docker import DockerStorage
from layerscope.sources.storage.unreadable import StorageUnreadable, names_in, plain_id, read_json, read_word
from layerscope.text import escape


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
