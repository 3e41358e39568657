"""The images of a fleet with what they share, from documents alone: enough to say what deleting any of them frees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath

from layerscope.oci.reference import tag_of
from layerscope.sources.listing.facts import ImageFacts
from layerscope.sources.listing.fleet_query import moment_of
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.text import escape

NO_TEAM = "(no prefix)"


@dataclass(frozen=True, slots=True)
class FleetImage:
    """One image of a fleet. `name` is what reports call it, with its platform where another image has the same name.

    `reference` is what a user types to open it, `exact` opens this very image. `names` are its tags in the form that engines
    show, each once. `uses` is how many containers of a cluster run it.
    """

    facts: ImageFacts
    name: str
    names: tuple[str, ...]
    reference: str
    exact: str
    uses: int = 0

    @property
    def repository(self) -> str:
        """Return its first name without the tag; empty if it has none."""
        return repository_of(self.names[0]) if self.names else ""

    @property
    def team(self) -> str:
        """Return what comes before the last part of its repository, or its registry; a remark where there is neither."""
        return self.repository.rpartition("/")[0] or NO_TEAM

    @property
    def moment(self) -> float | None:
        """Return when it was built, else pushed, in seconds since 1970; None where neither is known."""
        return moment_of(self.facts)

    @property
    def is_untagged(self) -> bool:
        """Tell whether nothing names it, no tag and no file of its own, so that an engine's `prune` removes it."""
        return self.facts.is_dangling


def repository_of(name: str) -> str:
    """Return a name without its tag or digest."""
    name = name.partition("@")[0]
    tag = tag_of(name)
    return name.removesuffix(f":{tag}") if tag else name


@dataclass(frozen=True, slots=True)
class FleetLayer:
    """One distinct layer: its `size` as it is stored, in bytes, and the numbers of the `images` that have it, in order."""

    key: str
    size: int
    images: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Fleet:
    """All images, each once, in the order of their names; `layers` by key, in the order of the images.

    `failed` are sentences about what could not be read, `skipped` about what is no image.
    """

    images: tuple[FleetImage, ...]
    layers: dict[str, FleetLayer]
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: FoundImages) -> Fleet:
        """Arrange what was found; the result does not depend on the order in which it was."""
        ordered = sorted(found.found, key=_order)
        merged = replace(found, found=ordered).merged()
        images = sorted(_images(merged.found), key=lambda image: (image.name, image.exact))
        return cls(tuple(images), _layers(images), tuple(sorted(set(found.problems))), tuple(sorted(set(found.skipped))))

    @cached_property
    def stored_bytes(self) -> int:
        """Return the bytes of all images added up, as if no two shared a layer."""
        return sum(self._sizes)

    @cached_property
    def unique_stored_bytes(self) -> int:
        """Return the bytes of all layers, each once."""
        return sum(layer.size for layer in self.layers.values())

    @cached_property
    def shared_stored_bytes(self) -> int:
        """Return the bytes of the layers that several images have, each once."""
        return sum(layer.size for layer in self.layers.values() if len(layer.images) > 1)

    def layers_of(self, number: int) -> list[FleetLayer]:
        """Return the layers of one image, base first, one that it has twice once."""
        return [self.layers[key] for key in dict.fromkeys(layer.key for layer in self.images[number].facts.layers)]

    def size_of(self, number: int) -> int:
        """Return the bytes of one image as it is stored."""
        return self._sizes[number]

    @cached_property
    def _sizes(self) -> list[int]:
        return [sum(layer.size for layer in self.layers_of(number)) for number in range(len(self.images))]

    def freed_by(self, numbers: Collection[int]) -> int:
        """Return how many bytes removing these images frees: those of the layers that no other image has."""
        gone, keys = set(numbers), {layer.key: layer for number in numbers for layer in self.layers_of(number)}
        return sum(layer.size for layer in keys.values() if gone.issuperset(layer.images))


def _order(found: FoundImage) -> tuple[str, ...]:
    facts = found.facts
    return (*facts.names[:1], facts.place, str(facts.platform), found.reference, found.exact)


def _images(found: Sequence[FoundImage]) -> Iterable[FleetImage]:
    shown = [_names(each.facts) for each in found]
    at_place = _count(each.facts.place for each in found)
    twins: dict[str, list[FoundImage]] = {}
    for each, names in zip(found, shown, strict=True):
        twins.setdefault(_title(each.facts, names), []).append(each)
    same = {title: len(each) for title, each in twins.items()}
    for each, names in zip(found, shown, strict=True):
        facts = each.facts
        title = _title(facts, names)
        reference = _reference(each, names, is_alone=at_place[facts.place] == 1, is_only=same[title] == 1)
        more = _distinction(facts, [twin.facts for twin in twins[title]]) if same[title] > 1 else ""
        yield FleetImage(facts, title + more, names, reference, each.exact or each.reference, each.uses)


def _names(facts: ImageFacts) -> tuple[str, ...]:
    """Return an image's tags in the form that engines show; that of a layout, which is only a word, after the layout's name."""
    return tuple(dict.fromkeys(facts.titles())) if facts.names else ()


def _title(facts: ImageFacts, names: tuple[str, ...]) -> str:
    return names[0] if names else facts.titles()[0]


def _reference(found: FoundImage, names: tuple[str, ...], *, is_alone: bool, is_only: bool) -> str:
    """Return the most readable reference that opens the image: its tag if that is enough, its file if it holds no other."""
    place = found.facts.place
    is_in_file = place and found.reference.startswith(place)
    if is_in_file and is_alone:
        return place
    if is_in_file and is_only and names and found.facts.names:
        return f"{place}:{found.facts.names[0]}"
    return found.reference if is_only or is_in_file else found.exact or found.reference


def _distinction(image: ImageFacts, twins: Sequence[ImageFacts]) -> str:
    """Return what tells an image from others of its name: its platform, else where it is, else its id."""
    if len({twin.platform for twin in twins}) == len(twins):
        return f" {image.platform}"
    if len({twin.place for twin in twins}) == len(twins):
        return f" ({escape(PurePath(image.place).name or 'engine')})"
    return f" ({image.id.short})"


def _count(items: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts


def _layers(images: Sequence[FleetImage]) -> dict[str, FleetLayer]:
    users: dict[str, list[int]] = {}
    sizes: dict[str, int] = {}
    for number, image in enumerate(images):
        for key, size in {layer.key: layer.size for layer in image.facts.layers}.items():
            users.setdefault(key, []).append(number)
            sizes[key] = max(size, sizes.get(key, 0))
    return {key: FleetLayer(key, sizes[key], tuple(numbers)) for key, numbers in users.items()}
