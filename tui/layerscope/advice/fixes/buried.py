"""Waste in groups that one change to the Dockerfile would remove: what one layer buried of what others wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.fix_context import FixContext, LayerOrigin, joined, places
from layerscope.tree.tree import Longs
from layerscope.units import size_text
from layerscope.waste.find import Cause


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of the waste that `burier` buried; `writers` wrote them, the most bytes first, and are all of one sort.

    `size` is their bytes.
    """

    context: FixContext
    burier: LayerOrigin
    writers: tuple[LayerOrigin, ...]
    rows: Longs
    size: int

    @property
    def writer(self) -> LayerOrigin:
        """Return the layer that wrote most of it."""
        return self.writers[0]

    @property
    def amount(self) -> str:
        """Return the bytes as text."""
        return size_text(self.size)

    @property
    def what(self) -> str:
        """Format ``what line 8 `RUN make` ``, `what lines 3 and 5`."""
        return f"what {self.writer.quoted if len(self.writers) == 1 else places(self.writers)}"

    @property
    def where(self) -> str:
        """Return the layers that keep the bytes: `layer 2`, `layers 2 and 5`."""
        numbers = [str(number) for number in sorted(writer.number for writer in self.writers)]
        shown = numbers if len(numbers) <= 4 else [*numbers[:3], "others"]
        return f"layer{'s' * (len(numbers) > 1)} {joined(shown)}"

    @property
    def written(self) -> int:
        """Return all content bytes of the layers that wrote it."""
        return sum(self.context.analysis.layer_content_bytes[writer.number - 1] for writer in self.writers)

    @property
    def are_neighbors(self) -> bool:
        """Tell whether one RUN wrote it and the next layer's RUN buried it, so that the two can simply be joined."""
        return len(self.writers) == 1 and self.burier.is_run and self.burier.number == self.writer.number + 1

    def fix(self, kind: str, sentence: str) -> Fix:
        """Make a fix that saves all of the group's bytes, and mark them as taken."""
        waste = self.context.waste
        self.context.take(waste.entry[self.rows])
        paths = self.context.examples(waste.node[self.rows], waste.size[self.rows])
        layers = (self.burier.number, *(writer.number for writer in self.writers if writer != self.burier))
        return self.context.fix(kind, layers, self.size, f"{self.burier.quoted} {sentence}", paths)


def groups(context: FixContext, causes: Collection[Cause], *, among: Longs | None = None) -> Iterator[Group]:
    """Group untaken waste of these causes by burying layer and kind of writer, without small groups."""
    waste, rows = context.waste, context.open_rows() if among is None else among
    rows = rows[np.isin(waste.cause[rows], list(causes))]
    sorts = np.array([-1, *(_sort(origin) for origin in context.origins)])
    key = waste.buried_by[rows].astype(np.int64) << 8 | sorts[waste.written_by[rows]]
    for value in np.unique(key).tolist():
        part = rows[key == value]
        size = int(waste.size[part].sum())
        if size >= context.min_saving:
            yield Group(context, context.origin(value >> 8), _writers(context, part), part, size)


def _sort(origin: LayerOrigin) -> int:
    """Return the kind of writer: writers of one kind get the same advice."""
    if origin.is_base:
        return 0
    return 1 if origin.is_run else 2 if origin.is_copy else 3


def _writers(context: FixContext, rows: Longs) -> tuple[LayerOrigin, ...]:
    sums = np.bincount(context.waste.written_by[rows], weights=context.waste.size[rows])
    return tuple(context.origin(number) for number in np.argsort(-sums, kind="stable").tolist() if sums[number] > 0)
