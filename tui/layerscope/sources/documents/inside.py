"""Archives inside other archives, as CI systems store them: `artifact.zip` with `image.tar` in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerscope.errors import AmbiguousImage, CannotWrite, CorruptLayer, LayerscopeError, NotAnImage
from layerscope.progress import Progress
from layerscope.sources.documents.assemble import looks_like_layer
from layerscope.sources.documents.catalog import lists_images
from layerscope.sources.documents.files import Archive, Directory, Files
from layerscope.sources.file_type import HEAD, describe_head, is_tar
from layerscope.sources.location import Location
from layerscope.sources.spool import unpack_archive
from layerscope.text import escape

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".txz", ".tar.bz2", ".oci", ".docker")
MAX_TRIED = 20
"""A limit on how many members are opened to see whether they are images."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Files that may hold images, and the location that the user named, with its tag."""

    files: Files
    location: Location


def place_inside(place: ImagePlace, progress: Progress) -> ImagePlace:
    """Return the place of the image archive that is a member of `place`; `place` itself if it holds images, or no such member.

    The tag may name a member, itself followed by a tag: `artifact.zip:image.tar:v1`. Raises AmbiguousImage for several.
    """
    outer, tag = place.files, place.location.tag
    if isinstance(outer, Directory) or lists_images(outer) or looks_like_layer(outer):
        return place
    names = [name.decode("utf-8", "surrogateescape") for name in outer.names() if _may_be_image(name)]
    chosen = [name for name in names if tag == name or tag.startswith(f"{name}:")]
    if chosen:
        name = max(chosen, key=len)
        inner = replace(place.location, typed=f"{place.location.typed}:{name}", tag=tag.removeprefix(name)[1:])
        return ImagePlace(_opened(outer, name, progress), inner)
    found = _images(outer, names[: MAX_TRIED + 1], progress)
    if len(found) > 1:
        raise AmbiguousImage(
            f"{outer.place} holds {len(found)} archives of images; "
            f"choose one with `layerscope {escape(place.location.typed)}:NAME`: {', '.join(map(escape, found))}"
        )
    return ImagePlace(next(iter(found.values())), place.location) if found else place


def _may_be_image(name: bytes) -> bool:
    return name.decode("utf-8", "replace").lower().endswith(SUFFIXES)


def _images(outer: Files, names: list[str], progress: Progress) -> dict[str, Files]:
    """Return the members among `names` that are archives of images. If the only name cannot be opened, raises the reason."""
    found = {}
    for name in names:
        try:
            inner = _opened(outer, name, progress)
        except LayerscopeError as error:
            if len(names) == 1 and isinstance(error, CorruptLayer | CannotWrite):
                raise
            continue
        if lists_images(inner):
            found[name] = inner
    return found


def _opened(outer: Files, name: str, progress: Progress) -> Files:
    place = f"{outer.place}: {escape(name)}"
    stored = outer.blob(name)
    unpacked = unpack_archive(stored, place, progress)
    head = unpacked.read(0, HEAD)
    if not is_tar(head):
        raise NotAnImage(f"{place} is not a container image: {describe_head(head)}")
    return Archive.of(place, unpacked, stored=stored)
