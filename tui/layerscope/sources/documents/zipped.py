"""Zip archives, in which CI systems store artifacts: uncompressed members are memory-mapped, compressed ones copied out."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property

from layerscope.errors import CorruptLayer, NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.compression import unpacked_limit
from layerscope.layers.tar.names import normalize
from layerscope.progress import Progress
from layerscope.sources.documents.files import raw_name
from layerscope.sources.spool import CHUNK, spool
from layerscope.text import escape

MOST_MEMBERS = 100_000
LARGEST_DIRECTORY = 64 << 20
MOST_EXTRA_WORK = 20_000_000_000
"""The largest accepted sum of the squared lengths of all extra fields, which zipfile reads in 0.2 s. Of 100,000 real members it
is under 200 million.
"""
_CENTRAL = b"PK\x01\x02"
_LOCAL_HEADER = 30
"""Bytes of a member's header before its name (APPNOTE 4.3.7); the last four are the lengths of the name and the extra field."""
_BAD = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""Exceptions of the standard library for damage, encryption and unsupported compressions."""


def check_directory(tail: bytes) -> None:
    """Raise ValueError for a zip whose directory would take too long to read, judging by the archive's end.

    zipfile reads all of it at once, and an entry's extra fields in time that grows with the square of their length. `tail` is
    the whole archive or its last LARGEST_DIRECTORY bytes and a little more.
    """
    end = tail.rfind(b"PK\x05\x06")
    wide = tail.rfind(b"PK\x06\x06", 0, max(end, 0))
    sizes = (tail[end + 12 : end + 16] if end >= 0 else b"", tail[wide + 40 : wide + 48] if wide >= 0 else b"")
    largest = max(int.from_bytes(size, "little") for size in sizes if size != b"\xff" * 4)
    if largest > LARGEST_DIRECTORY:
        raise ValueError(f"its directory is larger than {LARGEST_DIRECTORY >> 20} MiB")
    if tail.count(_CENTRAL) > MOST_MEMBERS:
        raise ValueError(f"more than {MOST_MEMBERS:,} members")
    work, at = 0, tail.find(_CENTRAL)
    while at >= 0:
        work += int.from_bytes(tail[at + 30 : at + 32], "little") ** 2
        at = tail.find(_CENTRAL, at + 4)
    if work > MOST_EXTRA_WORK:
        raise ValueError("its directory has more extra fields than any real one")


class ZipArchive:
    """The members of a zip archive, as `Files`. Links in it are not followed."""

    def __init__(self, place: str, blob: Blob, progress: Progress) -> None:
        self.place, self.damage = place, ""
        self._blob, self._progress = blob, progress

    def has(self, name: str) -> bool:
        return normalize(raw_name(name)) in self._members

    def names(self) -> list[bytes]:
        return list(self._members)

    def blob(self, name: str) -> Blob:
        """Return a member's bytes. Raises CorruptLayer for a damaged member, and CannotWrite without room to copy it."""
        shown, member = escape(name), self._members.get(normalize(raw_name(name)))
        if member is None:
            raise NotFound(f"{shown} is missing")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise NotFound(f"{shown} is a link, which is not followed in a zip archive; unpack it first")
        if member.file_size > unpacked_limit(member.compress_size):
            raise NotFound(f"{shown} unpacks to {member.file_size} bytes (set LAYERSCOPE_MAX_UNPACKED to allow that)")
        if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
            return self._mapped(member)
        return spool(self._pieces(member, shown), f"{self.place}: {shown}", f"unpacking {shown}", self._progress)

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        tail = min(self._blob.size, LARGEST_DIRECTORY + (1 << 20))
        try:
            check_directory(self._blob.read(self._blob.size - tail, tail))
            return zipfile.ZipFile(io.BufferedReader(_BlobFile(self._blob)))
        except _BAD as error:
            raise CorruptLayer(f"{self.place} is a damaged or absurd zip archive: {escape(str(error))}") from error

    @cached_property
    def _members(self) -> dict[bytes, zipfile.ZipInfo]:
        return {normalize(raw_name(each.filename)): each for each in self._zip.infolist() if not each.is_dir()}

    def _mapped(self, member: zipfile.ZipInfo) -> Blob:
        header = self._blob.read(member.header_offset, _LOCAL_HEADER)
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        return self._blob.region(member.header_offset + _LOCAL_HEADER + lengths, member.file_size)

    def _pieces(self, member: zipfile.ZipInfo, shown: str) -> Iterator[bytes]:
        try:
            with self._zip.open(member) as file:
                while piece := file.read(CHUNK):
                    yield piece
        except _BAD as error:
            raise CorruptLayer(f"{self.place}: {shown} cannot be unpacked: {escape(str(error))}") from error


class _BlobFile(io.RawIOBase):
    """A blob as the seekable file that zipfile needs."""

    def __init__(self, blob: Blob) -> None:
        super().__init__()
        self._blob, self._offset = blob, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._offset = offset + (0, self._offset, self._blob.size)[whence]
        if self._offset < 0:
            raise ValueError("negative offset")
        return self._offset

    def tell(self) -> int:
        return self._offset

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._blob.read(self._offset, len(buffer))
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)
