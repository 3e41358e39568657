"""Compares two texts, and returns the lines of a unified diff.

To find the lines in common in bounded time, lines that are unique on both sides are matched first (Bram Cohen's patience
diff); between them Myers' algorithm ("An O(ND) Difference Algorithm", 1986) finds the fewest changes, as long as its work stays
in a budget. difflib can take hours.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from layerscope.units import count_text

CONTEXT = 3
MOST_LINES = 50_000
"""The most lines of a diff that are returned."""
DiffKind = Literal["context", "added", "removed", "header", "note"]
Block = tuple[int, int, int, int]
"""A change: the range of old lines, and the range of new lines that replace them."""
BUDGET = 1_000_000
"""Steps of Myers' algorithm for one pair of texts: about 0.3 s and 50 MB."""
Pair = tuple[int, int]
"""A line number on each side, from 0."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line, escaped. Numbers count from 1; None where the line is not on that side."""

    kind: DiffKind
    text: str
    old_number: int | None = None
    new_number: int | None = None


def unified(old: Sequence[str], new: Sequence[str]) -> list[DiffLine]:
    """Return the changed lines with CONTEXT lines around them; each group has a `@@ -1,4 +1,5 @@` before it."""
    lines: list[DiffLine] = []
    for group in _groups(_blocks(matching_lines(old, new), len(old), len(new))):
        lines += _hunk(old, new, group)
        if len(lines) > MOST_LINES:
            left = len(lines) - MOST_LINES
            return [*lines[:MOST_LINES], DiffLine("note", f"{count_text(left, 'line')} or more not shown")]
    return lines


def _blocks(pairs: list[Pair], old_size: int, new_size: int) -> Iterator[Block]:
    for (old_start, new_start), (old_end, new_end) in pairwise([(-1, -1), *pairs, (old_size, new_size)]):
        if old_end - old_start > 1 or new_end - new_start > 1:
            yield old_start + 1, old_end, new_start + 1, new_end


def _groups(blocks: Iterator[Block]) -> Iterator[list[Block]]:
    """Group changes so close to each other that their context would meet."""
    group: list[Block] = []
    for block in blocks:
        if group and block[0] - group[-1][1] > 2 * CONTEXT:
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _hunk(old: Sequence[str], new: Sequence[str], group: list[Block]) -> Iterator[DiffLine]:
    before = min(CONTEXT, group[0][0])
    old_start, new_start = group[0][0] - before, group[0][2] - before
    after = min(CONTEXT, len(old) - group[-1][1])
    old_end, new_end = group[-1][1] + after, group[-1][3] + after
    yield DiffLine("header", f"@@ -{_range(old_start, old_end)} +{_range(new_start, new_end)} @@")
    for block in group:
        yield from _context(old, old_start, block[0], new_start)
        for number in range(block[0], block[1]):
            yield DiffLine("removed", old[number], old_number=number + 1)
        for number in range(block[2], block[3]):
            yield DiffLine("added", new[number], new_number=number + 1)
        old_start, new_start = block[1], block[3]
    yield from _context(old, old_start, old_end, new_start)


def _context(old: Sequence[str], start: int, end: int, new_start: int) -> Iterator[DiffLine]:
    for number in range(start, end):
        yield DiffLine("context", old[number], number + 1, new_start + number - start + 1)


def _range(start: int, end: int) -> str:
    """Format line numbers like GNU diff: an empty range names the line before it, one line has no count."""
    count = end - start
    if count == 1:
        return str(start + 1)
    return f"{start + 1 if count else start},{count}"


