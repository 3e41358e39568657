"""Walks over a directory that holds a layer, yielding what a tar of it would contain, in the order of a tar."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from layerscope.layers.readers.overlay.markers import Xattrs
from layerscope.layers.readers.overlay.rooted import RootedDirectory

OnFailure = Callable[[bytes, OSError], None]
"""Told of a directory that cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One name below the root: its path, `lstat`, the target of a symlink, all extended attributes."""

    path: bytes
    status: os.stat_result
    target: bytes
    xattrs: Xattrs

    @property
    def is_directory(self) -> bool:
        """Tell whether it is a directory itself, not a link to one."""
        return stat.S_ISDIR(self.status.st_mode)


def walk_directory(root: Path, on_failure: OnFailure) -> Iterator[Found]:
    """Yield everything below `root`, directories before their contents, names in the order of their bytes.

    No link is followed. Files that vanish meanwhile are left out, since a container may be running. Raises OSError when `root`
    itself cannot be read.
    """
    with RootedDirectory(root) as opened:
        todo = list(reversed(_found(opened, ())))
        while todo:
            found = todo.pop()
            yield found
            if found.is_directory:
                try:
                    todo += reversed(_found(opened, tuple(found.path.split(b"/"))))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    on_failure(found.path, error)


def _found(opened: RootedDirectory, names: tuple[bytes, ...]) -> list[Found]:
    """Yield the names in one directory."""
    directory = opened.directory(names)
    with os.scandir(directory) as listing:
        present = sorted(os.fsencode(entry.name) for entry in listing)
    found = (_look(directory, b"/".join([*names, name]), name) for name in present)
    return [each for each in found if each is not None]


def _look(directory: int, path: bytes, name: bytes) -> Found | None:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        target = os.readlink(name, dir_fd=directory) if stat.S_ISLNK(found.st_mode) else b""
        return Found(path, found, target, _xattrs(b"/proc/self/fd/%d/%s" % (directory, name)))
    except FileNotFoundError:
        return None


def _xattrs(path: bytes) -> Xattrs:
    """Return the xattrs; empty if the file system has none, or if they cannot be read."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {os.fsencode(name): os.getxattr(path, name, follow_symlinks=False) for name in names}
    except FileNotFoundError:
        raise
    except OSError:
        return {}
