"""All images below a directory: its archives and layouts, from their documents alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from layerscope.errors import LayerscopeError, NotAnImage, NotFound
from layerscope.progress import Progress
from layerscope.sources.file_type import HEAD, ZIP_MAGIC, is_tar
from layerscope.sources.listing.find_images import images_stored_at
from layerscope.sources.listing.found import FoundImages
from layerscope.sources.location import DOCUMENTS, Location
from layerscope.text import escape
from layerscope.units import count_text

_ARCHIVE = re.compile(r"\.(?:tar|tgz|oci|zip|tar\.\w+)$", re.IGNORECASE)
"""How an archive's name ends: such a file is told of if it is none."""


def directory_images(directory: Path, *, progress: Progress) -> Iterator[FoundImages]:
    """Yield the images of each archive and layout below a directory, in the order of their names.

    Files that are no archives are passed by. An archive without an image is one of `skipped`; a damaged one is a problem.
    Links to directories are not followed, and no file is read twice. Raises NotFound where the directory cannot be read.
    """
    seen: set[tuple[int, int]] = set()
    total = 0
    for number, path in enumerate(_places(directory, seen), 1):
        found = _stored_at(path, progress)
        total += len(found.found)
        progress(f"{escape(str(directory))}: {count_text(total, 'image')} in {number:,} places", 0, 0)
        yield found


def _places(directory: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield layouts, whose own files are left alone, and files that may be archives, each once."""

    def refuse(error: OSError) -> None:
        if error.filename == str(directory):
            raise NotFound(f"{escape(str(directory))} cannot be read: {error.strerror}") from error

    for parent, directories, files in os.walk(directory, onerror=refuse):
        directories.sort()
        if any(name in files for name in DOCUMENTS):
            directories.clear()
            yield Path(parent)
            continue
        yield from (path for name in sorted(files) if _is_new(path := Path(parent, name), seen) and _may_be_archive(path))


def _is_new(path: Path, seen: set[tuple[int, int]]) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    identity = (found.st_dev, found.st_ino)
    is_new = path.is_file() and identity not in seen
    seen.add(identity)
    return is_new


def _may_be_archive(path: Path) -> bool:
    if _ARCHIVE.search(path.name):
        return True
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return is_tar(head) or head.startswith(ZIP_MAGIC)


def _stored_at(path: Path, progress: Progress) -> FoundImages:
    try:
        return images_stored_at(Location(str(path), path), progress=progress)
    except NotAnImage as error:
        return FoundImages(skipped=[str(error)])
    except LayerscopeError as error:
        return FoundImages(problems=[str(error)])
