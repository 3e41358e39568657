"""The forest as lines: each image, and each trunk from which several branch, with the lines drawn before its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.families.forest import NOWHERE, Forest

TRUNK = -1


@dataclass(frozen=True, slots=True)
class Row:
    """A line: the number of an image or TRUNK, its node, and for each level whether more lines follow there."""

    node: int
    image: int
    level: int
    guides: tuple[bool, ...] = ()


def rows(forest: Forest) -> Iterator[Row]:
    """Return all lines. Images with exactly the same layers are listed together; what is built on them follows the last."""
    guides: list[tuple[bool, ...]] = []
    for number, node in enumerate(forest.nodes):
        is_root = node.parent == NOWHERE
        follows = () if is_root else (*guides[node.parent], node.end < forest.nodes[node.parent].end)
        guides.append(follows)
        images = node.images or (TRUNK,)
        for image in images:
            has_next = follows if image == images[-1] or is_root else (*follows[:-1], True)
            yield Row(number, image, node.level, has_next)
