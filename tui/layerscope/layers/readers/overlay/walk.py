"""Walks a directory in which an engine keeps a layer, and recognizes the marks that overlayfs leaves there.

The marks are described in the Linux kernel's `filesystems/overlayfs.rst`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from layerscope.layers.readers.overlay.rooted import RootedDirectory

OnFailure = Callable[[bytes, OSError], None]
"""Called with the path of a directory that cannot be read, and the error."""
OWN_PREFIXES = (b"trusted.overlay.", b"user.overlay.")
"""Prefixes of overlayfs's extended attributes; the second for mounts in a user namespace (`userxattr`) and fuse-overlayfs."""
FUSE_PREFIX = b"user.fuseoverlayfs."
Xattrs = dict[bytes, bytes]
_TEXT_PREFIXES = tuple(prefix.decode() for prefix in OWN_PREFIXES)


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
    """Return the names in one directory, in the order of their bytes, without any that vanished meanwhile."""
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


def is_own(name: bytes) -> bool:
    """Tell whether an extended attribute is overlayfs's or fuse-overlayfs's own."""
    return name.startswith((*OWN_PREFIXES, FUSE_PREFIX))


def is_opaque(xattrs: Xattrs) -> bool:
    """Tell whether a directory is opaque: whether it hides what lower layers have in it."""
    return any(xattrs.get(prefix + b"opaque") == b"y" for prefix in (*OWN_PREFIXES, FUSE_PREFIX))


def is_whiteout(found: os.stat_result, xattrs: Xattrs) -> bool:
    """Tell whether a file is an overlayfs whiteout: a character device 0:0, or a regular file with an attribute for that."""
    if stat.S_ISCHR(found.st_mode):
        return found.st_rdev == 0
    return stat.S_ISREG(found.st_mode) and any(prefix + b"whiteout" in xattrs for prefix in OWN_PREFIXES)


def redirect_of(xattrs: Xattrs) -> bytes:
    """Return the former path of a renamed directory in the lower layers; empty for all others (`redirect_dir`)."""
    return next((xattrs[prefix + b"redirect"] for prefix in OWN_PREFIXES if prefix + b"redirect" in xattrs), b"")


def is_without_data(file: int) -> bool:
    """Tell whether an open file has only its metadata here, and its bytes in a lower layer (`metacopy`)."""
    return any(name.removeprefix(prefix) == "metacopy" for name in os.listxattr(file) for prefix in _TEXT_PREFIXES)


def lower_path(path: bytes, file: int) -> bytes:
    """Return the path in the lower layers of an open file without data: its own `path`, unless it was renamed since."""
    names = {name for name in os.listxattr(file) for prefix in _TEXT_PREFIXES if name == prefix + "redirect"}
    if not names:
        return path
    redirect = os.getxattr(file, names.pop())
    return redirect.lstrip(b"/") if redirect.startswith(b"/") else b"/".join([*path.split(b"/")[:-1], redirect])
