"""All answers about a fleet together: what every report is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from layerscope.fleet.bases import FleetBases
from layerscope.fleet.duplicates import FleetDuplicate, find_fleet_duplicates
from layerscope.fleet.fixes import FleetFix, find_fixes
from layerscope.fleet.fleet import Fleet
from layerscope.fleet.growth import FleetBaseline, FleetGrowth, growth_since
from layerscope.fleet.outliers import Outlier, find_outliers
from layerscope.fleet.reclaim import Reclaimable, find_reclaimable
from layerscope.fleet.run import FleetResults
from layerscope.fleet.summaries import ImageResult


@dataclass(frozen=True, slots=True)
class TeamFigures:
    """The images under one prefix of names: stored bytes added up, what deleting all of them frees, and distinct wasted bytes.

    `wasted_bytes` is None unless layers were read; `base_wasted_bytes` of it are of layers of bases.
    """

    team: str
    images: tuple[int, ...]
    stored_bytes: int
    freed_bytes: int
    wasted_bytes: int | None
    base_wasted_bytes: int | None


@dataclass(frozen=True, slots=True)
class FleetTotals:
    """Bytes of a fleet. Content and waste are None unless layers were read.

    `content_bytes` adds up all images; `unique_bytes` counts each layer once, and `shared_bytes` those of them that several
    images have. `wasted_bytes` counts what equal layers waste once. The stored ones are the same of layers as they are stored.
    """

    images: int
    layers: int
    distinct_layers: int
    stored_bytes: int
    unique_stored_bytes: int
    shared_stored_bytes: int
    content_bytes: int | None
    unique_bytes: int | None
    shared_bytes: int | None
    wasted_bytes: int | None
    failed: int


@dataclass(frozen=True, eq=False)
class FleetAnswers:
    """A fleet with everything that is said of it. Without `results`, fixes and duplicates are empty.

    `failed` are sentences about images that could not be read or judged.
    """

    fleet: Fleet
    bases: FleetBases
    teams: tuple[TeamFigures, ...]
    totals: FleetTotals
    reclaimable: Reclaimable
    outliers: tuple[Outlier, ...]
    failed: tuple[str, ...]
    results: FleetResults | None = None
    fixes: tuple[FleetFix, ...] = ()
    duplicates: tuple[FleetDuplicate, ...] = ()
    growth: FleetGrowth | None = None

    @cached_property
    def wasted_by_base(self) -> list[int] | None:
        """Return the bytes that each base's own layers bury; None unless layers were read."""
        return self._by_base(lambda fix: fix.content_bytes)

    @cached_property
    def wasted_on_pulls_by_base(self) -> list[int] | None:
        """Return what that is on a pull of each of its images; None unless layers were read."""
        return self._by_base(lambda fix: fix.pull_bytes)

    def _by_base(self, size: Callable[[FleetFix], int]) -> list[int] | None:
        if self.results is None:
            return None
        sizes = [0] * len(self.bases.bases)
        for fix in self.fixes:
            if fix.base is not None:
                sizes[fix.base] += size(fix)
        return sizes

    def place_of(self, fix: FleetFix) -> str:
        """Return where the layer to mend is: `layer 3 of base node:20`, or of an image."""
        if fix.base is not None:
            return f"layer {fix.layer} of base {self.bases.bases[fix.base].title}"
        return f"layer {fix.layer} of {self.fleet.images[fix.images[0]].name}"

    def summary(self, number: int) -> ImageResult | None:
        """Return what was read of an image; None if it was not, or could not be judged."""
        found = self.results.images.get(number) if self.results else None
        return None if found is None or found.problem else found


def answer(
    fleet: Fleet,
    results: FleetResults | None = None,
    *,
    older_than: float | None = None,
    keep: int = 1,
    baseline: FleetBaseline | None = None,
) -> FleetAnswers:
    """Answer everything about a fleet. See `find_reclaimable` for `older_than` and `keep`."""
    bases = FleetBases.of(fleet)
    fixes = find_fixes(bases, results) if results else ()
    failed = (*fleet.failed, *_not_judged(fleet, results))
    wasted = {number: (each.wasted_bytes, each.content_bytes) for number, each in _judged(results).items()}
    return FleetAnswers(
        fleet,
        bases,
        _teams(fleet, fixes, has_waste=results is not None),
        _totals(fleet, results, fixes, len(failed)),
        find_reclaimable(fleet, older_than=older_than, keep=keep),
        find_outliers(fleet, bases, wasted),
        failed,
        results,
        fixes,
        find_fleet_duplicates(fleet, results) if results else (),
        growth_since(fleet, baseline) if baseline else None,
    )


def _judged(results: FleetResults | None) -> dict[int, ImageResult]:
    return {number: each for number, each in results.images.items() if not each.problem} if results else {}


def _not_judged(fleet: Fleet, results: FleetResults | None) -> list[str]:
    if results is None:
        return []
    return [f"{fleet.images[number].name}: {each.problem}" for number, each in results.images.items() if each.problem]


def _totals(fleet: Fleet, results: FleetResults | None, fixes: tuple[FleetFix, ...], failed: int) -> FleetTotals:
    contents = {key: each.content_bytes for key, each in results.layers.items()} if results else {}
    several = [key for key, layer in fleet.layers.items() if len(layer.images) > 1]
    return FleetTotals(
        images=len(fleet.images),
        layers=sum(len(image.facts.layers) for image in fleet.images),
        distinct_layers=len(fleet.layers),
        stored_bytes=fleet.stored_bytes,
        unique_stored_bytes=fleet.unique_stored_bytes,
        shared_stored_bytes=fleet.shared_stored_bytes,
        content_bytes=sum(each.content_bytes for each in _judged(results).values()) if results else None,
        unique_bytes=sum(contents.values()) if results else None,
        shared_bytes=sum(contents[key] for key in several) if results else None,
        wasted_bytes=sum(fix.content_bytes for fix in fixes) if results else None,
        failed=failed,
    )


def _teams(fleet: Fleet, fixes: tuple[FleetFix, ...], *, has_waste: bool) -> tuple[TeamFigures, ...]:
    members: dict[str, list[int]] = {}
    for number, image in enumerate(fleet.images):
        members.setdefault(image.team, []).append(number)
    wasted: dict[str, int] = {}
    of_bases: dict[str, int] = {}
    for fix in fixes:
        for team in {fleet.images[number].team for number in fix.images}:
            wasted[team] = wasted.get(team, 0) + fix.content_bytes
            if fix.base is not None:
                of_bases[team] = of_bases.get(team, 0) + fix.content_bytes
    found = [
        TeamFigures(
            team,
            tuple(numbers),
            sum(fleet.size_of(number) for number in numbers),
            fleet.freed_by(numbers),
            wasted.get(team, 0) if has_waste else None,
            of_bases.get(team, 0) if has_waste else None,
        )
        for team, numbers in members.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.freed_bytes, each.team)))
