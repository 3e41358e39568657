"""All waste of an image as lines, grouped in four ways, with groups to fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from layerscope.analysis import Analysis
from layerscope.app.waste.groups import Grouping, Heading, Share, WasteGroup, directories, shares
from layerscope.tree.tree import Longs
from layerscope.tree.versions import Layers
from layerscope.units import size_text
from layerscope.waste.find import Waste

UNFOLDED = 200
"""The most paths to list below a group."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Where to go in the explorer: a node of the tree, at a layer."""

    layer: int
    node: int


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


class WasteOutline:
    """The lines of one grouping at a time. It keeps the grouping, cursors and open groups while the screen is closed."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.grouping = Grouping.CAUSE
        self.cursors: dict[Grouping, int] = {}
        self._shares = list(shares(analysis))
        self._toggled: set[WasteGroup] = set()
        self._folded: dict[Grouping, list[Heading | WasteGroup]] = {}
        self._insides: dict[WasteGroup, list[WasteLine]] = {}
        self._lines: dict[Grouping, Listed] = {}

    @property
    def waste(self) -> Waste:
        """Return the columns that the row of a Path refers to."""
        return self.analysis.waste

    @property
    def lines(self) -> Listed:
        """Return the lines of the current grouping."""
        if self.grouping not in self._lines:
            self._lines[self.grouping] = _AllPaths(self._shares) if self.grouping is Grouping.PATH else list(self._unfolded())
        return self._lines[self.grouping]

    @property
    def largest(self) -> int:
        """Return the size of the largest line."""
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
        """Return the rows of a group, largest first."""
        return self._share_of(group).rows_of(group, int(self.analysis.tree.nodes.end[group.node]))

    def layers(self, group: WasteGroup) -> tuple[dict[int, int], dict[int, int]]:
        """Return the bytes by layer that wrote a group's contents, and by layer that buried them, most first."""
        rows, waste = self.rows(group), self.waste
        return _sums(waste.written_by[rows], waste.size[rows]), _sums(waste.buried_by[rows], waste.size[rows])

    def jump(self, line: WasteGroup | Path) -> Jump:
        """Return where to find a line in the tree.

        A file is at its writer, a directory at the layer that wrote most of its waste, any other group at its largest file.
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
        for each in self._share_of(cause).pairs:
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
            yield from share.causes
        elif self.grouping is Grouping.PAIR:
            yield from share.pairs
        else:
            yield from directories(self.analysis, share)


def _sums(numbers: Layers, sizes: Longs) -> dict[int, int]:
    sums = np.zeros(int(numbers.max()) + 1, np.int64)
    np.add.at(sums, numbers, sizes)
    return {number: int(sums[number]) for number in np.argsort(-sums, kind="stable").tolist() if sums[number]}


class _AllPaths:
    """Every wasted content, largest first, by share."""

    def __init__(self, all_shares: list[Share]) -> None:
        self._shares = all_shares

    def __len__(self) -> int:
        return sum(len(share.rows) + bool(share.heading) for share in self._shares)

    def __getitem__(self, line: int, /) -> WasteLine:
        for share in self._shares:
            if share.heading:
                if line == 0:
                    return Heading(share.heading)
                line -= 1
            if line < len(share.rows):
                return Path(int(share.rows[line]))
            line -= len(share.rows)
        raise IndexError(line)
