"""A directory on disk to write into: no name and no link, of the image or already on disk, leads out of it."""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType

from layerscope.text import escape

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NO_HARD_LINK = {errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS}
"""Error numbers of file systems that cannot make a hard link."""
MAX_OPEN = 200
"""Directories kept open: a tree is written nearly in its own order, so that most are found open."""


class Destination:
    """A directory to write into; no path and no link leads out of it.

    Paths are relative to the directory, as bytes without `.` and `..`; the empty path is the directory itself.

    Every component is opened by itself and never through a link, so a link that is put there meanwhile is not followed either,
    and a path may be longer than PATH_MAX. All methods raise OSError.
    """

    def __init__(self, root: Path) -> None:
        self._place = os.fsencode(root)
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: OrderedDict[bytes, int] = OrderedDict()
        self._numbers = count()

    def __enter__(self) -> Destination:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while self._open:
            os.close(self._open.popitem()[1])
        os.close(self._root)

    @property
    def longest_name(self) -> int:
        """Return the bytes of the longest name that can be written here."""
        return os.fpathconf(self._root, "PC_NAME_MAX")

    def shown(self, path: bytes) -> str:
        """Return a path below this directory for display: the directory as the user wrote it, the rest escaped."""
        return escape(os.path.join(self._place, path) if path else self._place)  # noqa: PTH118  pathlib knows no bytes

    def status(self, path: bytes) -> os.stat_result | None:
        """Return the status of `path` without following a link; None when nothing is there."""
        if not path:
            return os.fstat(self._root)
        directory, name = split(path)
        try:
            return os.stat(name, dir_fd=self.directory(directory), follow_symlinks=False)
        except FileNotFoundError:
            return None

    def has_directory(self, path: bytes) -> bool:
        """Tell whether `path` is a real directory, not a link to one."""
        status = self.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def directory(self, path: bytes) -> int:
        """Return a descriptor of an existing directory. This object owns it and keeps it open at least until the next call."""
        parts = path.split(b"/") if path else []
        known = len(parts)
        while known and b"/".join(parts[:known]) not in self._open:
            known -= 1
        found = self._root
        for depth in range(max(known, 1), len(parts) + 1):
            found = self._opened(b"/".join(parts[:depth]), parts[depth - 1], found)
        return found

    def _opened(self, path: bytes, name: bytes, parent: int) -> int:
        found = self._open.get(path)
        if found is None:
            found = self._open[path] = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
            while len(self._open) > MAX_OPEN:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(path)
        return found

    def make_directory(self, path: bytes) -> None:
        """Create a directory that only this user may access until it is finished."""
        directory, name = split(path)
        os.mkdir(name, 0o700, dir_fd=self.directory(directory))

    @contextmanager
    def new(self, path: bytes, *, overwrite: bool) -> Iterator[tuple[bytes, int]]:
        """Yield a temporary name next to `path`, and its directory's descriptor.

        What was made under that name becomes `path` when all went well, else nothing of it stays. Raises FileExistsError when
        `path` exists, perhaps since just now, and is not to be overwritten; a directory is never overwritten.
        """
        parent, name = split(path)
        directory = os.dup(self.directory(parent))
        temporary = b".layerscope-%d-%d" % (os.getpid(), next(self._numbers))
        try:
            yield temporary, directory
            if overwrite:
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            else:
                self._rename_to_free(temporary, path, directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise
        finally:
            os.close(directory)

    def _rename_to_free(self, temporary: bytes, path: bytes, directory: int) -> None:
        """Rename `temporary` to `path`, replacing nothing: hard-link the new name, which fails if it exists, and drop the old.

        Where the file system has no hard links, a file that appears between the check and the renaming is replaced.
        """
        name = split(path)[1]
        try:
            os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_HARD_LINK:
                raise
        else:
            os.unlink(temporary, dir_fd=directory)
            return
        if self.status(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


def split(path: bytes) -> tuple[bytes, bytes]:
    """Split a path into its directory and last component."""
    directory, _, name = path.rpartition(b"/")
    return directory, name
