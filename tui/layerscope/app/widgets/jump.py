"""Where one screen asks another to go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Jump:
    """Where to go in the explorer: a node of the tree, at a layer."""

    layer: int
    node: int
