"""Careful reading of files in an engine's storage, which may belong to anyone, be half-written, or vanish."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from layerscope.errors import BadDocument, LayerscopeError
from layerscope.oci.documents import MAX_DOCUMENT, Config, decode
from layerscope.text import escape

T = TypeVar("T")

MAX_DATABASE = 256 << 20
"""The longest list of layers or images read, in bytes; an engine with 10,000 images takes 20 MiB."""
_ID = re.compile("[0-9A-Za-z_-]{1,128}")
"""An id: mostly hexadecimal; BuildKit gives what it builds ids of its own form."""
NO_STORAGE = "LAYERSCOPE_NO_STORAGE"
"""The environment variable that makes engines export their images even if their storage could be read."""


class StorageUnreadable(LayerscopeError):
    """An engine's storage cannot be read here (no permission, another format); its API may still have the content."""


def read_bytes(path: Path, limit: int = MAX_DOCUMENT + 1) -> bytes:
    """Return the first `limit` bytes of a file. Raises StorageUnreadable."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise StorageUnreadable(f"{escape(str(path))} cannot be read: {error.strerror}") from error


def read_word(path: Path) -> str:
    """Return the content of a file that holds one word, such as an id; empty if it cannot be read."""
    try:
        return read_bytes(path, 4096).decode("utf-8", "replace").strip()
    except StorageUnreadable:
        return ""


def read_json(path: Path, document: type[T]) -> T:
    """Decode a JSON file of the engine's own. Raises StorageUnreadable, also when it is damaged."""
    raw = read_bytes(path, MAX_DATABASE + 1)
    if len(raw) > MAX_DATABASE:
        raise StorageUnreadable(f"{escape(str(path))} is longer than {MAX_DATABASE >> 20} MiB")
    try:
        return msgspec.json.decode(raw, type=document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StorageUnreadable(f"{escape(str(path))} is damaged: {escape(str(error))}") from error


def read_config(path: Path) -> tuple[Config, bytes]:
    """Return an image's config, decoded and as bytes. Raises StorageUnreadable."""
    raw = read_bytes(path)
    try:
        return decode(raw, Config, what=escape(str(path))), raw
    except BadDocument as error:
        raise StorageUnreadable(str(error)) from error


def plain_id(text: str, what: str) -> str:
    """Return `text` if it is an id that may be a file name. Raises StorageUnreadable."""
    if not _ID.fullmatch(text):
        raise StorageUnreadable(f"'{escape(text[:100])}' is not {what}")
    return text


def names_in(directory: Path) -> Iterator[str]:
    """Return the names in a directory; none if it cannot be read."""
    try:
        yield from sorted(path.name for path in directory.iterdir())
    except OSError:
        return


def may_read(path: Path) -> bool:
    """Tell whether a file or directory exists and may be read."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def is_there(path: Path) -> bool:
    """Tell whether `path` exists and may be accessed."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def may_read_storage() -> bool:
    """Tell whether engines' storage may be read: the user has not set LAYERSCOPE_NO_STORAGE."""
    return not os.environ.get(NO_STORAGE)
