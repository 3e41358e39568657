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

_MARKS = frozenset({"oci-layout", "repositories", "version"})
"""Files that only layouts have (of OCI, `docker save` and skopeo): a `manifest.json` without one may be a web page's."""


def directory_images(directory: Path, *, progress: Progress) -> Iterator[FoundImages]:
    """Yield the images of each archive and layout in and below a directory, in the order of their names.

    Files that are no archives are passed by. An archive without an image is one of `skipped`; what is damaged or cannot be read
    is a problem. Links to directories are not followed, and no file is read twice. Raises NotFound where the directory itself
    cannot be read.
    """
    total = 0
    for number, found in enumerate(_below(directory, progress), 1):
        total += len(found.found)
        progress(f"{escape(str(directory))}: {count_text(total, 'image')} in {number:,} places", 0, 0)
        yield found


def _below(directory: Path, progress: Progress) -> Iterator[FoundImages]:
    seen: set[tuple[int, int]] = set()
    problems: list[str] = []

    def refuse(error: OSError) -> None:
        problems.append(f"{escape(str(error.filename))} cannot be read: {error.strerror}")
        if error.filename == str(directory):
            raise NotFound(problems[0]) from error

    for parent, directories, files in os.walk(directory, onerror=refuse):
        directories.sort()
        if any(name in files for name in DOCUMENTS):
            stored = _stored_at(Path(parent), progress)
            if stored.found or _MARKS.intersection(files):
                directories.clear()  # a layout's own files are no images
                yield stored
                continue
            yield FoundImages(skipped=[*stored.problems, *stored.skipped])
        for name in sorted(files):
            path = Path(parent, name)
            if _is_new(path, seen) and _may_be_archive(path):
                yield _stored_at(path, progress)
    yield FoundImages(problems=problems)


def _is_new(path: Path, seen: set[tuple[int, int]]) -> bool:
    """Tell whether a path is a file that was not seen; one that is not there, as a link leads to nothing, is new."""
    try:
        found = path.stat()
    except OSError:
        return True
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
    typed = str(path)
    if ":" in path.parts[0]:  # it would be taken for a prefix
        typed = f"./{typed}"
    try:
        return images_stored_at(Location(typed, path), progress=progress)
    except NotAnImage as error:
        return FoundImages(skipped=[str(error)])
    except LayerscopeError as error:
        return FoundImages(problems=[str(error)])
