"""The groups of the waste screen: causes, layer pairs, directories; those of your layers apart from the base's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from layerscope.analysis import Analysis
from layerscope.tree.tree import Longs
from layerscope.units import size_text
from layerscope.waste.find import Cause, Waste, by_directory, by_layer_pair

DIRECTORIES = 500
"""The most directories to list."""
NEARLY_ALL = 0.99
"""Leave out a directory when one subdirectory has this share of its waste: `/var/lib/apt` adds nothing to its `lists`."""


class Grouping(Enum):
    """What waste is grouped by. The values are the words shown."""

    CAUSE = "cause"
    PAIR = "layer pair"
    DIRECTORY = "directory"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Heading:
    """A line where the cursor does not stop."""

    text: str


@dataclass(frozen=True, slots=True)
class WasteGroup:
    """Wasted contents of one cause, of one layer pair and cause, or below the directory `node`."""

    kind: Grouping
    size: int
    count: int
    is_base: bool
    cause: Cause = Cause.DELETED
    written_by: int = 0
    buried_by: int = 0
    node: int = 0
    depth: int = 0


@dataclass(frozen=True, eq=False)
class Share:
    """The waste of the user's layers, or of the base's. `rows` are the row numbers of `waste` in the columns of all waste."""

    heading: str
    is_base: bool
    rows: Longs
    waste: Waste

    @cached_property
    def pairs(self) -> list[WasteGroup]:
        """Return the groups by layer pair, largest first."""
        return [
            WasteGroup(Grouping.PAIR, each.size, each.count, self.is_base, each.cause, each.written_by, each.buried_by)
            for each in by_layer_pair(self.waste)
        ]

    @cached_property
    def causes(self) -> list[WasteGroup]:
        """Return the groups by cause, largest first."""
        sizes = sorted(self.waste.by_cause().items(), key=lambda item: -item[1])
        counts = np.bincount(self.waste.cause, minlength=len(Cause)).tolist()
        return [WasteGroup(Grouping.CAUSE, size, counts[cause], self.is_base, cause) for cause, size in sizes if size]

    def rows_of(self, group: WasteGroup, last: int) -> Longs:
        """Return the rows of a group, largest first; `last` is the end of its directory's nodes."""
        waste = self.waste
        if group.kind is Grouping.DIRECTORY:
            chosen = (waste.node >= group.node) & (waste.node < last)
        else:
            chosen = waste.cause == group.cause
        if group.kind is Grouping.PAIR:
            chosen &= (waste.written_by == group.written_by) & (waste.buried_by == group.buried_by)
        return self.rows[np.flatnonzero(chosen)]


def shares(analysis: Analysis) -> Iterator[Share]:
    """Yield the share of the user's layers, then of the base's; a single share without a heading where no base is known."""
    waste = analysis.waste
    if not analysis.base_layers:
        yield Share("", is_base=False, rows=np.arange(len(waste)), waste=waste)
        return
    is_base = waste.is_base(analysis.base_layers)
    layers = f"layers (1 to {analysis.base_layers})" if analysis.base_layers > 1 else "layer (1)"
    for name, mask in (("Buried by your layers", ~is_base), (f"Buried by the base's {layers}", is_base)):
        part = waste.part(mask)
        size = size_text(part.wasted_bytes) if len(part) else "nothing"
        yield Share(f"{name}: {size}", is_base=mask is is_base, rows=np.flatnonzero(mask), waste=part)


def directories(analysis: Analysis, share: Share) -> Iterator[Heading | WasteGroup]:
    """Yield the directories with the most waste, leaving out those whose waste is nearly all in one subdirectory."""
    found = by_directory(analysis.tree, share.waste)
    size = {each.node: each.size for each in found}
    parent = analysis.tree.nodes.parent
    dropped = {above for each in found if each.node and each.size >= NEARLY_ALL * size.get(above := int(parent[each.node]), 0)}
    listed = [each for each in found if each.node not in dropped]
    for each in listed[:DIRECTORIES]:
        yield WasteGroup(Grouping.DIRECTORY, each.size, each.count, share.is_base, node=each.node)
    if len(listed) > DIRECTORIES:
        rest = size_text(listed[DIRECTORIES].size)
        yield Heading(f"and {len(listed) - DIRECTORIES:,} more directories, of at most {rest} each")
