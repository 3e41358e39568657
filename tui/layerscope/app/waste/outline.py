"""All waste of an image as lines, grouped in four ways, groups folded or not. No textual here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from layerscope.analysis import Analysis
from layerscope.app.waste.groups import Group, Grouping, Heading, Share, directories, shares
from layerscope.tree.tree import Longs
from layerscope.tree.versions import Layers
from layerscope.units import size_text
from layerscope.waste.find import Waste

UNFOLDED = 200
"""Paths that are listed below a group."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Where the explorer goes: to a node of the tree, at a layer."""

    layer: int
    node: int


@dataclass(frozen=True, slots=True)
class Path:
    """One wasted content, by its row in the columns of Waste; `group` is the one it is listed below."""

    row: int
    group: Group | None = None


Line = Heading | Group | Path


class Listed(Protocol):
    """Lines that are there, or are made when they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, line: int, /) -> Line: ...


class Outline:
    """The lines of one grouping at a time. It remembers grouping, cursors and what is unfolded for as long as it is kept."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.grouping = Grouping.CAUSE
        self.cursors: dict[Grouping, int] = {}
        self._shares = list(shares(analysis))
        self._toggled: set[Group] = set()
        self._folded: dict[Grouping, list[Heading | Group]] = {}
        self._insides: dict[Group, list[Line]] = {}
        self._lines: dict[Grouping, Listed] = {}

    @property
    def waste(self) -> Waste:
        """The columns that a Path's row is one of."""
        return self.analysis.waste

    @property
    def lines(self) -> Listed:
        """The lines of the grouping."""
        if self.grouping not in self._lines:
            self._lines[self.grouping] = _Paths(self._shares) if self.grouping is Grouping.PATH else list(self._unfolded())
        return self._lines[self.grouping]

    @property
    def largest(self) -> int:
        """Bytes of the biggest line."""
        if self.grouping is Grouping.PATH:
            return int(self.waste.size[0]) if len(self.waste) else 0
        return max((each.size for each in self._groups() if isinstance(each, Group)), default=0)

    def is_base(self, row: int) -> bool:
        """Whether the base buried the content in a row."""
        return bool(self.waste.buried_by[row] <= (self.analysis.base_layers or 0))

    def is_open(self, group: Group) -> bool:
        """Whether what the group holds is listed: that of causes is, until they are folded."""
        return (group in self._toggled) != (group.kind is Grouping.CAUSE)

    def toggle(self, group: Group) -> None:
        """Unfold or fold it."""
        self._toggled ^= {group}
        self._lines.pop(self.grouping, None)

    def rows(self, group: Group) -> Longs:
        """The contents of a group, biggest first."""
        return self._share_of(group).rows_of(group, int(self.analysis.tree.nodes.end[group.node]))

    def layers(self, group: Group) -> tuple[dict[int, int], dict[int, int]]:
        """The layers that wrote a group's contents, and those that buried them, with their bytes: the most first."""
        rows, waste = self.rows(group), self.waste
        return _sums(waste.written_by[rows], waste.size[rows]), _sums(waste.buried_by[rows], waste.size[rows])

    def jump(self, line: Group | Path) -> Jump:
        """Where a line is found in the tree: a file at its writer, a directory at the layer that wrote the most of it, any
        other group as its biggest file.
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

    def _share_of(self, group: Group) -> Share:
        return next(share for share in self._shares if share.is_base == group.is_base)

    def _unfolded(self) -> Iterator[Line]:
        for line in self._groups():
            yield line
            if isinstance(line, Group) and self.is_open(line):
                yield from self._pairs_of(line) if line.kind is Grouping.CAUSE else self._inside(line)

    def _pairs_of(self, cause: Group) -> Iterator[Line]:
        for each in self._share_of(cause).pairs:
            if each.cause is cause.cause:
                pair = replace(each, depth=1)
                yield pair
                yield from self._inside(pair) if self.is_open(pair) else ()

    def _inside(self, group: Group) -> list[Line]:
        """The biggest paths of a group, and how many more there are."""
        if group not in self._insides:
            rows = self.rows(group)
            lines: list[Line] = [Path(row, group) for row in rows[:UNFOLDED].tolist()]
            if len(rows) > UNFOLDED:
                rest = size_text(int(self.waste.size[rows[UNFOLDED:]].sum()))
                lines.append(Heading(f"and {len(rows) - UNFOLDED:,} more of {rest} in all, which are listed by path"))
            self._insides[group] = lines
        return self._insides[group]

    def _groups(self) -> list[Heading | Group]:
        """The lines of the grouping when all is folded."""
        if self.grouping not in self._folded:
            self._folded[self.grouping] = [line for share in self._shares for line in self._of_share(share)]
        return self._folded[self.grouping]

    def _of_share(self, share: Share) -> Iterator[Heading | Group]:
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


class _Paths:
    """Every wasted content, biggest first; those of each share below its heading."""

    def __init__(self, all_shares: list[Share]) -> None:
        self._shares = all_shares

    def __len__(self) -> int:
        return sum(len(share.rows) + bool(share.heading) for share in self._shares)

    def __getitem__(self, line: int, /) -> Line:
        for share in self._shares:
            if share.heading:
                if line == 0:
                    return Heading(share.heading)
                line -= 1
            if line < len(share.rows):
                return Path(int(share.rows[line]))
            line -= len(share.rows)
        raise IndexError(line)
