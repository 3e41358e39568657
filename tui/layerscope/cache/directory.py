"""The cache's directory and the names of its files.

Only files of this program are read or removed; they are written completely or not at all, and limited in total size.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from layerscope.atomic import replace_file
from layerscope.oci.digest import Digest

TEMPORARY = ".new-"
ABANDONED = 3600
"""Seconds after which a file that was never finished is taken for a dead process's."""
TOUCHED = 3600
"""Seconds after which a file's time of last use is updated when it is read; before that it is left."""
OTHERS = stat.S_IWGRP | stat.S_IWOTH
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
STORED = "stored"
"""The file ending of tables that were read from stored bytes, whose fingerprint must match."""
PROVED = "proved"
"""The file ending of tables that were read from a registry's blob, all of which hashed to the digest in the file's name."""
CLAIMED = "claimed"
"""The file ending of tables that were read from parts of a registry's blob, which prove nothing.

The digest in the file's name is of the place and the blob: what one repository says of a blob stands for no other one's.
"""
WINDOWS = "windows"
"""The file ending of places to restart gzip at, in a registry's blob that hashed to the digest in the file's name. They hold
contents of the layer, and are stored only if a setting says so.
"""
IMAGE = "image"
"""The file ending of notes about an engine's image."""
DOCUMENT = "document"
"""The file ending of a manifest, index or config of a registry's image; the file is the document itself."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the cache: its size in bytes, and when it was last used, in seconds since 1970 (rounded to the hour)."""

    name: str
    size: int
    used: float

    @property
    def is_image(self) -> bool:
        """Tell whether the file is about an image (a note or a document)."""
        return self.name.endswith((f".{IMAGE}", f".{DOCUMENT}"))

    @property
    def is_windows(self) -> bool:
        """Tell whether the file holds windows: contents of a layer."""
        return self.name.endswith(f".{WINDOWS}")


def why_not(directory: Path) -> str:
    """Say why nothing can be stored in this directory, as the end of a sentence; empty where it is usable or can be created."""
    if not directory.is_absolute():
        return "there is no home directory"
    try:
        found = directory.stat()
    except FileNotFoundError:
        return _why_not_made(directory)
    except OSError as error:
        return f"it cannot be accessed ({error.strerror})"
    return _why_not_used(found) or ("" if os.access(directory, os.W_OK | os.X_OK) else "it cannot be written to")


def _why_not_used(found: os.stat_result) -> str:
    if not stat.S_ISDIR(found.st_mode):
        return "it is not a directory"
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    return "others can write to it" if found.st_mode & OTHERS else ""


def _why_not_made(directory: Path) -> str:
    """Say why a missing directory cannot be created; empty if it can.

    Root does not create one in another user's home, where that user could not use it.
    """
    for parent in directory.parents:
        with suppress(FileNotFoundError):
            found = parent.stat()
            if os.geteuid() == 0 and found.st_uid != 0:
                return f"{parent} belongs to another user"
            return "" if os.access(parent, os.W_OK | os.X_OK) else f"{parent} cannot be written to"
    return "none of its parent directories exists"


def read(directory: Path, name: str) -> bytes | None:
    """Read a file that only this user can write, and mark it as used now; None where there is none."""
    try:
        descriptor = os.open(directory / name, _READ)
    except OSError:
        return None
    with suppress(OSError), os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & OTHERS:
            if time.time() - found.st_mtime > TOUCHED:
                os.utime(descriptor)
            return file.read()
    return None


def write(directory: Path, name: str, data: bytes) -> None:
    """Replace a file completely, readable by this user alone. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(directory / name, data, mode=0o600, prefix=TEMPORARY)


def remove(directory: Path, name: str) -> bool:
    """Remove a file if possible; return whether it was removed."""
    try:
        (directory / name).unlink()
    except OSError:
        return False
    return True


def kept_files(directory: Path) -> list[KeptFile]:
    """List every file of the cache, least recently used first; nothing if the directory cannot be read."""
    found = [
        KeptFile(entry.name, status.st_size, status.st_mtime) for entry, status in _files(directory) if is_name(entry.name)
    ]
    return sorted(found, key=lambda file: (file.used, file.name))


def make_room(directory: Path, limit: int) -> None:
    """Remove leftovers of dead processes, and the least recently used files until the rest takes at most `limit` bytes."""
    files = kept_files(directory)
    total = sum(file.size for file in files)
    for file in files:
        if total <= limit:
            break
        remove(directory, file.name)
        total -= file.size
    remove_unfinished(directory, ABANDONED)


def remove_unfinished(directory: Path, age: float) -> None:
    """Remove temporary files that were last written to at least `age` seconds ago."""
    before = time.time() - age
    for entry, status in _files(directory):
        if entry.name.startswith(TEMPORARY) and status.st_mtime <= before:
            remove(directory, entry.name)


def _files(directory: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """Yield the regular files in the directory, never following a symlink; files that vanish meanwhile are left out."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    yield entry, entry.stat(follow_symlinks=False)


class IdKind(StrEnum):
    """Kinds of values in the column `content_id`. Ids of two kinds cannot be compared."""

    NONE = "none"
    XXH3 = "xxh3"
    CRC64 = "crc64"


_NAME = re.compile(
    rf"sha(?:256-[0-9a-f]{{64}}|512-[0-9a-f]{{128}})\.(?:{STORED}|{PROVED}|{CLAIMED}|{WINDOWS}|{IMAGE}|{DOCUMENT}|{'|'.join(IdKind)})"
)


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What a cached file is named after: a digest and an ending. Only sha256 and sha512 are used: engines check no others."""

    digest: Digest
    ending: str

    @property
    def name(self) -> str:
        """Return the file name; empty for digests that are not cached."""
        name = f"{self.digest.replace(':', '-')}.{self.ending}"
        return name if is_name(name) else ""


def is_name(name: str) -> bool:
    """Tell whether a file of this name belongs to the cache."""
    return _NAME.fullmatch(name) is not None
