"""The files of an image by name, whether they are in a directory or in a tar."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, TypeVar

from layerscope.errors import NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.tar.names import normalize
from layerscope.oci.digest import Digest
from layerscope.oci.documents import MAX_DOCUMENT, Descriptor, decode
from layerscope.text import escape

T = TypeVar("T")


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
                return Blob.of_open_file(file)
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
    """Return the name under which a layout keeps content (OCI image-spec `image-layout.md`, Blobs)."""
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def read_document(files: Files, name: str) -> bytes:
    """Read a JSON document, only as far as `decode` accepts. Raises NotFound with a whole sentence."""
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
    """Return the damage that may explain why something is missing, to end a sentence with."""
    return f"; the archive is damaged ({files.damage})" if files.damage else ""
