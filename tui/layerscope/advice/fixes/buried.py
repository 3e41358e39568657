"""Waste in groups that one change to the Dockerfile would do away with: what one layer buried of what others wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.fix_context import Maker, Scene, joined, places
from layerscope.tree.tree import Longs
from layerscope.units import size_text
from layerscope.waste.find import Cause


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of the waste that `burier` buried; `writers` wrote them, the most bytes first, and are all of one sort.

    `size` is their bytes.
    """

    scene: Scene
    burier: Maker
    writers: tuple[Maker, ...]
    rows: Longs
    size: int

    @property
    def writer(self) -> Maker:
        """Who wrote most of it."""
        return self.writers[0]

    @property
    def amount(self) -> str:
        """The bytes as text."""
        return size_text(self.size)

    @property
    def what(self) -> str:
        """``what line 8 `RUN make` ``, `what lines 3 and 5`."""
        return f"what {self.writer.quoted if len(self.writers) == 1 else places(self.writers)}"

    @property
    def where(self) -> str:
        """The layers that keep the bytes: `layer 2`, `layers 2 and 5`."""
        numbers = [str(number) for number in sorted(writer.number for writer in self.writers)]
        shown = numbers if len(numbers) <= 4 else [*numbers[:3], "others"]
        return f"layer{'s' * (len(numbers) > 1)} {joined(shown)}"

    @property
    def written(self) -> int:
        """The content bytes of the writers' layers, all of them."""
        return sum(self.scene.analysis.layer_content_bytes[writer.number - 1] for writer in self.writers)

    @property
    def are_neighbors(self) -> bool:
        """Whether one RUN wrote it and the next layer's RUN buried it: the two can simply be joined."""
        return len(self.writers) == 1 and self.burier.is_run and self.burier.number == self.writer.number + 1

    def fix(self, kind: str, sentence: str) -> Fix:
        """A fix that saves all of the group's bytes, which are taken from now on."""
        waste = self.scene.waste
        self.scene.take(waste.entry[self.rows])
        paths = self.scene.examples(waste.node[self.rows], waste.size[self.rows])
        layers = (self.burier.number, *(writer.number for writer in self.writers if writer != self.burier))
        return self.scene.fix(kind, layers, self.size, f"{self.burier.quoted} {sentence}", paths)


def groups(scene: Scene, causes: Collection[Cause], *, among: Longs | None = None) -> Iterator[Group]:
    """What no fix has taken of these causes (and rows), by the burying layer and the sort of its writers; no trifles."""
    waste, rows = scene.waste, scene.open_rows() if among is None else among
    rows = rows[np.isin(waste.cause[rows], list(causes))]
    sorts = np.array([-1, *(_sort(maker) for maker in scene.makers)])
    key = waste.buried_by[rows].astype(np.int64) << 8 | sorts[waste.written_by[rows]]
    for value in np.unique(key).tolist():
        part = rows[key == value]
        size = int(waste.size[part].sum())
        if size >= scene.trifle:
            yield Group(scene, scene.maker(value >> 8), _writers(scene, part), part, size)


def _sort(maker: Maker) -> int:
    """Makers of one sort are told the same thing."""
    if maker.is_base:
        return 0
    return 1 if maker.is_run else 2 if maker.is_copy else 3


def _writers(scene: Scene, rows: Longs) -> tuple[Maker, ...]:
    sums = np.bincount(scene.waste.written_by[rows], weights=scene.waste.size[rows])
    return tuple(scene.maker(number) for number in np.argsort(-sums, kind="stable").tolist() if sums[number] > 0)
