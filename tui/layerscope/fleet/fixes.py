"""What to mend first: layers that bury bytes, with what mending each spares on disks and on pulls of all images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from layerscope.fleet.bases import FleetBases
from layerscope.fleet.run import FleetResults
from layerscope.fleet.summaries import WastedPart

MOST_CAUSES = 3


@dataclass(frozen=True, slots=True)
class FleetFix:
    """One layer to mend: number `layer` of the `images` (numbers), made by `instruction`, which buries what lower layers wrote.

    `base` is the place of the lowest base that has it in `FleetBases`, None where it is one image's own. `content_bytes` and
    `disk_bytes` (as pulled) are spared once, `pull_bytes` by a pull of each of the images. `causes` are words, the most bytes
    first; `path` is that of the largest file.
    """

    identity: str
    layer: int
    instruction: str
    images: tuple[int, ...]
    base: int | None
    content_bytes: int
    disk_bytes: int
    causes: tuple[str, ...]
    path: bytes

    @property
    def pull_bytes(self) -> int:
        """Return what one pull of each image spares."""
        return self.disk_bytes * len(self.images)


def find_fixes(bases: FleetBases, results: FleetResults) -> tuple[FleetFix, ...]:
    """Return all layers that bury bytes, those that spare most on pulls first. Equal layers on equal layers are one."""
    images: dict[str, list[int]] = {}
    judged = {number: summary for number, summary in results.images.items() if not summary.problem}
    for number, summary in judged.items():
        for buried_by in sorted({part.buried_by for part in summary.wasted}):
            images.setdefault(summary.layers[buried_by - 1].identity, []).append(number)
    found = [_fix(identity, tuple(numbers), bases, results) for identity, numbers in images.items()]
    return tuple(sorted(found, key=lambda fix: (-fix.pull_bytes, -fix.content_bytes, fix.identity)))


def _fix(identity: str, numbers: tuple[int, ...], bases: FleetBases, results: FleetResults) -> FleetFix:
    summary = results.images[numbers[0]]
    layer = next(number for number, each in enumerate(summary.layers, 1) if each.identity == identity)
    parts = [part for part in summary.wasted if part.buried_by == layer]
    causes: Counter[str] = Counter()
    for part in parts:
        causes[part.cause] += part.content_bytes
    return FleetFix(
        identity,
        layer,
        summary.layers[layer - 1].instruction,
        numbers,
        bases.owner_of(numbers[0], layer),
        sum(part.content_bytes for part in parts),
        sum(part.pull_bytes for part in parts),
        tuple(cause for cause, _ in sorted(causes.items(), key=lambda each: (-each[1], each[0]))[:MOST_CAUSES]),
        max(parts, key=_size_of_one).path,
    )


def _size_of_one(part: WastedPart) -> tuple[int, bytes]:
    return part.content_bytes // part.count, part.path