def matching_lines(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Return the line numbers of equal lines as (old, new), both ascending; fewer than possible when the budget is used up."""
    anchors = [(-1, -1), *_anchors(old, new), (len(old), len(new))]
    budget = BUDGET
    found: list[Pair] = []
    for (old_start, new_start), (old_end, new_end) in pairwise(anchors):
        gap = _Gap(old, new, (old_start + 1, old_end), (new_start + 1, new_end))
        found += gap.matches(budget)
        budget -= gap.work
        found.append((old_end, new_end))
    return found[:-1]


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Return the longest ascending run of pairs of lines that occur once on each side, by patience sorting: O(n log n)."""
    old_counts, new_counts = Counter(old), Counter(new)
    places = {line: number for number, line in enumerate(new) if new_counts[line] == 1}
    pairs = [(number, places[line]) for number, line in enumerate(old) if old_counts[line] == 1 and line in places]

    tops: list[int] = []
    piles: list[int] = []
    below: list[int] = []
    for index, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        below.append(piles[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [place]
        piles[pile : pile + 1] = [index]
    run: list[Pair] = []
    index = piles[-1] if piles else -1
    while index >= 0:
        run.append(pairs[index])
        index = below[index]
    return run[::-1]


class _Gap:
    """The lines between two matched pairs of lines, matched further; `work` is the number of steps spent on that."""

    def __init__(self, old: Sequence[str], new: Sequence[str], old_range: Pair, new_range: Pair) -> None:
        self.work = 0
        self._old, self._new = old, new
        self._old_start, self._old_end = old_range
        self._new_start, self._new_end = new_range

    def matches(self, budget: int) -> list[Pair]:
        head = list(self._strip_start())
        tail = list(self._strip_end())
        path = self._fewest_changes(budget) if self._old_start < self._old_end and self._new_start < self._new_end else []
        return [*head, *path, *reversed(tail)]

    def _strip_start(self) -> Iterator[Pair]:
        while self._is_open() and self._old[self._old_start] == self._new[self._new_start]:
            yield self._old_start, self._new_start
            self._old_start, self._new_start = self._old_start + 1, self._new_start + 1

    def _strip_end(self) -> Iterator[Pair]:
        while self._is_open() and self._old[self._old_end - 1] == self._new[self._new_end - 1]:
            self._old_end, self._new_end = self._old_end - 1, self._new_end - 1
            yield self._old_end, self._new_end

    def _is_open(self) -> bool:
        return self._old_start < self._old_end and self._new_start < self._new_end

    def _fewest_changes(self, budget: int) -> list[Pair]:
        old, new = self._old[self._old_start : self._old_end], self._new[self._new_start : self._new_end]
        if set(old).isdisjoint(new):
            return []
        search = _MyersSearch(old, new)
        pairs = search.run(budget)
        self.work = search.work
        return [(self._old_start + left, self._new_start + right) for left, right in pairs]


class _MyersSearch:
    """Myers' greedy search: `_reach[k]` is the furthest old line on diagonal k (old minus new number)."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        self.work = 0
        self._old, self._new = old, new
        self._reach = {1: 0}
        self._trace: list[dict[int, int]] = []

    def run(self, budget: int) -> list[Pair]:
        """Return the equal lines, as (old, new), on the path with the fewest changes; none if it takes over `budget` steps."""
        for changes in range(len(self._old) + len(self._new) + 1):
            self.work += 2 * changes + 1
            if self.work > budget:
                break
            self._trace.append({k: self._reach[k] for k in range(-changes - 1, changes + 2, 2) if k in self._reach})
            if self._round(changes):
                return self._back()
        return []

    def _round(self, changes: int) -> bool:
        for k in range(-changes, changes + 1, 2):
            start = _step(self._reach, k, changes)
            x = self._slide(start, k)
            self.work += x - start
            self._reach[k] = x
            if x >= len(self._old) and x - k >= len(self._new):
                return True
        return False

    def _slide(self, x: int, k: int) -> int:
        old, new = self._old, self._new
        old_end, new_end = len(old), len(new)
        while x < old_end and x - k < new_end and old[x] == new[x - k]:
            x += 1
        return x

    def _back(self) -> list[Pair]:
        pairs: list[Pair] = []
        x, y = len(self._old), len(self._new)
        for changes in range(len(self._trace) - 1, -1, -1):
            reach, k = self._trace[changes], x - y
            start = _step(reach, k, changes)
            pairs += ((number, number - k) for number in range(x - 1, start - 1, -1))
            x, y = (start, start - k - 1) if _is_down(reach, k, changes) else (start - 1, start - k)
        return pairs[::-1]


def _step(reach: dict[int, int], k: int, changes: int) -> int:
    """Return where diagonal k is entered: down from k + 1 (a line added), or right from k - 1 (a line removed)."""
    return reach[k + 1] if _is_down(reach, k, changes) else reach[k - 1] + 1


def _is_down(reach: dict[int, int], k: int, changes: int) -> bool:
    return k == -changes or (k != changes and reach[k - 1] < reach[k + 1])
