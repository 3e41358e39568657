"""All images in an archive or layout, from whichever of its documents says most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from layerscope.errors import BadDocument, NotAnImage
from layerscope.layers.table import Problem, Severity
from layerscope.oci.digest import Digest
from layerscope.oci.reference import normalize
from layerscope.sources.documents.candidate import Candidate, Stored
from layerscope.sources.documents.files import Files
from layerscope.sources.documents.index import INDEX
from layerscope.sources.documents.layout import layout_images
from layerscope.sources.documents.legacy import is_legacy, legacy_images
from layerscope.sources.documents.saved import MANIFEST, saved_images
from layerscope.sources.documents.skopeo import directory_images, is_skopeo_directory
from layerscope.sources.documents.twins import with_differences, with_rivals


def stored_images(files: Files) -> list[Stored]:
    """Return the images in `files`; an empty list when no document lists any, so that this may not be an image at all.

    Docker 25 and later write `index.json` and `manifest.json` side by side. The index comes first: it gives manifest digests
    and platforms. An image of `manifest.json` with the same config as one of the index is the same image and only adds its
    tags, which are spelled as users know them; one that the index lacks (its `manifests` may be null) is an image of its own.
    Positions are those of `manifest.json` where it lists any, as skopeo counts them. `manifest.json` has another format in the
    directories that skopeo writes as `dir:`. A damaged document is skipped, with a problem, as long as the other one lists an
    image. The format from before Docker 1.10 is tried only where both are missing. Raises BadDocument when all of them are
    damaged, NotAnImage when they list nothing.
    """
    if is_skopeo_directory(files):
        return directory_images(files)
    listed, damage = _listed(files, INDEX, layout_images)
    saved, saved_damage = _listed(files, MANIFEST, saved_images)
    images = _merge(files, listed, saved)
    damages = [each for each in (damage, saved_damage) if each]
    if damages and not any(isinstance(image, Candidate) for image in images):
        raise damages[0]
    if not images:
        return _without_images(files)
    problems = [Problem(0, b"", f"skipped: {each}", Severity.REFUSED) for each in damages]
    return [image.doubted(*problems) if isinstance(image, Candidate) else image for image in images]


def lists_images(files: Files) -> bool:
    """Tell whether there is a document that may list images, whatever it contains."""
    return files.has(INDEX) or files.has(MANIFEST) or is_legacy(files)


def _without_images(files: Files) -> list[Stored]:
    for name in (INDEX, MANIFEST):
        if files.has(name):
            raise NotAnImage(f"{files.place}: its {name} lists no image")
    return _numbered(legacy_images(files)) if is_legacy(files) else []


def _numbered(images: list[Stored]) -> list[Stored]:
    return [replace(image, numbers=(number,)) for number, image in enumerate(images)]


def _listed(files: Files, name: str, read: Callable[[Files], list[Stored]]) -> tuple[list[Stored], BadDocument | None]:
    if not files.has(name):
        return [], None
    try:
        return read(files), None
    except BadDocument as error:
        return [], error


def _merge(files: Files, listed: list[Stored], saved: list[Stored]) -> list[Stored]:
    """Merge the images of `index.json` and `manifest.json` by config digest, in time linear in the number of names."""
    images = [replace(image, numbers=()) for image in listed] if saved else list(listed)
    known = {normalize(name) for image in listed for name in image.names}
    rows: dict[Digest, list[int]] = {}
    for row, each in enumerate(images):
        if isinstance(each, Candidate):
            rows.setdefault(each.config_digest, []).append(row)
    twins: dict[int, list[Candidate]] = {}
    for image in _numbered(saved):
        same = rows.get(image.config_digest, []) if isinstance(image, Candidate) else []
        if isinstance(image, Candidate):
            for row in same:
                twins.setdefault(row, []).append(image)
            if not same:
                rows[image.config_digest] = [len(images)]
        if not same:
            images.append(image)
    for row, others in twins.items():
        image = images[row]
        if isinstance(image, Candidate):
            images[row] = _with_twins(with_differences(files, image, others), others, known)
    return with_rivals(images, count=len(listed))


def _with_twins(image: Candidate, twins: list[Candidate], known: set[str]) -> Candidate:
    """Add the positions and new names of the same image's other listings, and use the last one's spelling of shared names."""
    allowed = {normalize(name) for name in image.names}
    added: list[list[str]] = []
    for twin in twins:
        normal = [(name, normalize(name)) for name in twin.names]
        new = [(name, full) for name, full in normal if full in allowed or full not in known]
        allowed.update(full for _, full in new)
        added.append([name for name, _ in new])
    named = image.named(name for names in reversed(added) for name in names)
    return replace(named, numbers=(*image.numbers, *(number for twin in twins for number in twin.numbers)))
