"""Archives with both `index.json` and `manifest.json`: checks that both describe the same images.

Old engines read one, new engines the other, so an archive in which they differ is two images under one name. Docker 25 and
later, BuildKit and skopeo write both from the same image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from layerscope.errors import CorruptLayer, NotAnImage, NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.compression import PIECE, unpack
from layerscope.layers.table import Problem, Severity
from layerscope.oci.digest import Digest
from layerscope.oci.reference import normalize, tag_of
from layerscope.sources.documents.candidate import Candidate, Refused, StatedLayer, Stored
from layerscope.sources.documents.files import Files
from layerscope.text import escape

UNNAMED = ""


def with_differences(files: Files, image: Candidate, twins: Iterable[Candidate]) -> Candidate:
    """Add a problem to an image if `manifest.json` lists other layers for the same config."""
    by_parts = {twin.parts: twin for twin in twins if twin.parts != image.parts}
    places = dict.fromkeys(_first_difference(files, image, twin) for twin in by_parts.values())
    texts = (f"index.json and manifest.json name different layers for this image: {place}" for place in places if place)
    return image.doubted(*(Problem(0, b"", text, Severity.REFUSED) for text in texts))


def with_rivals(images: list[Stored], *, count: int) -> list[Stored]:
    """Add a problem to each image that shares a name with another image of the other document.

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
    """Tell whether two members have the same bytes, or the other one unpacks to the diff_id in the config."""
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
    if one.map is other.map and one.start == other.start:
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
    """Map each name to its first image, leaving out what cannot be opened."""
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
    """Return the image of the other document that another engine may take for this one."""
    if not image.names or UNNAMED in others:
        return next(iter(others.values()), None)
    names = {normalize(name) for name in image.names}
    by_name = next((others[name] for name in names if name in others), None)
    bare = {name for name in image.names if not tag_of(name)}
    return by_name or next((others[name] for name in bare if name in others), None)
