"""The bases of a fleet: layers from the bottom that several images have in common, and who is built on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from layerscope.families.forest import NOWHERE, Forest, grow
from layerscope.fleet.fleet import Fleet
from layerscope.oci.digest import Digest
from layerscope.oci.reference import familiar
from layerscope.text import escape


@dataclass(frozen=True, slots=True)
class FleetBase:
    """The `depth` lowest layers of at least two images, up to `chain_id`, with `stored_bytes` of them.

    `spared_bytes` is what storing each of these layers once spares: nothing where images hold them in different compression.
    `images` are the numbers of those images, an image that consists of exactly these layers among them. `name` is that image's,
    or what the images state most often, else empty.
    """

    chain_id: Digest
    depth: int
    images: tuple[int, ...]
    stored_bytes: int
    spared_bytes: int
    name: str = ""

    @property
    def title(self) -> str:
        """Return what reports call it."""
        return self.name or f"(no name) {self.depth} layers to {self.chain_id.short}"


@dataclass(frozen=True, eq=False)
class FleetBases:
    """The bases, the one with the most bytes spared first. `base_of[number]` is the place in `bases` of an image's nearest one,
    which is not the image itself; an image on no base is not in it. `bases_of` has all of them, the lowest first, also one that
    consists of the image's own layers.
    """

    bases: tuple[FleetBase, ...]
    base_of: dict[int, int]
    bases_of: dict[int, tuple[int, ...]]

    @classmethod
    def of(cls, fleet: Fleet) -> FleetBases:
        forest = grow([image.facts for image in fleet.images])
        found = {number: _base(fleet, forest, number) for number in range(len(forest.nodes)) if _is_base(forest, number)}
        order = sorted(found, key=lambda node: _rank(found[node]))
        place = {node: rank for rank, node in enumerate(order)}
        base_of, bases_of = {}, {}
        for image, node in forest.node_of.items():
            below = _below(forest, node, place)
            bases_of[image] = tuple(place[each] for each in below)
            nearest = [each for each in below if each != node]
            if nearest:
                base_of[image] = place[nearest[-1]]
        return cls(tuple(found[node] for node in order), base_of, bases_of)

    def of_image(self, number: int) -> FleetBase | None:
        """Return the nearest base of an image; None if it stands on none."""
        return self.bases[self.base_of[number]] if number in self.base_of else None

    def owner_of(self, number: int, layer: int) -> int | None:
        """Return the lowest base of an image that has its layer of this number; None if the layer is the image's own."""
        return next((base for base in self.bases_of[number] if self.bases[base].depth >= layer), None)


def _is_base(forest: Forest, node: int) -> bool:
    return forest.nodes[node].chain_id is not None and len(forest.images_from(node)) > 1


def _rank(base: FleetBase) -> tuple[int, str]:
    return -base.spared_bytes, str(base.chain_id)


def _base(fleet: Fleet, forest: Forest, node: int) -> FleetBase:
    images = tuple(sorted(forest.images_from(node)))
    chain_id, depth = forest.nodes[node].chain_id, forest.nodes[node].depth
    assert chain_id is not None, "only nodes with layers are bases"
    parts = [dict.fromkeys(layer.key for layer in fleet.images[each].facts.layers[:depth]) for each in images]
    sizes = [sum(fleet.layers[key].size for key in keys) for keys in parts]
    distinct = sum(fleet.layers[key].size for key in set().union(*parts))
    return FleetBase(chain_id, depth, images, sizes[0], sum(sizes) - distinct, _name(fleet, forest, node, images))


def _name(fleet: Fleet, forest: Forest, node: int, images: tuple[int, ...]) -> str:
    own = sorted(fleet.images[each].name for each in forest.nodes[node].images)
    if own:
        return own[0]
    # Only the images that stand on this node itself state its name; those on a node above it state that one's.
    above = {each for child in range(node + 1, forest.nodes[node].end) for each in _if_base(forest, child)}
    stated = Counter(fleet.images[each].facts.base_name for each in images if each not in above)
    return next(
        (escape(familiar(name)) for name, _ in sorted(stated.items(), key=lambda each: (-each[1], each[0])) if name), ""
    )


def _if_base(forest: Forest, node: int) -> list[int]:
    return forest.images_from(node) if _is_base(forest, node) else []


def _below(forest: Forest, node: int, place: dict[int, int]) -> list[int]:
    """Return the nodes of the bases that an image at a node consists of or stands on, the lowest first."""
    found = []
    while node != NOWHERE:
        if node in place:
            found.append(node)
        node = forest.nodes[node].parent
    return found[::-1]
