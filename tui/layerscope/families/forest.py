"""Arranges images as a forest: the parent of an image is the image whose layers are the beginning of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from layerscope.oci.digest import Digest
from layerscope.sources.listing.facts import ImageFacts

NOWHERE = -1

Rank = Callable[[int], Any]
"""The sort key of an image, by its number; the smallest comes first."""


@dataclass(frozen=True, slots=True)
class Node:
    """Layers that images have in common, from the base up to `chain_id` (None for images without layers).

    `images` are the numbers of the images that have exactly these `depth` layers; where there are none, the node is a trunk
    from which several images branch. `level` is how many nodes it is built on, `parent` the nearest of them, and `end` the node
    after the last one that is built on it, as numbers in `Forest.nodes`.
    """

    chain_id: Digest | None
    depth: int
    level: int
    images: tuple[int, ...]
    parent: int
    end: int


@dataclass(frozen=True, eq=False)
class Forest:
    """A forest of images. Its nodes are in depth-first order: all that is built on a node is `nodes[node + 1 : node.end]`."""

    images: tuple[ImageFacts, ...]
    nodes: tuple[Node, ...]

    @cached_property
    def node_of(self) -> dict[int, int]:
        """Return the number of each image's node, by the number of the image."""
        return {image: number for number, node in enumerate(self.nodes) for image in node.images}

    def images_from(self, node: int) -> list[int]:
        """Return the numbers of the images at a node and of all images built on it."""
        return [image for each in self.nodes[node : self.nodes[node].end] for image in each.images]

    def new_layers(self, node: int) -> int:
        """Count the layers of a node that its parent does not have."""
        parent = self.nodes[node].parent
        return self.nodes[node].depth - (self.nodes[parent].depth if parent != NOWHERE else 0)

    def ranked(self, rank: Rank) -> Forest:
        """Return the same forest in another order: a family is placed where its first image would be."""
        return grow(self.images, rank)


def _as_given(image: int) -> int:
    return image


def grow(images: Sequence[ImageFacts], rank: Rank = _as_given) -> Forest:
    """Build the forest of `images`, by default in their order."""
    shape = _ChainTree(images)
    ordered = list(_depth_first(shape, _ranks(shape, rank)))
    return Forest(tuple(images), tuple(_nodes(shape, ordered, rank)))


class _ChainTree:
    """The chain ids that become nodes, and the parent of each. A chain id identifies a layer and all layers below it."""

    def __init__(self, images: Sequence[ImageFacts]) -> None:
        self.images: dict[Digest | None, list[int]] = {}
        self.depths: dict[Digest | None, int] = {None: 0}
        self._below: dict[Digest, Digest | None] = {}
        for number, image in enumerate(images):
            self._add(number, image)
        self._nodes = dict.fromkeys([*self.images, *self._forks()])
        self.parents = {chain_id: self._node_below(chain_id) for chain_id in self._nodes}

    def _add(self, number: int, image: ImageFacts) -> None:
        below: Digest | None = None
        for depth, layer in enumerate(image.layers, 1):
            self._below.setdefault(layer.chain_id, below)
            self.depths.setdefault(layer.chain_id, depth)
            below = layer.chain_id
        self.images.setdefault(below, []).append(number)

    def _forks(self) -> list[Digest]:
        """Return the chain ids on which different images have different next layers."""
        ways: dict[Digest, int] = {}
        for below in self._below.values():
            if below is not None:
                ways[below] = ways.get(below, 0) + 1
        return [chain_id for chain_id, count in ways.items() if count > 1]

    def _node_below(self, chain_id: Digest | None) -> Digest | None:
        """Return the chain id of the nearest node below; None for a root. An image without layers is below nothing."""
        below = self._below.get(chain_id) if chain_id is not None else None
        while below is not None and below not in self._nodes:
            below = self._below[below]
        return below


def _ranks(shape: _ChainTree, rank: Rank) -> dict[Digest | None, Any]:
    """Return the smallest rank of the images at and above each node."""
    ranks: dict[Digest | None, Any] = {}
    for chain_id, numbers in shape.images.items():
        best = min(map(rank, numbers))
        node = chain_id
        while node not in ranks or best < ranks[node]:
            ranks[node] = best
            if node is None or (node := shape.parents[node]) is None:
                break
    return ranks


def _depth_first(shape: _ChainTree, ranks: dict[Digest | None, Any]) -> Iterator[Digest | None]:
    above: dict[Digest | None, list[Digest | None]] = {}
    roots: list[Digest | None] = []
    for chain_id in sorted(shape.parents, key=ranks.__getitem__):
        parent = shape.parents[chain_id]
        (roots if parent is None else above.setdefault(parent, [])).append(chain_id)
    todo = roots[::-1]
    while todo:
        node = todo.pop()
        yield node
        todo += reversed(above.get(node, ()))


def _nodes(shape: _ChainTree, ordered: list[Digest | None], rank: Rank) -> Iterable[Node]:
    place = {chain_id: number for number, chain_id in enumerate(ordered)}
    parents = [NOWHERE if shape.parents[each] is None else place[shape.parents[each]] for each in ordered]
    levels: list[int] = []
    for parent in parents:
        levels.append(0 if parent == NOWHERE else levels[parent] + 1)
    ends = list(range(1, len(ordered) + 1))
    for number in range(len(ordered) - 1, -1, -1):
        if parents[number] != NOWHERE:
            ends[parents[number]] = max(ends[parents[number]], ends[number])
    for number, chain_id in enumerate(ordered):
        images = tuple(sorted(shape.images.get(chain_id, ()), key=rank))
        yield Node(chain_id, shape.depths[chain_id], levels[number], images, parents[number], ends[number])
