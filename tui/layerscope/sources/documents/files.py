"""The files of an image by name, whether they are in a directory or in a tar."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Protocol, TypeVar

from layerscope.errors import NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.readers.blob import read_plain
from layerscope.layers.table import Kind, LayerTable
from layerscope.layers.tar.names import normalize
from layerscope.oci.digest import Digest
from layerscope.oci.documents import MAX_DOCUMENT, Descriptor, decode
from layerscope.text import escape

T = TypeVar("T")
MAX_HOPS = 16
"""The most links in a row that are followed from one name; `docker save` before version 25 wrote single links."""


class Files(Protocol):
    """Files below one root. Names are relative to it and come from the image, so they may be anything: none leads out of the
    root.
    """

    @property
    def place(self) -> str:
        """Return what messages call the root; escaped, and suitable to begin a sentence."""
        ...

    @property
    def damage(self) -> str:
        """Return why files may be missing at the end, as part of a sentence; empty when nothing is damaged."""
        ...

    def has(self, name: str) -> bool:
        """Tell whether `blob(name)` would find a file."""
        ...

    def blob(self, name: str) -> Blob:
        """Return the bytes of a file. Raises NotFound with a sentence that begins with the name, escaped, not with the
        place.
        """
        ...

    def names(self) -> list[bytes]:
        """List names from which to guess what this is if it is not an image: all members of a tar, the top level of a
        directory.
        """
        ...


class Directory:
    """Files below a directory of the file system. Links that lead out of it are not followed."""

    def __init__(self, root: Path, place: str) -> None:
        self.place = place
        self.damage = ""
        self._root = Path(os.path.realpath(root))

    def has(self, name: str) -> bool:
        try:
            self._real(name)
        except NotFound:
            return False
        return True

    def blob(self, name: str) -> Blob:
        try:
            with self._real(name).open("rb") as file:
                return Blob.of_open_file(file, escape(name))
        except OSError as error:
            raise NotFound(f"{escape(name)} cannot be read: {error.strerror}") from error

    def names(self) -> list[bytes]:
        try:
            return sorted(os.fsencode(path.name) for path in self._root.iterdir())
        except OSError as error:
            raise NotFound(f"{self.place} cannot be read: {error.strerror}") from error

    def _real(self, name: str) -> Path:
        """Return the regular file behind `name`, once all links are followed. Raises NotFound."""
        shown = escape(name)
        relative = normalize(raw_name(name))
        if b"\0" in relative:
            raise NotFound(f"{shown} is missing")
        try:
            real = Path(os.path.realpath(self._root / os.fsdecode(relative), strict=True))
        except OSError as error:
            raise NotFound(f"{shown} is missing ({error.strerror})") from error
        if not real.is_relative_to(self._root):
            raise NotFound(f"{shown} is a link that leaves the directory; it is not followed")
        if not real.is_file():
            raise NotFound(f"{shown} is not a file")
        return real


def raw_name(name: str) -> bytes:
    """Convert a name from a JSON document to the bytes that a tar or a file system has."""
    return name.encode("utf-8", "surrogatepass")


def blob_name(digest: Digest) -> str:
    """Return the name of the file in which a layout keeps the blob of that digest (OCI image-spec `image-layout.md`, Blobs)."""
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def read_document(files: Files, name: str) -> bytes:
    """Read a JSON document, at most one byte more than `decode` accepts. Raises NotFound with a whole sentence."""
    try:
        return files.blob(name).read(0, MAX_DOCUMENT + 1)
    except NotFound as error:
        raise NotFound(f"{files.place}: {error}{because(files)}") from error


def read_content(files: Files, descriptor: Descriptor) -> bytes:
    """Read a document by its digest; the descriptor itself may embed its bytes (OCI image-spec `descriptor.md`, `data`)."""
    if descriptor.data and descriptor.digest.matches(descriptor.data):
        return descriptor.data
    return read_document(files, blob_name(descriptor.digest))


def decode_document(files: Files, name: str, document: type[T]) -> T:
    """Read and decode a JSON document. Raises NotFound and BadDocument with whole sentences."""
    return decode(read_document(files, name), document, what=f"{files.place}: {escape(name)}")


def because(files: Files) -> str:
    """Return a clause to end a sentence about a missing file with: that the archive is damaged; empty if it is not."""
    return f"; the archive is damaged ({files.damage})" if files.damage else ""


class Archive:
    """The members of an uncompressed tar, as `Files`. Of several members with one name the last counts, as in tar(1).

    `stored` is the tar as it was given, which may be compressed.
    """

    def __init__(self, place: str, blob: Blob, table: LayerTable, stored: Blob | None = None) -> None:
        self.place = place
        self.stored = stored or blob
        self._blob = blob
        self._table = table
        self._rows = {path: row for row, path in enumerate(table.entries.paths.tolist())}

    @classmethod
    def of(cls, place: str, blob: Blob, *, stored: Blob | None = None) -> Archive:
        """Index the tar in `blob`. A damaged tar is indexed up to its damage."""
        return cls(place, blob, read_plain(blob), stored)

    @property
    def damage(self) -> str:
        return next((problem.text for problem in self._table.problems if problem.is_fatal), "")

    @property
    def has_whiteouts(self) -> bool:
        """Tell whether this tar has whiteouts, which only layers have."""
        return bool(self._table.whiteouts or self._table.opaques)

    def has(self, name: str) -> bool:
        try:
            self._row(name)
        except NotFound:
            return False
        return True

    def blob(self, name: str) -> Blob:
        row = self._row(name)
        entries = self._table.entries
        return self._blob.region(int(entries.content_offset[row]), int(entries.size[row]))

    def names(self) -> list[bytes]:
        return list(self._rows)

    def _row(self, name: str) -> int:
        """Return the entry number of the regular file behind `name`, after following links."""
        shown, path = escape(name), normalize(raw_name(name))
        for _ in range(MAX_HOPS):
            row = self._rows.get(path)
            if row is None:
                raise NotFound(f"{shown} is missing")
            kind = self._table.entries.kind[row]
            if kind not in (Kind.SYMLINK, Kind.HARDLINK):
                return self._plain_file(row, shown)
            target = self._table.entries.links[row]
            path = target if kind == Kind.HARDLINK else normalize(posixpath.join(posixpath.dirname(path), target))
        raise NotFound(f"{shown} is a broken link")

    def _plain_file(self, row: int, shown: str) -> int:
        if self._table.entries.kind[row] != Kind.FILE:
            raise NotFound(f"{shown} is not a file")
        if row in self._table.sparse:
            raise NotFound(f"{shown} is stored as a sparse file; write the archive again without --sparse")
        return row
