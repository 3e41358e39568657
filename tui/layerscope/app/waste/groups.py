"""What the waste view groups: causes, layer pairs, directories; yours, and the base's apart. No textual here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from layerscope.analysis import Analysis
from layerscope.tree.tree import Longs
from layerscope.units import size_text
from layerscope.waste.find import Cause, Waste
from layerscope.waste.group import by_directory, by_layer_pair

DIRECTORIES = 500
"""Directories that are listed."""
NEARLY_ALL = 0.99
"""A directory is left out when one directory in it has so much of its waste: `/var/lib/apt` says no more than its `lists`."""


class Grouping(Enum):
    """What waste is grouped by; the values are the words for it."""

    CAUSE = "cause"
    PAIR = "layer pair"
    DIRECTORY = "directory"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Heading:
    """A line between others, where the cursor does not stop."""

    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """Contents that go together: those of a cause, of a layer pair for one cause, or below the directory `node`."""

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
    """The user's part of the waste, or the base's: `waste` holds the rows number `rows` of the columns of all waste."""

    heading: str
    is_base: bool
    rows: Longs
    waste: Waste

    @cached_property
    def pairs(self) -> list[Group]:
        """Its layer pairs, biggest first."""
        return [
            Group(Grouping.PAIR, each.size, each.count, self.is_base, each.cause, each.written_by, each.buried_by)
            for each in by_layer_pair(self.waste)
        ]

    @cached_property
    def causes(self) -> list[Group]:
        """Its causes, biggest first."""
        sizes = sorted(self.waste.by_cause().items(), key=lambda item: -item[1])
        counts = np.bincount(self.waste.cause, minlength=len(Cause)).tolist()
        return [Group(Grouping.CAUSE, size, counts[cause], self.is_base, cause) for cause, size in sizes if size]

    def rows_of(self, group: Group, last: int) -> Longs:
        """The rows of a group, biggest first; `last` is the end of its directory's nodes."""
        waste = self.waste
        if group.kind is Grouping.DIRECTORY:
            chosen = (waste.node >= group.node) & (waste.node < last)
        else:
            chosen = waste.cause == group.cause
        if group.kind is Grouping.PAIR:
            chosen &= (waste.written_by == group.written_by) & (waste.buried_by == group.buried_by)
        return self.rows[np.flatnonzero(chosen)]


def shares(analysis: Analysis) -> Iterator[Share]:
    """Yours, then the base's, each with a heading; all in one without a heading where no base is known."""
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


def directories(analysis: Analysis, share: Share) -> Iterator[Heading | Group]:
    """The directories with the most waste, without those that hold hardly more of it than one directory in them."""
    found = by_directory(analysis.tree, share.waste)
    size = {each.node: each.size for each in found}
    parent = analysis.tree.nodes.parent
    dropped = {above for each in found if each.node and each.size >= NEARLY_ALL * size.get(above := int(parent[each.node]), 0)}
    listed = [each for each in found if each.node not in dropped]
    for each in listed[:DIRECTORIES]:
        yield Group(Grouping.DIRECTORY, each.size, each.count, share.is_base, node=each.node)
    if len(listed) > DIRECTORIES:
        rest = size_text(listed[DIRECTORIES].size)
        yield Heading(f"and {len(listed) - DIRECTORIES:,} more directories, of at most {rest} each")
