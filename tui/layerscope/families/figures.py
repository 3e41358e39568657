"""Computes what each image costs when every layer is stored once: its own bytes, what it shares, what removing it frees.

Also formats an image's age.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from layerscope.families.forest import Forest, grow
from layerscope.sources.listing.facts import ImageFacts
from layerscope.text import escape

_STEPS = (("year", 365 * 86400), ("month", 30 * 86400), ("week", 7 * 86400), ("day", 86400), ("hour", 3600), ("min", 60))
OLDEST = 150 * 365 * 86400
"""The greatest age, in seconds, that is taken for a build's: reproducible builds state 1970, or year 1."""


@dataclass(frozen=True, slots=True)
class ImageFigures:
    """Bytes of one image: `size` is `own`, of layers that no other image has, plus `shared`.

    `freed` is what removing one of its names frees while all other names stay: its own bytes, or nothing before the last name.
    `sharing` is the number of other images that it shares layers with, `carriers` the number of images that have all of its
    layers, itself among them. `own_wasted` is the waste that the image it was built on does not have, None where not known.
    """

    size: int
    own: int
    freed: int
    sharing: int
    carriers: int
    own_wasted: int | None

    @property
    def shared(self) -> int:
        """Return the bytes of layers that other images have, too."""
        return self.size - self.own


@dataclass(frozen=True, slots=True)
class FamilyTotals:
    """Bytes of all images: `listed` adds up their sizes, `stored` counts every layer once.

    `prunable` is what removing all `dangling` images at once frees. `wasted` adds up the known `own_wasted`.
    """

    images: int
    families: int
    dangling: int
    listed: int
    stored: int
    prunable: int
    wasted: int | None

    @property
    def saved(self) -> int:
        """Return the bytes that sharing saves."""
        return self.listed - self.stored


class ImageOrder(Enum):
    """A sort order of images: by one figure, biggest first, or by name."""

    SIZE = "size"
    OWN = "own"
    FREED = "frees"
    WASTED = "wasted"
    NAME = "name"


