"""Choosing one image of an archive or layout: first by tag or digest, then by platform."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from layerscope.errors import AmbiguousImage, LayerscopeError, NotFound
from layerscope.oci.digest import Digest
from layerscope.oci.platform import Platform, host_platform
from layerscope.oci.reference import best_match, familiar, near_matches
from layerscope.sources.documents.candidate import Candidate, Refused, Stored
from layerscope.sources.location import Location
from layerscope.text import did_you_mean, escape

MAX_LISTED = 20
UNNAMED = ""
SHORTEST_DIGEST = 7
_NUMBER = re.compile(r"@(\d{1,6})")
"""As skopeo counts images: `@0` is the first that the archive's `manifest.json`, or a layout's `index.json`, lists."""

Groups = dict[str, list[Stored]]
"""Images by tag; images without a tag are under UNNAMED."""


def choose(stored: Sequence[Stored], location: Location, platform: Platform | None) -> tuple[Candidate, str]:
    """Return the image that the user means, and the tag it was found by (empty if it has none).

    If no tag was asked for, several tags are not ambiguous when all lead to one manifest. Of several platforms: `platform` if
    given, else the host's, else the only one. Raises NotFound, AmbiguousImage with a list, or the error an image was refused
    with.
    """
    groups = _openable(_asked_for(stored, location), location)
    if len(groups) > 1:
        _refuse_platform(groups, location, platform)
        image = _only(_picks(groups, location, platform), groups, location)
    else:
        image = _pick(next(iter(groups.values())), location, platform)
    tag = next((name for name in image.names if name in groups), next(iter(image.names), UNNAMED))
    return image, familiar(tag)


def _only(picks: dict[Digest, Candidate], groups: Groups, location: Location) -> Candidate:
    """Return the image that all tags lead to. Raises AmbiguousImage when they lead to several."""
    if len(picks) == 1:
        return next(iter(picks.values()))
    raise AmbiguousImage(
        f"{location.place} holds {len(groups)} images; "
        f"choose one with `layerscope {escape(location.typed)}:TAG`: {_list(_labels(groups))}"
    )


def _asked_for(stored: Sequence[Stored], location: Location) -> Groups:
    """Group all images by tag, or only those that the tag or digest in the reference matches. Raises NotFound."""
    groups: Groups = {}
    for image in stored:
        for name in image.names or (UNNAMED,):
            groups.setdefault(name, []).append(image)
    if not location.tag:
        return groups
    number = _NUMBER.fullmatch(location.tag)
    if number:
        return {UNNAMED: _numbered(stored, int(number[1]), location)}
    tags = best_match(location.tag, groups.keys() - {UNNAMED})
    if tags:
        return {tag: groups[tag] for tag in groups if tag in tags}
    exact = [image for image in stored if _has_digest(image, location.tag)]
    if exact:
        return {UNNAMED: exact}
    raise NotFound(_no_such_tag(groups, location))


def _numbered(stored: Sequence[Stored], number: int, location: Location) -> list[Stored]:
    """Return the images at a position, counted from 0: several where an index of platforms is there. Raises NotFound."""
    numbered = [image for image in stored if number in image.numbers]
    if not numbered:
        last = _last_number(stored)
        raise NotFound(f"{location.place} has no image @{number}; it has @0" + (f" to @{last}" if last else " alone"))
    return numbered


def _last_number(stored: Iterable[Stored]) -> int:
    return max((number for image in stored for number in image.numbers), default=0)


def _has_digest(image: Stored, text: str) -> bool:
    """Tell whether `text` is an image's manifest, config or index digest, or its first digits, perhaps after `NAME@`."""
    wanted = text.rpartition("@")[2].removeprefix("sha256:")
    if len(wanted) < SHORTEST_DIGEST:
        return False
    own = (image.manifest_digest, image.config_digest) if isinstance(image, Candidate) else (image.digest,)
    return any(digest.encoded.startswith(wanted) or digest == wanted for digest in (*own, *image.indexes) if digest)


def _no_such_tag(groups: Groups, location: Location) -> str:
    names = sorted(familiar(name) for name in groups if name and any(isinstance(image, Candidate) for image in groups[name]))
    sentence = f"{location.place} holds no image '{escape(location.tag[:200])}'"
    if not names:
        last = _last_number([image for group in groups.values() for image in group])
        several = f", or choose by position: @0 to @{last}" if last else ""
        return f"{sentence}; its images have no tags, so omit the tag{several}"
    question = did_you_mean(near_matches(location.tag, names))
    return f"{sentence}{question} It holds {_list(names)}" if question else f"{sentence}; it holds {_list(names)}"


