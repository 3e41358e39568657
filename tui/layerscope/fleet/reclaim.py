"""What can be deleted of a fleet, and what that frees: untagged, superseded and old images."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from layerscope.fleet.fleet import Fleet, FleetImage
from layerscope.oci.version_order import VersionKey, variant_of, version_key


class ReclaimReason(StrEnum):
    """Why an image can be deleted."""

    UNTAGGED = "untagged"
    SUPERSEDED = "superseded"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """The numbers of the `images` to delete for a reason, the most freeing first.

    `freed_bytes`, as stored, is what deleting all of them frees, `freed_alone[i]` what deleting only `images[i]` does.
    """

    reason: ReclaimReason
    images: tuple[int, ...]
    freed_bytes: int
    freed_alone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reclaimable:
    """What can be deleted for each reason; one image may be in several. `freed_bytes` is what all of them together free."""

    by_reason: tuple[Reclaimed, ...]
    images: tuple[int, ...]
    freed_bytes: int


def find_reclaimable(fleet: Fleet, *, older_than: float | None = None, keep: int = 1) -> Reclaimable:
    """Find what can be deleted: images without a name, all but the `keep` newest of each repository, and those from before
    `older_than` (seconds since 1970; None: none). An image that runs in a cluster is never among them, nor is one that has a
    name for which there is no reason.
    """
    superseded = _superseded(fleet, keep)
    reasons = {
        ReclaimReason.UNTAGGED: [number for number, image in enumerate(fleet.images) if image.facts.is_dangling],
        ReclaimReason.SUPERSEDED: sorted(superseded),
        ReclaimReason.OLD: [number for number, image in enumerate(fleet.images) if _is_old(image, older_than)],
    }
    unused = {reason: [each for each in found if not fleet.images[each].uses] for reason, found in reasons.items()}
    everything = sorted({number for found in unused.values() for number in found})
    by_reason = tuple(_reclaimed(fleet, reason, found) for reason, found in unused.items() if found)
    return Reclaimable(by_reason, tuple(everything), fleet.freed_by(everything))


def _reclaimed(fleet: Fleet, reason: ReclaimReason, found: list[int]) -> Reclaimed:
    alone = {number: fleet.freed_by((number,)) for number in found}
    ordered = sorted(found, key=lambda number: (-alone[number], number))
    return Reclaimed(reason, tuple(ordered), fleet.freed_by(found), tuple(alone[number] for number in ordered))


def _is_old(image: FleetImage, older_than: float | None) -> bool:
    return older_than is not None and image.moment is not None and image.moment < older_than


def _superseded(fleet: Fleet, keep: int) -> set[int]:
    """Return the images all of whose names are of older builds of a repository than its `keep` newest ones, by platform and
    variant (`alpine` of `1.4-alpine`).

    Builds are ordered by their time, then by the version in the tag; of those that are equal in both, all are kept. Where the
    time of one is not known, as of reproducible builds, that of none counts.
    """
    builds: dict[tuple[str, str, str], list[tuple[float | None, VersionKey, int]]] = {}
    for number, image in enumerate(fleet.images):
        for repository, tag in image.builds:
            build = (image.moment, version_key(tag), number)
            builds.setdefault((repository, variant_of(tag), str(image.facts.platform)), []).append(build)
    newest: set[int] = set()
    for stated in builds.values():
        has_times = all(moment is not None for moment, _, _ in stated)
        found = [(((moment or 0.0) if has_times else 0.0, version), number) for moment, version, number in stated]
        keys = sorted({number: key for key, number in sorted(found)}.values(), reverse=True)
        newest.update(number for key, number in found if key >= keys[:keep][-1])
    return {number for number, image in enumerate(fleet.images) if image.names} - newest
