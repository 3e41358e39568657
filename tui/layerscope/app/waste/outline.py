"""All waste of an image as lines: grouped in four ways, with groups to fold; the user's layers apart from the base image's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Protocol

import numpy as np

from layerscope.analysis import Analysis
from layerscope.app.waste.waste_order import WasteOrder, sorted_groups, sorted_rows
from layerscope.app.widgets.jump import Jump
from layerscope.tree.tree import Longs
from layerscope.tree.versions import Layers
from layerscope.units import size_text
from layerscope.waste.find import Cause, Waste, by_directory, by_layer_pair

UNFOLDED = 200
"""The most paths to list below a group."""
DIRECTORIES = 500
"""The most directories to list."""
NEARLY_ALL = 0.99
"""Leave out a directory when one subdirectory has this share of its waste: `/var/lib/apt` adds nothing to its `lists`."""


class Grouping(Enum):
    """What waste is grouped by, and before that, what to change, which lists no waste. The values are the words shown."""

    ADVICE = "advice"
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
    """The waste that the user's layers buried, or the base image's layers. `rows` are its row numbers in the image's Waste."""

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
        """Return the rows of a group in the image's Waste, largest first; `last` is the node after a directory's subtree."""
        waste = self.waste
        if group.kind is Grouping.DIRECTORY:
            chosen = (waste.node >= group.node) & (waste.node < last)
        else:
            chosen = waste.cause == group.cause
        if group.kind is Grouping.PAIR:
            chosen &= (waste.written_by == group.written_by) & (waste.buried_by == group.buried_by)
        return self.rows[np.flatnonzero(chosen)]


def shares(analysis: Analysis) -> Iterator[Share]:
    """Yield the share of the user's layers, then that of the base image; a single one without a heading if no base is known."""
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


@dataclass(frozen=True, slots=True)
class Path:
    """One wasted content, by its row in the columns of Waste; `group` is the group it is listed in."""

    row: int
    group: WasteGroup | None = None


WasteLine = Heading | WasteGroup | Path