class LayerUsage:
    """Which images use each layer.

    A layer has one integer, whose bit i stands for image i: 1,000 images take milliseconds.
    """

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self._sizes: dict[str, int] = {}
        self._users: dict[str, int] = {}
        for number, image in enumerate(forest.images):
            for layer in image.layers:
                self._sizes[layer.key] = max(layer.size, self._sizes.get(layer.key, 0))
                self._users[layer.key] = self._users.get(layer.key, 0) | 1 << number
        has_places = len({image.place for image in forest.images}) > 1
        self._titles = [image.titles(has_place=has_places) for image in forest.images]
        self._twins: dict[tuple[str, ...], list[int]] = {}
        for number, titles in enumerate(self._titles):
            self._twins.setdefault(titles, []).append(number)
        self.figures = tuple(self._figures(number) for number in range(len(forest.images)))

    @classmethod
    def of(cls, images: Iterable[ImageFacts], order: ImageOrder = ImageOrder.SIZE) -> LayerUsage:
        """Return the usage of layers by these images, sorted by `order`."""
        return cls(grow(tuple(images))).ordered(order)

    def ordered(self, order: ImageOrder) -> LayerUsage:
        """Return the same usage with the images in another order; they keep their numbers."""
        return LayerUsage(self.forest.ranked(lambda number: self._rank(number, order)))

    def _rank(self, number: int, order: ImageOrder) -> tuple[int, tuple[str, ...], int]:
        figures = self.figures[number]
        sizes = {ImageOrder.SIZE: figures.size, ImageOrder.OWN: figures.own, ImageOrder.FREED: figures.freed}
        sizes[ImageOrder.WASTED] = self.forest.images[number].wasted_bytes or 0
        return -sizes.get(order, 0), self._titles[number], number

    def _figures(self, number: int) -> ImageFigures:
        image = self.forest.images[number]
        keys = {layer.key for layer in image.layers}
        own = sum(self._sizes[key] for key in keys if self._users[key] == 1 << number)
        return ImageFigures(
            size=sum(self._sizes[key] for key in keys),
            own=own,
            freed=own if len(image.names) < 2 else 0,
            sharing=self._sharing(image).bit_count() - bool(image.layers),
            carriers=len(self.forest.images_from(self.forest.node_of[number])),
            own_wasted=self._own_wasted(number),
        )

    def _sharing(self, image: ImageFacts) -> int:
        """Return the images that have any layer of `image`, itself included, as an integer whose bit i stands for image i."""
        bits = 0
        for layer in image.layers:
            bits |= self._users[layer.key]
        return bits

    def titles(self, number: int) -> tuple[str, ...]:
        """Return what to call an image: its names; if other images have the same, also its platform, or its place and id."""
        image, titles = self.forest.images[number], self._titles[number]
        twins = self._twins[titles]
        if len(twins) == 1:
            return titles
        if len({self.forest.images[twin].platform for twin in twins}) == len(twins):
            return (f"{titles[0]} {escape(str(image.platform))}", *titles[1:])
        return (f"{titles[0]} ({escape(image.place or 'engine')} {image.id.short})", *titles[1:])

    def sharing(self, number: int) -> list[int]:
        """Return the numbers of the other images that have layers of image `number`."""
        return [other for other in _bits(self._sharing(self.forest.images[number])) if other != number]

    def images_below(self, number: int) -> tuple[int, ...]:
        """Return the numbers of the images that this one was built on: at the nearest node below it that has images."""
        nodes = self.forest.nodes
        at = nodes[self.forest.node_of[number]].parent
        while at >= 0 and not nodes[at].images:
            at = nodes[at].parent
        return nodes[at].images if at >= 0 else ()

    def _own_wasted(self, number: int) -> int | None:
        """Return an image's waste minus that of the image it was built on, which is part of it; None where not known."""
        images = self.forest.images
        wasted = images[number].wasted_bytes
        below = self.images_below(number)
        if wasted is None or not below:
            return wasted
        known = [images[each].wasted_bytes for each in below if images[each].wasted_bytes is not None]
        return max(wasted - (known[0] or 0), 0) if known else None

    def size_to(self, node: int) -> int:
        """Return the bytes of the layers from the bottom up to a node of the forest; a layer that occurs twice counts once."""
        node_facts = self.forest.nodes[node]
        image = self.forest.images[self.forest.images_from(node)[0]]
        return sum(self._sizes[key] for key in {layer.key for layer in image.layers[: node_facts.depth]})

    @property
    def layers(self) -> Iterator[tuple[str, int, list[int]]]:
        """Yield each layer once: its key in the store, its bytes, the numbers of the images that have it."""
        for key, users in self._users.items():
            yield key, self._sizes[key], list(_bits(users))

    @property
    def totals(self) -> FamilyTotals:
        images = self.forest.images
        dangling = sum(1 << number for number, image in enumerate(images) if image.is_dangling)
        return FamilyTotals(
            images=len(images),
            families=sum(not node.level for node in self.forest.nodes),
            dangling=dangling.bit_count(),
            listed=sum(each.size for each in self.figures),
            stored=sum(self._sizes.values()),
            prunable=sum(size for key, size in self._sizes.items() if not self._users[key] & ~dangling),
            wasted=self._wasted(),
        )

    def _wasted(self) -> int | None:
        """Return the wasted bytes on the disk, as far as known; None if nothing is known.

        Images with exactly the same layers, at one node, waste the same bytes, which count once.
        """
        found = [
            next((self.figures[each].own_wasted for each in node.images if self.figures[each].own_wasted is not None), None)
            for node in self.forest.nodes
        ]
        known = [each for each in found if each is not None]
        return sum(known) if known else None


def _bits(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def age_text(created: str, now: float) -> str:
    """Return, for example, `3 days` for an RFC 3339 time; empty if it is invalid or not a build's time."""
    try:
        moment = datetime.fromisoformat(created[:19]).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return ""
    seconds = now - moment
    if moment <= 86400 or seconds < 0 or seconds > OLDEST:
        return ""
    for word, length in _STEPS:
        count = int(seconds // length)
        if count >= (1 if word in ("day", "hour", "min") else 2):
            return f"{count} {word}" + ("s" if count > 1 else "")
    return "now"
