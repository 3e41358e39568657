"""Find which layers came from an image's base image and so were not written by the image's author."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from layerscope.errors import BadDocument, LayerscopeError, UsageError
from layerscope.oci.digest import Digest
from layerscope.sources.image import Image
from layerscope.sources.location import locate
from layerscope.text import escape

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
_FROM = "FROM "
_STEP_ID = re.compile("[0-9a-f]{12,64}")


def base_layers(image: Image, base: Image) -> int:
    """Count the leading layers that both images share, compared by diff_id; all of `base`'s layers if it is the base."""
    for number, (mine, theirs) in enumerate(zip(image.layers, base.layers, strict=False)):
        if mine.diff_id is None or mine.diff_id != theirs.diff_id:
            return number
    return min(len(image.layers), len(base.layers))


def annotated_base(image: Image) -> tuple[str, Digest | None]:
    """Return the name and manifest digest of the base image that `image` states; empty and None where it states none.

    From the manifest's annotations, or from the config's labels, where some builders put them (OCI image-spec
    `annotations.md`).
    """
    stated = {**image.config.config.labels, **image.annotations}
    try:
        digest = Digest.parse(stated[BASE_DIGEST]) if BASE_DIGEST in stated else None
    except BadDocument:
        digest = None
    return stated.get(BASE_NAME, ""), digest


@dataclass(frozen=True, slots=True)
class Base:
    """An image's base image: how many layers came from it (None: unknown) and its name (may be empty).

    `known_by` says how it was found if the user did not name it: `the history's FROM`, `the image in the same place`.
    """

    layers: int | None = None
    name: str = ""
    known_by: str = ""


def recorded_base(image: Image) -> Base:
    """Find the base that buildah wrote into the history: the comment `FROM NAME` at the first own step with a layer or before.

    Without --layers it stands at the only own step that has a layer. Between steps of one build buildah names images by their
    ids. The last step must be buildah's: else the image stands on one that buildah made. Empty if there is no such comment.
    """
    history = image.config.history
    if not history or not history[-1].comment.startswith(_FROM):
        return Base()
    if sum(not step.empty_layer for step in history) != len(image.layers):
        return Base()
    for number, step in reversed(list(enumerate(history))):
        name = step.comment.removeprefix(_FROM)
        if step.comment.startswith(_FROM) and not _STEP_ID.fullmatch(name):
            return Base(sum(not each.empty_layer for each in history[:number]), name, "the history's FROM")
    return Base()


def find_base(image: Image, given: str | None, *, open_base: Callable[[str], Image]) -> Base:
    """Find the base that the user named (a number of layers, or an image), or else the one that the image itself states.

    That is the one of buildah's history; else an annotated one is searched for where the image is, by digest, then by name; if
    it is not there, its layers are unknown.
    Raises UsageError when what the user named is not a base of this image, and whatever `open_base` raises.
    """
    if given is None:
        return _stated_base(image, open_base)
    if given.removeprefix("-").isdecimal() and given.startswith("-"):
        raise UsageError(f"--base {given}: a number of layers is 0 or more")
    if given.isdecimal():
        if int(given) > len(image.layers):
            raise UsageError(f"--base {given}: the image has only {len(image.layers)} layers")
        return Base(int(given))
    return Base(_shared(image, open_base(given), given), given)


def _shared(image: Image, base: Image, given: str) -> int:
    shared = base_layers(image, base)
    if shared < len(base.layers):
        raise UsageError(f"--base {escape(given)}: not this image's base; they share {shared} of its {len(base.layers)} layers")
    return shared


def _stated_base(image: Image, open_base: Callable[[str], Image]) -> Base:
    name, digest = annotated_base(image)
    recorded = recorded_base(image)
    if recorded.layers is not None or not (name or digest):
        return recorded
    location = locate(image.reference)
    for tag in (digest, name):
        if tag and location.path is not None:
            try:
                base = open_base(f"{location.typed}:{tag}")
            except LayerscopeError:
                continue  # most images are stored without their base
            if (shared := base_layers(image, base)) == len(base.layers):
                return Base(shared, name or str(digest), "the image in the same place")
    return Base(None, name or str(digest or ""))
