"""What `umoci unpack` makes of layers, listed from disk."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.image_builder import Layer, write_layout


@dataclass(frozen=True, slots=True)
class OnDisk:
    """One path as it lies on disk. The owner is None when only root could have set it."""

    kind: str
    mode: int
    uid: int | None
    gid: int | None
    size: int
    linkname: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """An engine's own words when it does not take an image."""

    words: str


Shown = dict[bytes, OnDisk]


def umoci_unpack(layers: list[Layer], place: Path) -> Shown:
    """Write `layers` as an OCI layout in the empty directory `place`, unpack it there, and list every path but the root."""
    found = umoci_attempt(layers, place)
    assert not isinstance(found, Refused), found
    return found


def umoci_attempt(layers: list[Layer], place: Path) -> Shown | Refused:
    """The same for layers that umoci may refuse."""
    layout = write_layout(place / "layout", *layers, tag="it")
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    command = ["umoci", "unpack", *rootless, "--image", f"{layout}:it", str(place / "bundle")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        return Refused(done.stderr)
    return listing(place / "bundle" / "rootfs")


def listing(root: Path) -> dict[bytes, OnDisk]:
    """Every path below `root`."""
    start = os.fsencode(root)
    found: dict[bytes, OnDisk] = {}
    for directory, directories, files in os.walk(start):
        for name in directories + files:
            path = os.path.join(directory, name)  # noqa: PTH118  pathlib knows no bytes
            found[os.path.relpath(path, start)] = _on_disk(path)
    return found


def _on_disk(path: bytes) -> OnDisk:
    status = os.lstat(path)
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    is_root = os.geteuid() == 0
    return OnDisk(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid if is_root else None,
        gid=status.st_gid if is_root else None,
        size=status.st_size if kind == "file" else 0,
        linkname=os.readlink(path) if kind == "symlink" else b"",  # noqa: PTH115
    )


KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}