def _openable(groups: Groups, location: Location) -> Groups:
    """Return the groups that contain at least one image. Raises the reason when there are none."""
    openable = {name: group for name, group in groups.items() if any(isinstance(image, Candidate) for image in group)}
    if not openable:
        raise _refusal([image for group in groups.values() for image in group], location)
    return openable


def _refusal(images: Iterable[Stored], location: Location) -> LayerscopeError:
    refused = [image for image in images if isinstance(image, Refused)]
    if not refused:
        return NotFound(f"{location.place} lists no image")
    known = [image for image in refused if not (image.platform and image.platform.is_unknown)]
    return (known or refused)[0].error


def _picks(groups: Groups, location: Location, platform: Platform | None) -> dict[Digest, Candidate]:
    """Return the image of each group that the platform picks, by digest; all images of a group where it does not decide."""
    picks: dict[Digest, Candidate] = {}
    for group in groups.values():
        try:
            images = [_pick(group, location, platform)]
        except LayerscopeError:
            images = [image for image in group if isinstance(image, Candidate)]
        picks |= {image.digest: image for image in images}
    return picks


def _pick(group: Sequence[Stored], location: Location, platform: Platform | None) -> Candidate:
    """Return the image for one platform out of a group. Raises NotFound or AmbiguousImage."""
    images = [image for image in group if isinstance(image, Candidate)]
    fits = fitting(images, platform)
    if len(fits) == 1:
        return fits[0]
    present = sorted({str(image.platform) for image in fits or images})
    if not fits and platform:
        raise _absent_platform(group, location, platform, present)
    if len(present) > 1:
        host = "" if fits else f" and none for this machine ({host_platform()})"
        first = f"'{escape(present[0])}'" if "(" in present[0] else escape(present[0])
        raise AmbiguousImage(f"{location.place} holds {_list(present)}{host}; choose one, such as --platform {first}")
    if len(images) == 1:
        return images[0]
    digests = [image.digest.short for image in fits or images]
    positions = {number for image in fits or images for number in image.numbers}
    by_position = ", or by position, from :@0 on" if len(positions) >= len(digests) else ""  # not within one index
    raise AmbiguousImage(
        f"{location.place} holds {len(digests)} images for {escape(present[0])}; "
        f"choose one by digest, with `layerscope {escape(location.typed)}:DIGEST`{by_position}: {_list(digests)}"
    )


class HasPlatform(Protocol):
    """An object that is for one platform, such as an image."""

    @property
    def platform(self) -> Platform:
        """Return the platform that the object is for."""


P = TypeVar("P", bound=HasPlatform)


def fitting(images: Sequence[P], platform: Platform | None) -> list[P]:
    """Return the images for `platform`, or else for another variant of it, unless a variant was asked for.

    The default is this machine's platform.
    """
    wanted = platform or host_platform()
    exact = [image for image in images if image.platform.matches(wanted)]
    if exact or (platform and platform.normal.variant):
        return exact
    return [image for image in images if image.platform.is_kin_of(wanted)]


def _refuse_platform(groups: Groups, location: Location, platform: Platform | None) -> None:
    """Raise NotFound when no image of any tag is for the platform that was asked for."""
    stored = [image for group in groups.values() for image in group]
    images = [image for image in stored if isinstance(image, Candidate)]
    if platform and not fitting(images, platform):
        raise _absent_platform(stored, location, platform, sorted({str(image.platform) for image in images}))


def _absent_platform(group: Sequence[Stored], location: Location, platform: Platform, present: list[str]) -> LayerscopeError:
    for image in group:
        if isinstance(image, Refused) and image.platform and image.platform.matches(platform):
            return image.error
    return NotFound(f"{location.place} holds no {platform} image; it holds {_list(present)}")


def _labels(groups: Groups) -> list[str]:
    """Return a label for each group: its tag, or the digests of images without one."""
    labels: dict[str, None] = {}
    for name, group in groups.items():
        unnamed = [image.digest.short for image in group if isinstance(image, Candidate)]
        labels |= dict.fromkeys([familiar(name)] if name else unnamed)
    return list(labels)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(escape(name[:200]) for name in names[:MAX_LISTED])
    return f"{shown} and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else shown
