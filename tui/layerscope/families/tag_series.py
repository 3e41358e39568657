"""The tags of a repository over time: their order, their own part and their base's, and which layers grew from one to the next.

Sizes are of layers as they are stored, so of a pull.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from layerscope.oci.digest import Digest
from layerscope.oci.version_order import variant_of, version_key
from layerscope.sources.listing.sized_tag import SizedTag, TagLayer, build_moment, total_size

Layers = tuple[TagLayer, ...]


class TagOrder(Enum):
    """What tags are ordered by, oldest first. The values are words for a sentence."""

    CREATED = "date of creation"
    PUSHED = "time of push"
    VERSION = "version"


class BaseClue(Enum):
    """How it is known which layers are the base's: those with the same stated base share them, or most tags share them."""

    STATED = "stated"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class TagBase:
    """The base part of a tag: its first `layers`, of `size` bytes as stored."""

    layers: int
    size: int
    clue: BaseClue


@dataclass(frozen=True, slots=True)
class LayerGrowth:
    """A layer that differs between two images: its number in the old and in the new one (None: only one has it).

    `layer` is the new one, or the old one if it is gone; `grown` are the bytes that it adds.
    """

    old: int | None
    new: int | None
    layer: TagLayer
    grown: int


@dataclass(frozen=True, slots=True)
class TagGrowth:
    """The growth from the tag with number `old` to the one with number `new`, the next of its variant.

    `changes` are the layers that differ, the ones that count most first; empty where layers are not known. `shared_layers` is
    the number of leading layers that both have.
    """

    old: int
    new: int
    grown: int
    changes: tuple[LayerGrowth, ...] = ()
    shared_layers: int = 0


@dataclass(frozen=True, slots=True)
class TagSeries:
    """Tags from oldest to newest, and beside them `bases`, `growths` and `twins`: the first tag of the same image.

    These are None where not known, and where there is none before. `largest` are the bytes of the biggest tag. `undated` tags
    have no date and stand by their version.
    """

    tags: tuple[SizedTag, ...]
    order: TagOrder
    undated: int
    largest: int
    bases: tuple[TagBase | None, ...]
    growths: tuple[TagGrowth | None, ...]
    twins: tuple[int | None, ...]

    @classmethod
    def of(cls, tags: Iterable[SizedTag]) -> TagSeries:
        """Order tags by creation, else by push, else by version, and compare each with the one before of its variant."""
        listed = sorted(tags, key=lambda tag: version_key(tag.tag))
        order = chosen_order(listed)
        placed = tuple(_ordered(listed, order))
        undated = sum(_moment(tag, order) is None for tag in placed) if order is not TagOrder.VERSION else 0
        largest = max((tag.wire_bytes or 0 for tag in placed), default=0)
        return cls(placed, order, undated, largest, tuple(_bases(placed)), tuple(_growths(placed)), _twins(placed))

    def worst(self) -> list[TagGrowth]:
        """Return the growths above 0, most first."""
        return sorted((each for each in self.growths if each is not None and each.grown > 0), key=lambda each: -each.grown)


def chosen_order(tags: Sequence[SizedTag]) -> TagOrder:
    """Return the first order that at least half of the tags have a date for, by which not all are the same; else VERSION."""
    stated = {TagOrder.CREATED: [tag.created for tag in tags], TagOrder.PUSHED: [tag.pushed for tag in tags]}
    for order, texts in stated.items():
        moments = [moment for text in texts if (moment := build_moment(text)) is not None]
        if moments and 2 * len(moments) >= len(tags) and (len(set(moments)) > 1 or len(tags) == 1):
            return order
    return TagOrder.VERSION


def _moment(tag: SizedTag, order: TagOrder) -> float | None:
    """Return when a tag was created; or when it was pushed, if that is the order or all that is known."""
    created, pushed = build_moment(tag.created), build_moment(tag.pushed)
    if order is TagOrder.PUSHED or created is None:
        return pushed
    return created


def _ordered(tags: Sequence[SizedTag], order: TagOrder) -> list[SizedTag]:
    """Sort tags, which are in the order of versions; one without a date comes after the nearest lower version."""
    if order is TagOrder.VERSION:
        return list(tags)
    dated: list[tuple[float, SizedTag]] = []
    followers: dict[str, list[SizedTag]] = {"": []}
    lower = ""
    for tag in tags:
        moment = _moment(tag, order)
        if moment is None:
            followers[lower].append(tag)
        else:
            dated.append((moment, tag))
            lower = tag.tag
            followers[lower] = []
    dated.sort(key=lambda each: each[0])
    return followers[""] + [each for _, tag in dated for each in (tag, *followers[tag.tag])]


def _twins(tags: Sequence[SizedTag]) -> tuple[int | None, ...]:
    firsts: dict[Digest, int] = {}
    return tuple(
        first if tag.digest and (first := firsts.setdefault(tag.digest, number)) != number else None
        for number, tag in enumerate(tags)
    )


# The base.


