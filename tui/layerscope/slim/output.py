"""Where the new image goes: an archive or a layout that gets its name only when it is whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol

from layerscope.errors import CannotWrite
from layerscope.oci.digest import Digest
from layerscope.text import escape

BLOCK = 512
SHA256 = "sha256"
UNFINISHED = ".layerscope-slim-"
"""Begins the names of what is not finished."""


class Format(StrEnum):
    """The forms of an image in files, as skopeo names them."""

    DOCKER_ARCHIVE = "docker-archive"
    OCI_ARCHIVE = "oci-archive"
    OCI = "oci"


@dataclass(frozen=True, slots=True)
class WrittenBlob:
    """A blob that was written: its digest and its size in bytes."""

    digest: Digest
    size: int


class Output(Protocol):
    """Takes the parts of an image one after the other."""

    def blob(self, pieces: Iterator[bytes], algorithm: str = SHA256) -> WrittenBlob:
        """Write a blob, and name it by its digest of this `algorithm`. Raises OSError."""

    def document(self, name: str, raw: bytes) -> None:
        """Write a document under a name of its own. Raises OSError."""

    def finish(self) -> None:
        """Write what ends it, so that it can be read. Raises OSError."""


class ArchiveOutput:
    """An Output into one tar file; the same parts give the same bytes: without times and owners."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._names: set[str] = set()

    def blob(self, pieces: Iterator[bytes], algorithm: str = SHA256) -> WrittenBlob:
        start = self._file.tell()
        # A name of over 100 characters, as sha512 makes them, has a header of its own.
        self._file.write(bytes(len(_member(_place(hashlib.new(algorithm).hexdigest(), algorithm), 0))))
        written = _copied(pieces, self._file, algorithm)
        name = _place(written.digest.encoded, algorithm)
        if name in self._names:
            self._file.seek(start)
            self._file.truncate()
            return written
        self._names.add(name)
        self._file.write(bytes(-written.size % BLOCK))
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(_member(name, written.size))
        self._file.seek(end)
        return written

    def document(self, name: str, raw: bytes) -> None:
        self._file.write(_member(name, len(raw)) + raw + bytes(-len(raw) % BLOCK))

    def finish(self) -> None:
        self._file.write(bytes(2 * BLOCK))
        self._file.flush()


class LayoutOutput:
    """An Output into a directory (OCI image-spec `image-layout.md`)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def blob(self, pieces: Iterator[bytes], algorithm: str = SHA256) -> WrittenBlob:
        temporary = self._root / "unfinished"
        with temporary.open("wb") as file:
            written = _copied(pieces, file, algorithm)
        place = self._root / _place(written.digest.encoded, algorithm)
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(place)
        return written

    def document(self, name: str, raw: bytes) -> None:
        (self._root / name).write_bytes(raw)

    def finish(self) -> None:
        """Do nothing: each file is whole."""


def _copied(pieces: Iterator[bytes], file: BinaryIO, algorithm: str) -> WrittenBlob:
    hashed, size = hashlib.new(algorithm), 0
    for piece in pieces:
        hashed.update(piece)
        file.write(piece)
        size += len(piece)
    return WrittenBlob(Digest(f"{algorithm}:{hashed.hexdigest()}"), size)


def _place(encoded: str, algorithm: str) -> str:
    return f"blobs/{algorithm}/{encoded}"


def _member(name: str, size: int) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = size
    return header.tobuf(tarfile.GNU_FORMAT)


@contextmanager
def unfinished(place: Path, form: Format) -> Iterator[tuple[Output, Path]]:
    """Yield an Output beside `place`, and where it is; it gets the name `place` at the end, and is removed after any error.

    Raises CannotWrite, also for a directory at `place` that is not empty.
    """
    place = Path(os.path.abspath(place))  # noqa: PTH100 - resolve() would follow a link at the very end
    temporary = None
    try:
        if form is Format.OCI:
            temporary = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=place.parent))
            temporary.chmod(0o777 & ~_umask())
            yield LayoutOutput(temporary), temporary
            if place.is_dir():
                place.rmdir()
            temporary.rename(place)
        else:
            number, name = tempfile.mkstemp(prefix=UNFINISHED, dir=place.parent)
            temporary = Path(name)
            with os.fdopen(number, "w+b") as file:
                archive = ArchiveOutput(file)
                yield archive, temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(place)
        temporary = None
    except OSError as error:
        raise CannotWrite(f"{escape(str(place))} cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True) if temporary.is_dir() else temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
