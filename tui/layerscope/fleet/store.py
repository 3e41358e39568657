"""Where a fleet's results are kept, for all workers: a directory, or any address that fsspec opens (`s3://…`, `gs://…`)."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from layerscope.atomic import replace_file
from layerscope.cache.directory import ABANDONED, TEMPORARY, remove_unfinished
from layerscope.errors import CannotWrite, UsageError
from layerscope.text import escape

LONGEST = 1 << 30
"""Bytes of a file that is read: the table of a layer of a million entries takes 150 MB."""


class ResultStore(Protocol):
    """Keeps files by name. A file is written whole or not at all; what cannot be read is missing."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Keep a file. Raises CannotWrite."""


@lru_cache(maxsize=4)
def open_store(place: str) -> ResultStore:
    """Open the place that the user named. Raises UsageError, CannotWrite."""
    if is_address(place):
        return FsspecStore(place)
    path = Path(place)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"--cache {escape(place)}: {error.strerror}") from error
    for directory in path.glob("*/"):
        remove_unfinished(directory, ABANDONED)
    return DirectoryStore(path.absolute())


def is_address(place: str) -> bool:
    """Tell whether a place is for fsspec to open, and no directory."""
    return "://" in place or "::" in place


class DirectoryStore:
    """A directory, perhaps one that several machines share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> bytes | None:
        path = self._directory / name
        try:
            with path.open("rb") as file:
                data = file.read(LONGEST + 1)
        except OSError:
            return None
        return data if len(data) <= LONGEST else None

    def write(self, name: str, data: bytes) -> None:
        path = self._directory / name
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            replace_file(path, data, mode=0o600, prefix=TEMPORARY)
        except OSError as error:
            raise CannotWrite(f"--cache {escape(str(self._directory))}: {error.strerror}") from error


class FsspecStore:
    """What fsspec opens, with the credentials that it finds on this machine."""

    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise UsageError(f"--cache {escape(address)} needs fsspec: pip install 'layerscope[fleet]'") from error
        try:
            self._files, self._root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError, OSError) as error:
            raise UsageError(f"--cache {escape(address)}: {escape(str(error))[:300]}") from error
        self._address: str = escape(address)

    def read(self, name: str) -> bytes | None:
        with suppress(OSError, ValueError):
            data: Any = self._files.cat_file(f"{self._root}/{name}", end=LONGEST)
            return bytes(data)
        return None

    def write(self, name: str, data: bytes) -> None:
        path = f"{self._root}/{name}"
        try:
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(path, data)
        except (OSError, ValueError) as error:
            raise CannotWrite(f"--cache {self._address}: {escape(str(error))[:300]}") from error