def _bases(tags: Sequence[SizedTag]) -> list[TagBase | None]:
    images = {tag.layers: tag for tag in tags if tag.layers}
    stated, shared = _stated_bases(images.values()), _shared_bases(images.values())
    found: list[TagBase | None] = []
    for tag in tags:
        count, clue = stated.get(tag.layers), BaseClue.STATED
        if count is None:
            count, clue = shared.get(tag.layers), BaseClue.SHARED
        size = total_size((tag.layers or ())[: count or 0])
        found.append(TagBase(count, size, clue) if count is not None and size is not None else None)
    return found


def _stated_bases(images: Iterable[SizedTag]) -> dict[Layers | None, int]:
    """Return how many leading layers images have in common that state the same base; nothing where only one states it."""
    groups: dict[str, list[Layers]] = {}
    for image in images:
        if image.base_digest and image.layers:
            groups.setdefault(image.base_digest, []).append(image.layers)
    counts: dict[Layers | None, int] = {}
    for group in groups.values():
        common = min(_common(group[0], other) for other in group)
        counts |= dict.fromkeys(group, common) if len(group) > 1 else {}
    return counts


def _shared_bases(images: Iterable[SizedTag]) -> dict[Layers | None, int]:
    """Return how many leading layers each image has of those that more than half of the images of its variant begin with."""
    groups: dict[str, list[Layers]] = {}
    for image in images:
        if image.layers:
            groups.setdefault(variant_of(image.tag), []).append(image.layers)
    counts: dict[Layers | None, int] = {}
    for group in groups.values():
        if len(group) > 1:
            usual = _usual_start(group)
            counts |= {layers: _common(usual, layers) for layers in group}
    return counts


def _usual_start(group: Sequence[Layers]) -> Layers:
    """Return the longest run of layers that more than half of the images begin with."""
    start: Layers = ()
    left = list(group)
    while True:
        here = len(start)
        left = [layers for layers in left if len(layers) > here]
        usual, count = Counter(layers[here].digest for layers in left).most_common(1)[0] if left else (None, 0)
        if 2 * count <= len(group):
            return start
        left = [layers for layers in left if layers[here].digest == usual]
        start = left[0][: here + 1]


def _common(mine: Layers, theirs: Layers) -> int:
    """Count the leading layers that two images share."""
    for number, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        if one.digest != other.digest:
            return number
    return min(len(mine), len(theirs))


# What grew.


def _growths(tags: Sequence[SizedTag]) -> list[TagGrowth | None]:
    before: dict[str, int] = {}
    found: list[TagGrowth | None] = []
    for number, tag in enumerate(tags):
        variant = variant_of(tag.tag)
        old = before.get(variant)
        found.append(_growth(tags, old, number) if old is not None else None)
        if tag.is_known:
            before[variant] = number
    return found


def _growth(tags: Sequence[SizedTag], old: int, new: int) -> TagGrowth | None:
    before, after = tags[old], tags[new]
    if before.wire_bytes is None or after.wire_bytes is None:
        return None
    grown = after.wire_bytes - before.wire_bytes
    if before.layers is None or after.layers is None:
        return TagGrowth(old, new, grown)
    changes = sorted(layer_growths(before.layers, after.layers), key=lambda change: -abs(change.grown))
    return TagGrowth(old, new, grown, tuple(changes), _common(before.layers, after.layers))


def layer_growths(old: Layers, new: Layers) -> list[LayerGrowth]:
    """Pair the layers that only one image has: by instruction, in order; then by position; the rest are added or gone."""
    mine, theirs = {layer.digest for layer in old}, {layer.digest for layer in new}
    gone, added = dict.fromkeys(_numbered(old, theirs)), _numbered(new, mine)
    steps: dict[str, list[int]] = {}
    for left in reversed(gone):
        steps.setdefault(old[left - 1].created_by, []).append(left)
    partners: dict[int, int] = {}
    for right in added:
        said = new[right - 1].created_by
        if said and steps.get(said):
            partners[right] = steps[said].pop()
            del gone[partners[right]]
    partners |= {right: right for right in added if right not in partners and right in gone}
    pairs: list[tuple[int | None, int | None]] = [(partners.get(right), right) for right in added]
    pairs += [(left, None) for left in gone if partners.get(left) != left]
    return [_layer_growth(old, new, left, right) for left, right in pairs]


def _numbered(layers: Layers, others: set[Digest]) -> list[int]:
    """Return the numbers, from 1, of layers that are not among the others; a layer that occurs twice counts once."""
    first = {layer.digest: number for number, layer in reversed(list(enumerate(layers, 1)))}
    return sorted(number for digest, number in first.items() if digest not in others)


def _layer_growth(old: Layers, new: Layers, left: int | None, right: int | None) -> LayerGrowth:
    before = max(old[left - 1].size, 0) if left else 0
    after = max(new[right - 1].size, 0) if right else 0
    layer = new[right - 1] if right else old[(left or 1) - 1]
    return LayerGrowth(left, right, layer, after - before)
