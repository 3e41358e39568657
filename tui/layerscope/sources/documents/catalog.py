"""Lists all images in an archive or layout, with a problem where `index.json` and `manifest.json` contradict each other.

Old engines read `manifest.json`, new engines `index.json`, so an archive in which they differ is two images under one name.
Docker 25 and later, BuildKit and skopeo write both from the same image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from layerscope.errors import BadDocument, CorruptLayer, NotAnImage, NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.compression import PIECE, unpack
from layerscope.layers.table import Problem, Severity
from layerscope.oci.digest import Digest
from layerscope.oci.reference import normalize, tag_of
from layerscope.sources.documents.candidate import Candidate, Refused, StatedLayer, Stored
from layerscope.sources.documents.files import Files
from layerscope.sources.documents.layout import INDEX, layout_images
from layerscope.sources.documents.legacy import is_legacy, legacy_images
from layerscope.sources.documents.saved import MANIFEST, saved_images
from layerscope.sources.documents.skopeo import directory_images, is_skopeo_directory
from layerscope.text import escape

UNNAMED = ""


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
    """Tell whether `files` has a document that may list images, whatever that document contains."""
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
    """Add the positions and names of `twins`, the same image's entries in `manifest.json`; the last one's names come first.

    Names that `index.json` gives to another image (`known`) are left out.
    """
    allowed = {normalize(name) for name in image.names}
    added: list[list[str]] = []
    for twin in twins:
        normal = [(name, normalize(name)) for name in twin.names]
        new = [(name, full) for name, full in normal if full in allowed or full not in known]
        allowed.update(full for _, full in new)
        added.append([name for name, _ in new])
    named = image.named(name for names in reversed(added) for name in names)
    return replace(named, numbers=(*image.numbers, *(number for twin in twins for number in twin.numbers)))


def with_differences(files: Files, image: Candidate, twins: Iterable[Candidate]) -> Candidate:
    """Add a problem to an image if `manifest.json` lists other layers for the same config."""
    by_parts = {twin.parts: twin for twin in twins if twin.parts != image.parts}
    places = dict.fromkeys(_first_difference(files, image, twin) for twin in by_parts.values())
    texts = (f"index.json and manifest.json name different layers for this image: {place}" for place in places if place)
    return image.doubted(*(Problem(0, b"", text, Severity.REFUSED) for text in texts))


def with_rivals(images: list[Stored], *, count: int) -> list[Stored]:
    """Add a problem to each image whose name the other document gives to another image.

    The first `count` images are from `index.json`, the others from `manifest.json` alone.
    """
    listed, saved = images[:count], images[count:]
    if not listed or not saved:
        return images
    mine, theirs = _by_name(listed), _by_name(saved)
    return [*(_against(each, theirs) for each in listed), *(_against(each, mine) for each in saved)]


def _first_difference(files: Files, image: Candidate, twin: Candidate) -> str:
    if len(image.parts) != len(twin.parts):
        return f"{len(image.parts)} and {len(twin.parts)}"
    diff_ids = [*image.config.rootfs.diff_ids, *[None] * len(image.parts)]
    for number, (one, other, diff_id) in enumerate(zip(image.parts, twin.parts, diff_ids, strict=False), 1):
        if not _is_same_layer(files, one, other, diff_id):
            return f"layer {number} is {escape(one.file[:200])} in one and {escape(other.file[:200])} in the other"
    return ""


def _is_same_layer(files: Files, one: StatedLayer, other: StatedLayer, diff_id: Digest | None) -> bool:
    """Tell whether two members are one layer: they have the same bytes, or `other` unpacks to the diff_id in the config."""
    if one.file == other.file:
        return True
    try:
        mine, theirs = files.blob(one.file), files.blob(other.file)
    except NotFound:
        return False
    return _is_same_blob(mine, theirs) or _unpacks_to(theirs, diff_id)


def _is_same_blob(one: Blob, other: Blob) -> bool:
    if one.size != other.size:
        return False
    if one.source is other.source and one.start == other.start:
        return True
    return all(one.read(start, PIECE) == other.read(start, PIECE) for start in range(0, one.size, PIECE))


def _unpacks_to(blob: Blob, diff_id: Digest | None) -> bool:
    if diff_id is None or diff_id.algorithm not in hashlib.algorithms_guaranteed:
        return False
    unpacked = hashlib.new(diff_id.algorithm)
    try:
        for piece in unpack(blob):
            unpacked.update(piece)
    except CorruptLayer:
        return False
    return unpacked.hexdigest() == diff_id.encoded


def _by_name(images: Iterable[Stored]) -> dict[str, Stored]:
    """Map each name to the first image that has it, leaving out what is no image (attestations and other artifacts)."""
    found: dict[str, Stored] = {}
    for image in images:
        if not (isinstance(image, Refused) and isinstance(image.error, NotAnImage)):
            for name in _keys(image):
                found.setdefault(name, image)
    return found


def _keys(image: Stored) -> set[str]:
    """Return the names under which an image may be found. A layout may give only a tag (`1` for `app:1`)."""
    return {key for name in image.names for key in (normalize(name), tag_of(name) or name)} or {UNNAMED}


def _against(image: Stored, others: dict[str, Stored]) -> Stored:
    if not isinstance(image, Candidate):
        return image
    rival = _rival(image, others)
    if rival is None:
        return image
    name = f" for {escape(image.names[0][:200])}" if image.names else ""
    reason = f" ({rival.error})" if isinstance(rival, Refused) else ""
    text = f"index.json and manifest.json name different images{name}{reason}"
    return image.doubted(Problem(0, b"", text, Severity.REFUSED))


def _rival(image: Candidate, others: dict[str, Stored]) -> Stored | None:
    """Return the image listed by the other document that another engine may take for `image`; None if there is none."""
    if not image.names or UNNAMED in others:
        return next(iter(others.values()), None)
    names = {normalize(name) for name in image.names}
    by_name = next((others[name] for name in names if name in others), None)
    bare = {name for name in image.names if not tag_of(name)}
    return by_name or next((others[name] for name in bare if name in others), None)