class Listed(Protocol):
    """A sequence of lines, which may be made only when they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, line: int, /) -> WasteLine: ...
    def index(self, line: WasteLine, /) -> int: ...


class WasteOutline:
    """The lines of one grouping at a time. It keeps grouping, orders, cursors and open groups while the screen is closed."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.grouping = Grouping.CAUSE
        self.cursors: dict[Grouping, int] = {}
        self._orders: dict[Grouping, WasteOrder] = {}
        self._shares = list(shares(analysis))
        self._toggled: set[WasteGroup] = set()
        self._folded: dict[Grouping, list[Heading | WasteGroup]] = {}
        self._insides: dict[WasteGroup, list[WasteLine]] = {}
        self._lines: dict[Grouping, Listed] = {}

    @property
    def waste(self) -> Waste:
        """Return the image's waste, in whose columns a Path has a row."""
        return self.analysis.waste

    @property
    def order(self) -> WasteOrder:
        """Return what the current grouping is sorted by."""
        return self._orders.get(self.grouping, WasteOrder.SIZE)

    def sort(self, order: WasteOrder) -> None:
        """Sort the current grouping. The paths in a group are always listed largest first."""
        self._orders[self.grouping] = order
        self._lines.pop(self.grouping, None)
        self._folded.pop(self.grouping, None)

    @property
    def lines(self) -> Listed:
        """Return the lines of the current grouping."""
        if self.grouping not in self._lines:
            is_flat = self.grouping is Grouping.PATH
            self._lines[self.grouping] = _AllPaths(self._shares, self.order) if is_flat else list(self._unfolded())
        return self._lines[self.grouping]

    @property
    def largest(self) -> int:
        """Return the size of the largest group or content listed, in bytes, which all bars are drawn in proportion to."""
        if self.grouping is Grouping.PATH:
            return int(self.waste.size[0]) if len(self.waste) else 0
        return max((each.size for each in self._groups() if isinstance(each, WasteGroup)), default=0)

    def is_base(self, row: int) -> bool:
        """Return whether the base buried the content of a row."""
        return bool(self.waste.buried_by[row] <= (self.analysis.base_layers or 0))

    def is_open(self, group: WasteGroup) -> bool:
        """Return whether a group is open. Causes are open until they are folded."""
        return (group in self._toggled) != (group.kind is Grouping.CAUSE)

    def toggle(self, group: WasteGroup) -> None:
        """Open or close a group."""
        self._toggled ^= {group}
        self._lines.pop(self.grouping, None)

    def rows(self, group: WasteGroup) -> Longs:
        """Return the rows of a group in the image's Waste, largest first."""
        return self._share_of(group).rows_of(group, int(self.analysis.tree.nodes.end[group.node]))

    def layers(self, group: WasteGroup) -> tuple[dict[int, int], dict[int, int]]:
        """Return the bytes by layer that wrote a group's contents, and by layer that buried them, most first."""
        rows, waste = self.rows(group), self.waste
        return _sums(waste.written_by[rows], waste.size[rows]), _sums(waste.buried_by[rows], waste.size[rows])

    def jump(self, line: WasteGroup | Path) -> Jump:
        """Return where to find a line in the tree.

        A file is shown at the layer that wrote it, a directory at the layer that wrote most of its waste, any other group at
        its largest file.
        """
        if isinstance(line, Path):
            return self._jump_to(line.row)
        rows = self.rows(line)
        if line.kind is not Grouping.DIRECTORY:
            return self._jump_to(int(rows[0]))
        return Jump(next(iter(self.layers(line)[0])), line.node)

    def _jump_to(self, row: int) -> Jump:
        waste, tree = self.waste, self.analysis.tree
        layer, node = int(waste.written_by[row]), int(waste.node[row])
        # A path that a later layer linked to the content is not there yet; the one it was written with is.
        if tree.versions.at(waste.node[row : row + 1], waste.written_by[row : row + 1])[0] < 0:
            node = int(tree.entry_node[waste.entry[row]])
        return Jump(layer, node)

    def _share_of(self, group: WasteGroup) -> Share:
        return next(share for share in self._shares if share.is_base == group.is_base)

    def _unfolded(self) -> Iterator[WasteLine]:
        for line in self._groups():
            yield line
            if isinstance(line, WasteGroup) and self.is_open(line):
                yield from self._pairs_of(line) if line.kind is Grouping.CAUSE else self._inside(line)

    def _pairs_of(self, cause: WasteGroup) -> Iterator[WasteLine]:
        for each in sorted_groups(self._share_of(cause).pairs, self.order):
            if each.cause is cause.cause:
                pair = replace(each, depth=1)
                yield pair
                yield from self._inside(pair) if self.is_open(pair) else ()

    def _inside(self, group: WasteGroup) -> list[WasteLine]:
        """List the largest paths of a group, and how many more there are."""
        if group not in self._insides:
            rows = self.rows(group)
            lines: list[WasteLine] = [Path(row, group) for row in rows[:UNFOLDED].tolist()]
            if len(rows) > UNFOLDED:
                rest = size_text(int(self.waste.size[rows[UNFOLDED:]].sum()))
                lines.append(Heading(f"and {len(rows) - UNFOLDED:,} more, {rest} in total: group by path to list them"))
            self._insides[group] = lines
        return self._insides[group]

    def _groups(self) -> list[Heading | WasteGroup]:
        """List the groups of the current grouping, without what is in them."""
        if self.grouping not in self._folded:
            self._folded[self.grouping] = [line for share in self._shares for line in self._of_share(share)]
        return self._folded[self.grouping]

    def _of_share(self, share: Share) -> Iterator[Heading | WasteGroup]:
        if share.heading:
            yield Heading(share.heading)
        if self.grouping is Grouping.CAUSE:
            yield from sorted_groups(share.causes, self.order)
        elif self.grouping is Grouping.PAIR:
            yield from sorted_groups(share.pairs, self.order)
        else:
            listed = list(directories(self.analysis, share))
            yield from sorted_groups([line for line in listed if isinstance(line, WasteGroup)], self.order)
            yield from (line for line in listed if isinstance(line, Heading))


def _sums(numbers: Layers, sizes: Longs) -> dict[int, int]:
    sums = np.zeros(int(numbers.max()) + 1, np.int64)
    np.add.at(sums, numbers, sizes)
    return {number: int(sums[number]) for number in np.argsort(-sums, kind="stable").tolist() if sums[number]}


class _AllPaths:
    """The lines of the grouping by path: for each share its heading, then its wasted contents, in an order."""

    def __init__(self, all_shares: list[Share], order: WasteOrder) -> None:
        self._shares = all_shares
        self._rows = [share.rows[sorted_rows(share.waste, order)] for share in all_shares]

    def __len__(self) -> int:
        return sum(len(share.rows) + bool(share.heading) for share in self._shares)

    def __getitem__(self, line: int, /) -> WasteLine:
        for share, rows in zip(self._shares, self._rows, strict=True):
            if share.heading:
                if line == 0:
                    return Heading(share.heading)
                line -= 1
            if line < len(rows):
                return Path(int(rows[line]))
            line -= len(rows)
        raise IndexError(line)

    def index(self, line: WasteLine, /) -> int:
        """Return the number of the line with a content; raise ValueError for anything else."""
        before = 0
        for share, rows in zip(self._shares, self._rows, strict=True):
            before += bool(share.heading)
            if isinstance(line, Path) and (rows == line.row).any():
                return before + int(np.argmax(rows == line.row))
            before += len(rows)
        raise ValueError(line)
