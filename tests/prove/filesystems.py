"""What a container sees and what an image's layers hold, read with Python's tarfile and nothing of ours."""

from __future__ import annotations

import hashlib
import json
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

_MOUNTED = ("hostname", "hosts", "mtab", "resolv.conf")
MADE_BY_ENGINE = frozenset({"/.dockerenv", "/dev/console", "/dev/pts", "/dev/shm", *(f"/etc/{name}" for name in _MOUNTED)})
"""What a container gets whatever its image holds."""
PARTS = ("kind", "mode", "owner", "target", "xattrs", "size", "content")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a container sees at one path; times are left out. Hard links are so many files."""

    kind: str
    mode: int
    owner: tuple[int, int]
    target: str | None = ""
    xattrs: tuple[tuple[str, str], ...] = ()
    size: int | None = 0
    content: str | None = ""

    def unlike(self, other: Seen) -> tuple[str, ...]:
        """Name the parts in which two differ; what is not repeatable in one (None) is not compared."""
        pairs = ((part, getattr(self, part), getattr(other, part)) for part in PARTS)
        return tuple(part for part, mine, theirs in pairs if mine != theirs and mine is not None and theirs is not None)


def seen_in(tar: Path) -> dict[str, Seen]:
    """The files of an exported container, by absolute path; the root is `/`."""
    files: dict[str, Seen] = {}
    with tarfile.open(tar, "r|") as archive:
        for member in archive:
            path = _absolute(member.name)
            if member.islnk():
                files[path] = files[_absolute(member.linkname)]
            else:
                files[path] = _seen(archive, member)
    return {path: seen for path, seen in files.items() if path not in MADE_BY_ENGINE}


def _absolute(name: str) -> str:
    return posixpath.normpath("/" + name.lstrip("/"))


def _seen(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Seen:
    kinds = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device"}
    xattrs = tuple(sorted((k, v) for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.security.capability")))
    mode = 0 if member.issym() else member.mode & 0o7777
    seen = Seen(kinds.get(member.type, "file"), mode, (member.uid, member.gid), member.linkname, xattrs)
    if not member.isreg():
        return seen
    return replace(seen, size=member.size, content=_digest(_file(archive, member)))


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo | str) -> IO[bytes]:
    reader = archive.extractfile(member)
    assert reader is not None
    return reader


def _digest(reader: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := reader.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def content_bytes(archive: Path, known: dict[str, int]) -> int:
    """Sum up the sizes of the regular files in all layers of a saved image; a hard link adds nothing.

    `known` remembers layers by the digest of their stored bytes: a base's is read once.
    """
    total = 0
    with _opened(archive) as (saved, layers):
        for name in layers:
            reader = _file(saved, name)
            digest = _digest(reader)
            if digest not in known:
                reader.seek(0)
                known[digest] = _layer_bytes(reader)
            total += known[digest]
    return total


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[tarfile.TarFile, list[str]]]:
    with tarfile.open(archive, "r:") as saved:
        yield saved, json.load(_file(saved, "manifest.json"))[0]["Layers"]


def _layer_bytes(layer: IO[bytes]) -> int:
    with tarfile.open(fileobj=layer, mode="r|*") as entries:
        return sum(entry.size for entry in entries if entry.isreg())


def layer_count(archive: Path) -> int:
    with _opened(archive) as (_, layers):
        return len(layers)


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that two containers see differently; None where one has nothing there."""

    path: str
    before: Seen | None
    after: Seen | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.path}: new"
        if self.after is None:
            return f"{self.path}: gone"
        parts = (f"{part} {_shown(self.before, part)} -> {_shown(self.after, part)}" for part in self.before.unlike(self.after))
        return f"{self.path}: {', '.join(parts)}"


def _shown(seen: Seen, part: str) -> str:
    value = getattr(seen, part)
    return oct(value) if part == "mode" else str(value)[:12] if part == "content" else str(value)


def differences(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> list[Difference]:
    """All paths that are not the same in both, sorted."""
    pairs = ((path, before.get(path), after.get(path)) for path in sorted(before.keys() | after.keys()))
    return [Difference(path, one, other) for path, one, other in pairs if one is None or other is None or one.unlike(other)]


def blurred(files: Mapping[str, Seen], again: Mapping[str, Seen]) -> dict[str, Seen]:
    """Leave open (None) the content, size and target that a second build of the same makes otherwise."""
    return {path: _blur(seen, again.get(path, seen)) for path, seen in files.items()}


def _blur(seen: Seen, other: Seen) -> Seen:
    unlike = seen.unlike(other)
    return replace(
        seen,
        content=None if "content" in unlike else seen.content,
        size=None if "size" in unlike else seen.size,
        target=None if "target" in unlike else seen.target,
    )
