"""What changes when the image behind a reference is built anew: looked at again and again by those who watch it."""

from __future__ import annotations

from pathlib import Path

from layerscope.errors import LayerscopeError
from layerscope.sources.location import locate

_DOCUMENTS = ("index.json", "manifest.json", "repositories")


def fingerprint(reference: str) -> object:
    """Of a file its inode, size and time, of a directory those of the documents that name its images; None while nothing
    is there.
    """
    try:
        location = locate(reference)
        return _of_path(location.path)
    except (LayerscopeError, OSError):
        return None


def _of_path(path: Path | None) -> object:
    if path is None:
        return None
    if not path.is_dir():
        return _of_file(path)
    return tuple(_of_file(path / name) for name in _DOCUMENTS if (path / name).exists()) or None


def _of_file(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
