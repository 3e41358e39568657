"""The boxes of a treemap on a screen: squarified, nested, and only those that can be seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np

from layerscope.sizes.areas import Areas

DEEPEST = 7
"""Levels of boxes inside boxes."""
LEAST_AREA = 8
"""The smallest area of a box of its own; all that is smaller is one box."""
DIVIDED = 12, 7
"""The least width and height of a box that is divided into what is inside it."""
HEAD = 2
"""The height of the line with the name of a divided box."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box: columns `left` up to, but without, `right`, and lines `top` to `bottom`. A line is half as high as a character.

    `node` is what it stands for; `is_rest`: many small things directly below the node, of `size` bytes. `hue` counts the boxes
    of the outermost level, in which `around` is -1; else it is the index of the box around this one. What is inside a divided
    box stands below its line of `head`, 0 for an undivided one.
    """

    node: int
    size: int
    wasted: int
    depth: int
    hue: int
    around: int
    left: int
    top: int
    right: int
    bottom: int
    is_rest: bool = False
    head: int = 0


def boxes(areas: Areas, node: int, width: int, height: int) -> list[Box]:
    """Return the boxes for what is below a node, outer ones before those inside them; a single one if there is nothing below.

    `width` counts characters, `height` lines of half a character.
    """
    found: list[Box] = []
    first = _placed(areas, Box(node, 0, 0, -1, 0, -1, 0, 0, width, height), -1, 0)
    if not first:
        size = int(areas.size[node])
        first = [Box(node, size, int(areas.wasted[node]), 0, 0, -1, 0, 0, width, height)] if size else []
    # Only what can be seen is visited: no more boxes than the screen has characters.
    waiting = deque(first)
    while waiting:
        box = waiting.popleft()
        inside, head = [], 0
        if (
            box.right - box.left >= DIVIDED[0]
            and box.bottom - box.top >= DIVIDED[1]
            and box.depth < DEEPEST
            and not box.is_rest
        ):
            head = HEAD + box.top % 2
            inside = _placed(areas, box, len(found), head)
        found.append(replace(box, head=head) if inside else box)
        waiting.extend(inside)
    return found


def _placed(areas: Areas, box: Box, index: int, head: int) -> list[Box]:
    """Return the boxes directly inside a box, biggest first, as far as they are big enough to be seen."""
    nodes = areas.children(box.node)
    top, width, height = box.top + head, box.right - box.left, box.bottom - box.top - head
    whole = int(areas.size[box.node])
    sizes = areas.size[nodes]
    shown = int(np.count_nonzero(sizes * (width * height) >= whole * LEAST_AREA))
    if not shown:
        return []
    listed = nodes[:shown].tolist()
    parts = [(each, int(areas.size[each]), int(areas.wasted[each]), False) for each in listed]
    rest = whole - sum(size for _, size, _, _ in parts)
    if rest:
        parts.append((box.node, rest, int(areas.wasted[box.node]) - sum(wasted for _, _, wasted, _ in parts), True))
    found: list[Box] = []
    for (node, size, wasted, is_rest), place in zip(parts, squarified([part[1] for part in parts], width, height), strict=True):
        left, above, right, below = place
        if right > left and below - above > 1:
            hue = len(found) if box.depth < 0 else box.hue
            found.append(
                Box(
                    node, size, wasted, box.depth + 1, hue, index,
                    box.left + left, top + above, box.left + right, top + below, is_rest,
                )
            )  # fmt: skip
    return found


def squarified(sizes: Sequence[int], width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Divide a rectangle in proportion to `sizes`, biggest first, into rectangles (left, top, right, bottom), almost squares.

    Their edges are rounded to whole numbers, so that they touch and never overlap; some may be empty.

    Bruls, Huizing, van Wijk (2000): rows along the shorter side, closed when a further item makes the worst ratio worse.
    """
    scale = width * height / sum(sizes) if sum(sizes) else 0.0
    areas = [size * scale for size in sizes]
    found: list[tuple[int, int, int, int]] = []
    x, y = 0.0, 0.0
    while len(found) < len(areas):
        side = min(width - x, height - y)
        if side <= 1e-9:
            found += [(0, 0, 0, 0)] * (len(areas) - len(found))
            break
        row = _row(areas, len(found), side)
        thick = sum(row) / side
        ends = list(accumulate(row, initial=0.0))
        is_across = width - x < height - y
        for start, end in pairwise(ends):
            near, far = start / thick, end / thick
            edges = (x + near, y, x + far, y + thick) if is_across else (x, y + near, x + thick, y + far)
            left, top, right, bottom = (round(edge) for edge in edges)
            found.append((left, top, right, bottom))
        x, y = (x, y + thick) if is_across else (x + thick, y)
    return found


def _row(areas: Sequence[float], first: int, side: float) -> list[float]:
    """Return the areas of the next row along a side."""
    row: list[float] = []
    total, worst = 0.0, float("inf")
    for area in areas[first:]:
        total_with = total + area
        ratio = max(side * side * areas[first] / total_with**2, total_with**2 / (side * side * area))
        if ratio > worst:
            break
        row.append(area)
        total, worst = total_with, ratio
    return row
