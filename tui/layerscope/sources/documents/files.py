"""The files of an image, by name, wherever they are: in a directory or in a tar."""

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
    """Files below one root. Names are relative to it and as an image has them, so anything: no name leads out of the root."""

    @property
    def place(self) -> str:
        """What the user calls the root; escaped, to start a sentence with."""
        ...

    @property
    def damage(self) -> str:
        """Why files may be missing at the end, as part of a sentence; empty when all is well."""
        ...

    def has(self, name: str) -> bool:
        """True when `blob(name)` would find something."""
        ...

    def blob(self, name: str) -> Blob:
        """The bytes of a file. Raises NotFound with a sentence that starts with the name, escaped, and not with the place."""
        ...

    def names(self) -> list[bytes]:
        """What there is, to tell what this is if it is no image: all members of a tar, the first level of a directory."""
        ...


class Directory:
    """Files below a directory of the file system. Links that leave it are not followed."""

    def __init__(self, root: Path, place: str) -> None:
        self.place = place
        self.damage = ""
        self._root = Path(os.path.realpath(root))

    def has(self, name: str) -> bool:
        """See Files."""
        try:
            self._real(name)
        except NotFound:
            return False
        return True

    def blob(self, name: str) -> Blob:
        """See Files."""
        try:
            with self._real(name).open("rb") as file:
                return Blob.of_open_file(file)
        except OSError as error:
            raise NotFound(f"{escape(name)} cannot be read: {error.strerror}") from error

    def names(self) -> list[bytes]:
        """See Files."""
        try:
            return sorted(os.fsencode(path.name) for path in self._root.iterdir())
        except OSError as error:
            raise NotFound(f"{self.place} cannot be read: {error.strerror}") from error

    def _real(self, name: str) -> Path:
        """The regular file behind `name`, once all links are followed. Raises NotFound."""
        shown = escape(name)
        relative = normalize(raw_name(name))
        if b"\0" in relative:
            raise NotFound(f"{shown} is not there")
        try:
            real = Path(os.path.realpath(self._root / os.fsdecode(relative), strict=True))
        except OSError as error:
            raise NotFound(f"{shown} is not there ({error.strerror})") from error
        if not real.is_relative_to(self._root):
            raise NotFound(f"{shown} is a link that leaves the directory; it is not followed")
        if not real.is_file():
            raise NotFound(f"{shown} is not a file")
        return real


def raw_name(name: str) -> bytes:
    """A name from a JSON document as the bytes that a tar or a file system has."""
    return name.encode("utf-8", "surrogatepass")


def blob_name(digest: Digest) -> str:
    """Where a layout keeps content (OCI image-spec `image-layout.md`, Blobs)."""
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def read_document(files: Files, name: str) -> bytes:
    """A JSON document's bytes, cut where `decode` will refuse it anyway. Raises NotFound with a whole sentence."""
    try:
        return files.blob(name).read(0, MAX_DOCUMENT + 1)
    except NotFound as error:
        raise NotFound(f"{files.place}: {error}{because(files)}") from error


def read_content(files: Files, descriptor: Descriptor) -> bytes:
    """A document's bytes by its digest; the descriptor itself may embed them (OCI image-spec `descriptor.md`, `data`)."""
    if descriptor.data and descriptor.digest.matches(descriptor.data):
        return descriptor.data
    return read_document(files, blob_name(descriptor.digest))


def decode_document(files: Files, name: str, document: type[T]) -> T:
    """Read and decode a JSON document. Raises NotFound and BadDocument with whole sentences."""
    return decode(read_document(files, name), document, what=f"{files.place}: {escape(name)}")


def because(files: Files) -> str:
    """The damage that may be why something is missing, to end a sentence with."""
    return f"; the archive is damaged ({files.damage})" if files.damage else ""
