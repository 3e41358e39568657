"""What grew between two runs: by layer and by cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from layerscope.report.trend.points import TrendLayer, TrendPoint


@dataclass(frozen=True, slots=True)
class Grown:
    """Something that has bytes in two runs: None where it was not there."""

    name: str
    old: int | None
    new: int | None

    @property
    def grown(self) -> int:
        return (self.new or 0) - (self.old or 0)


def layer_growth(old: TrendPoint, new: TrendPoint) -> list[Grown]:
    """Return the layers that changed, what changed most first. Layers of one instruction are told apart by their order."""
    return _grown(_by_instruction(old.layers), _by_instruction(new.layers))


def cause_growth(old: TrendPoint, new: TrendPoint) -> list[Grown]:
    """Return the causes of waste whose bytes changed, what changed most first."""
    return _grown(dict(old.causes), dict(new.causes))


def _by_instruction(layers: Iterable[TrendLayer]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for layer in layers:
        name, count = layer.instruction or "(no history)", 1
        numbered = name
        while numbered in sizes:
            count += 1
            numbered = f"{name} (number {count})"
        sizes[numbered] = layer.content_bytes
    return sizes


def _grown(old: dict[str, int], new: dict[str, int]) -> list[Grown]:
    both = [Grown(name, old.get(name), new.get(name)) for name in dict.fromkeys((*new, *old))]
    return sorted((each for each in both if each.old != each.new), key=lambda each: -abs(each.grown))
