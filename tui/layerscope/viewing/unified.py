"""Two texts as the lines of a unified diff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from layerscope.units import count_text
from layerscope.viewing.matching import Pair, matching_lines

CONTEXT = 3
MOST_LINES = 50_000
"""Lines of a difference that are given."""
DiffKind = Literal["context", "added", "removed", "header", "note"]
Block = tuple[int, int, int, int]
"""A change: the range of old lines, and the range of new lines that replace them."""


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
