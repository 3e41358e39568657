"""A fingerprint that changes when the image behind a reference is rebuilt; `watch` compares it repeatedly."""

from __future__ import annotations

from pathlib import Path

from layerscope.errors import LayerscopeError
from layerscope.progress import ignore
from layerscope.sources.location import DEFAULT_ENGINE_OPTIONS, DOCUMENTS, EngineName, locate


def fingerprint(reference: str) -> object:
    """Return a file's inode, size and mtime, those of a directory's documents, or the id of an engine's image.

    None while nothing is there.
    """
    try:
        location = locate(reference)
        return _of_engine(location.engine) if location.engine else _of_path(location.path)
    except (LayerscopeError, OSError):
        return None


def _of_path(path: Path | None) -> object:
    if path is None:
        return None
    if not path.is_dir():
        return _of_file(path)
    return tuple(_of_file(path / name) for name in DOCUMENTS if (path / name).exists()) or None


def _of_file(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _of_engine(wanted: EngineName) -> object:
    from layerscope.sources.engine.find_engine import found_image

    with found_image(wanted, platform=None, engine_options=DEFAULT_ENGINE_OPTIONS, progress=ignore) as found:
        return found.image.id
