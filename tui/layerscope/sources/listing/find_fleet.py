"""Finds the images of a fleet at the places that a user named: engines, directories, registries, lists, single images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from layerscope.errors import LayerscopeError
from layerscope.progress import Progress, ignore
from layerscope.sources.listing.facts import ImageFacts
from layerscope.sources.listing.find_images import find_images
from layerscope.sources.listing.fleet_query import FleetQuery
from layerscope.sources.listing.found import FoundImages
from layerscope.sources.location import REGISTRY, REGISTRY_URL, EngineOptions
from layerscope.sources.registry.registry_name import parse_image_name
from layerscope.sources.registry.side_by_side import side_by_side
from layerscope.sources.registry.visit import RegistryVisit


@dataclass(frozen=True, slots=True)
class FleetPlaces:
    """Where to look: `named` places, further `listed` ones, and images of registries that run in a cluster, each with how many
    containers run it.
    """

    named: Sequence[str] = ()
    listed: Sequence[str] = ()
    running: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_engine(self) -> bool:
        """Tell whether nothing was named, so that the engine's images are meant."""
        return not (self.named or self.listed or self.running)


def find_fleet(
    places: FleetPlaces, query: FleetQuery, *, options: EngineOptions, progress: Progress = ignore
) -> Iterator[FoundImages]:
    """Yield images as they are found; one that is at several places is found several times (`FoundImages.merged`).

    What cannot be read becomes a problem. Raises EngineFailed and NotFound if an engine is meant and none answers.
    """
    # A look at all of the cache takes longer than to write one file, and there are thousands.
    many = replace(options.cache, makes_room=False) if options.cache is not None else None
    options = replace(options, cache=many, visit=options.visit or RegistryVisit(keeps_layers=False))
    if places.is_engine:
        yield _fitting(find_images((), engine_options=options, progress=progress), query)
    in_registries = dict(places.running)
    for place in (*places.named, *places.listed):
        if place.startswith(REGISTRY_URL):
            in_registries.setdefault(place.removeprefix(REGISTRY_URL), 0)
        else:
            yield from (_fitting(found, query) for found in _at(place, query, options, progress))
    yield from (_fitting(found, query) for found in _in_registries(in_registries, query, options))


def _at(place: str, query: FleetQuery, options: EngineOptions, progress: Progress) -> Iterator[FoundImages]:
    try:
        if place.startswith(REGISTRY):
            from layerscope.sources.listing.registry_images import registry_images

            yield from registry_images(place.removeprefix(REGISTRY), query, options=options, progress=progress)
        elif _is_directory(place):
            from layerscope.sources.listing.directory_images import directory_images

            yield from directory_images(Path(place), progress=progress)
        else:
            yield find_images((place,), platform=query.platform, engine_options=options, progress=progress)
    except LayerscopeError as error:
        yield FoundImages(problems=[str(error)])


def _is_directory(place: str) -> bool:
    try:
        return Path(place).is_dir()
    except (OSError, ValueError):
        return False


def _in_registries(names: Mapping[str, int], query: FleetQuery, options: EngineOptions) -> Iterator[FoundImages]:
    """Yield the image of each name in its registry, with how many containers run it; several are asked for at a time."""
    visit = options.visit or RegistryVisit()
    traffic = visit.traffic(options.bytes_per_second)

    def read(name: str) -> FoundImages:
        if query.every_platform or (names[name] and query.platform is not None):
            # What runs may be of any platform that the name leads to, so that none of these is unused.
            images = _every_platform(name, replace(query, platform=None, every_platform=True), options)
        else:
            images = find_images((f"{REGISTRY_URL}{name}",), platform=query.platform, engine_options=options)
        return replace(images, found=[replace(each, uses=names[name]) for each in images.found])

    yield from side_by_side(read, names, traffic)


def _every_platform(name: str, query: FleetQuery, options: EngineOptions) -> FoundImages:
    try:
        full = parse_image_name(name)
    except LayerscopeError as error:
        return FoundImages(problems=[str(error)])
    images = FoundImages.joined(_at(f"{REGISTRY}{full}", query, options, ignore))
    if not (full.tag and full.digest):
        return images
    tagged = str(replace(full, digest=None))  # what a pod calls by both is listed by the digest, and shown by the tag
    return replace(images, found=[replace(each, facts=replace(each.facts, names=(tagged,))) for each in images.found])


def _fitting(found: FoundImages, query: FleetQuery) -> FoundImages:
    """Return the images that are recent enough and for the wanted platform."""
    return replace(found, found=[each for each in found.found if _fits(each.facts, query)])


def _fits(image: ImageFacts, query: FleetQuery) -> bool:
    return query.is_recent(image) and (query.platform is None or image.platform.is_kin_of(query.platform))
