"""Opens files below a directory that others write to: no link leads out of it, and only regular files are opened."""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from pathlib import Path
from types import TracebackType

MAX_LINKS = 40
"""Symlinks followed in one path, as Linux has it."""
KEPT_OPEN = 32
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PLACE = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC
"""Linux alone has O_PATH, and engines' directories are on Linux alone: elsewhere this is only imported."""


class RootedDirectory:
    """A context manager, for one thread, that opens files below `root` and nothing outside.

    Each name of a path is opened by itself, in the directory before it; a symlink among a file's parents leads where it would
    if `root` were `/`. A few directories stay open for the next file.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: OrderedDict[tuple[bytes, ...], int] = OrderedDict()

    def __enter__(self) -> RootedDirectory:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def file(self, path: bytes) -> int:
        """Return a descriptor of the regular file at `path`, which the caller closes.

        Raises OSError: ENOENT when it is missing, EISDIR for anything but a file. A device or FIFO is never opened.
        """
        names = tuple(path.split(b"/"))
        place = os.open(names[-1], PLACE, dir_fd=self.directory(names[:-1]))
        try:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                raise OSError(errno.EISDIR, "it is not a file")
            return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(place)

    def has_file(self, path: bytes) -> bool:
        """Tell whether there is a readable regular file at `path`."""
        try:
            os.close(self.file(path))
        except OSError:
            return False
        return True

    def directory(self, names: tuple[bytes, ...]) -> int:
        """Return a descriptor of the directory at `names`, which this object keeps and closes. Raises OSError."""
        found = self._open.get(names)
        if found is None:
            found = self._open[names] = _walk(self._root, names)
        self._open.move_to_end(names)
        while len(self._open) > KEPT_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return found


def _walk(root: Path, names: tuple[bytes, ...]) -> int:
    todo = list(reversed(names))
    opened = [os.open(root, DIRECTORY)]
    links = 0
    try:
        while todo:
            name = todo.pop()
            if name == b"..":
                _drop(opened, max(len(opened) - 1, 1))
            elif (link := _enter(opened, name)) is not None:
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                _drop(opened, 1 if link.startswith(b"/") else len(opened))
                todo += reversed(link.split(b"/"))
        return opened.pop()
    finally:
        _drop(opened, 0)


def _enter(opened: list[int], name: bytes) -> bytes | None:
    """Open the directory `name` in the last of `opened`, or return the target if it is a symlink."""
    if name in (b"", b"."):
        return None
    try:
        opened.append(os.open(name, DIRECTORY, dir_fd=opened[-1]))
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        try:
            return os.readlink(name, dir_fd=opened[-1])
        except OSError:
            raise error from None
    return None


def _drop(opened: list[int], keep: int) -> None:
    while len(opened) > keep:
        os.close(opened.pop())
