"""The images of a fleet with what they share, from documents alone: enough to say what deleting any of them frees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from layerscope.oci.reference import DEFAULT_TAG, tag_of
from layerscope.sources.listing.facts import ImageFacts, is_word
from layerscope.sources.listing.fleet_query import moment_of
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.text import escape

NO_TEAM = "(no prefix)"


@dataclass(frozen=True, slots=True)
class FleetImage:
    """One image of a fleet. `name` is what reports call it, with its platform where another image has the same name.

    `reference` is what a user types to open it, `exact` opens this very image. `names` are its tags in the form that engines
    show, each once. `builds` are its repositories and tags; one of a layout, whose tags are only words, is the layout itself.
    `uses` is how many containers of a cluster run it.
    """

    facts: ImageFacts
    name: str
    names: tuple[str, ...]
    builds: tuple[tuple[str, str], ...]
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
        alike = FoundImages(sorted(found.found, key=_order)).alike()
        images = sorted(_images(alike), key=lambda image: (image.name, image.exact))
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


def _order(found: FoundImage) -> tuple[object, ...]:
    facts = found.facts
    return (not facts.names, facts.names[:1], facts.place, str(facts.platform), found.reference, found.exact)


def _images(alike: Sequence[Sequence[FoundImage]]) -> Iterable[FleetImage]:
    """Yield an image for all places where it was found, with the names that it has in any of them."""
    names = [tuple(dict.fromkeys(name for each in group for name in _names(each.facts))) for group in alike]
    titles = [shown[0] if shown else group[0].facts.titles()[0] for group, shown in zip(alike, names, strict=True)]
    twins: dict[str, list[FoundImage]] = {}
    meant: dict[str, set[int]] = {}
    for number, (group, title) in enumerate(zip(alike, titles, strict=True)):
        twins.setdefault(title, []).append(group[0])
        for each in group:
            meant.setdefault(each.reference, set()).add(number)
    for group, shown, title in zip(alike, names, titles, strict=True):
        first = group[0]
        yield FleetImage(
            first.facts,
            title + _distinction(first, twins[title]),
            shown,
            tuple(dict.fromkeys(build for each in group for build in _builds(each.facts))),
            first.reference if len(meant[first.reference]) == 1 or not first.exact else first.exact,
            first.exact or first.reference,
            sum(each.uses for each in group),
        )


def _names(facts: ImageFacts) -> tuple[str, ...]:
    """Return an image's tags in the form that engines show; that of a layout, which is only a word, after the layout's name.

    Engines list an image's tags in any order: `latest`, which says least, comes last.
    """
    titles = facts.titles() if facts.names else ()
    return titles if facts.place else tuple(sorted(titles, key=lambda title: tag_of(title) == DEFAULT_TAG))


def _builds(facts: ImageFacts) -> Iterable[tuple[str, str]]:
    for name, title in zip(facts.names, facts.titles() if facts.names else (), strict=True):
        yield (facts.place, name) if facts.place and is_word(name) else (repository_of(title), tag_of(title))


def _distinction(found: FoundImage, twins: Sequence[FoundImage]) -> str:
    """Return what tells an image from others of its name: its platform, else the end of where it is, else its id."""
    if len(twins) == 1:
        return ""
    if len({twin.facts.platform for twin in twins}) == len(twins):
        return f" {escape(str(found.facts.platform))}"
    places = {twin.facts.place: PurePath(twin.facts.place).parts or ("engine",) for twin in twins}
    if len(places) == len(twins):
        lengths = range(1, 1 + max(map(len, places.values())))
        length = next(each for each in lengths if len({parts[-each:] for parts in places.values()}) == len(twins))
        return f" ({escape(str(PurePath(*places[found.facts.place][-length:])))})"
    is_id_enough = len({twin.facts.id for twin in twins}) == len(twins)
    return f" ({found.facts.id.short if is_id_enough else escape(found.exact or found.reference)})"


def _layers(images: Sequence[FleetImage]) -> dict[str, FleetLayer]:
    users: dict[str, list[int]] = {}
    sizes: dict[str, Counter[int]] = {}
    for number, image in enumerate(images):
        for key, size in {layer.key: layer.size for layer in image.facts.layers}.items():
            users.setdefault(key, []).append(number)
            sizes.setdefault(key, Counter())[size] += 1
    return {key: FleetLayer(key, _likeliest(sizes[key]), tuple(numbers)) for key, numbers in users.items()}


def _likeliest(stated: Counter[int]) -> int:
    """Return the size that most images state, of equals the smallest: a document may state any."""
    return min(stated, key=lambda size: (-stated[size], size))
