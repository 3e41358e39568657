"""Images that stand out: much larger than others of their repository or base, or wasting far more than usual."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from layerscope.fleet.bases import FleetBases
from layerscope.fleet.fleet import Fleet
from layerscope.units import percent_text, size_text

FEWEST = 5
"""The fewest images of a group for which its median says what is usual."""
FACTOR = 3.0
"""How many times the usual an image has to be, beyond the usual spread, to stand out."""
SPREADS = 3.5
"""The modified z-score beyond which a value is an outlier (Iglewicz and Hoaglin, "How to Detect and Handle Outliers")."""
LEAST_BYTES = 10_000_000
LEAST_WASTED_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Outlier:
    """An image that stands out, by `bytes` more than usual, and a sentence that says in what."""

    image: int
    bytes: int
    text: str


def find_outliers(fleet: Fleet, bases: FleetBases, wasted: dict[int, tuple[int, int]]) -> tuple[Outlier, ...]:
    """Return the images that stand out, the largest excess first. `wasted` has wasted and content bytes by image, if known."""
    sizes = [fleet.size_of(number) for number in range(len(fleet.images))]
    found: dict[int, Outlier] = {}
    for what, groups in (
        ("its repository", _by_repository(fleet)),
        ("its base", _by_base(fleet, bases)),
        ("the fleet", _all(fleet)),
    ):
        for numbers in groups:
            for number, usual in _beyond(numbers, lambda each: float(sizes[each])):
                if sizes[number] - usual >= LEAST_BYTES:
                    text = f"{size_text(sizes[number])}, and an image of {what} usually has {size_text(round(usual))}"
                    found.setdefault(number, Outlier(number, sizes[number] - round(usual), text))
    shares = {number: lost / content for number, (lost, content) in wasted.items() if content}
    for number, usual in _beyond(sorted(shares), shares.__getitem__):
        lost = wasted[number][0]
        if shares[number] >= LEAST_WASTED_SHARE and lost >= LEAST_BYTES:
            text = f"wastes {percent_text(shares[number])} of its bytes, and an image usually {percent_text(usual)}"
            found.setdefault(number, Outlier(number, lost, text))
    return tuple(sorted(found.values(), key=lambda each: (-each.bytes, each.image)))


def _beyond(numbers: Sequence[int], value_of: Callable[[int], float]) -> list[tuple[int, float]]:
    """Return the members of a group whose value is far above the usual, each with the usual value (the median).

    Sizes differ by factors, so that logarithms are compared; the spread is the median absolute deviation.
    """
    if len(numbers) < FEWEST:
        return []
    values = {number: math.log(value_of(number) + 1e-9) for number in numbers}
    middle = median(values.values())
    spread = median(abs(each - middle) for each in values.values()) / 0.6745
    limit = middle + max(SPREADS * spread, math.log(FACTOR))
    return [(number, math.exp(middle)) for number in numbers if values[number] > limit]


def _by_repository(fleet: Fleet) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for number, image in enumerate(fleet.images):
        if image.repository:
            groups.setdefault(image.repository, []).append(number)
    return list(groups.values())


def _by_base(fleet: Fleet, bases: FleetBases) -> list[list[int]]:
    groups: dict[int, list[int]] = {}
    for number in range(len(fleet.images)):
        if number in bases.base_of:
            groups.setdefault(bases.base_of[number], []).append(number)
    return list(groups.values())


def _all(fleet: Fleet) -> list[list[int]]:
    return [list(range(len(fleet.images)))]
