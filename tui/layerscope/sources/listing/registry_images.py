"""All images of a registry, or of those of its repositories that begin with a prefix or match a glob, from documents alone.

A tag costs a HEAD request, and an image a manifest and a config, which the cache keeps: they never change under their digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain

from layerscope.errors import LayerscopeError
from layerscope.oci.digest import Digest, chain_ids
from layerscope.progress import Progress
from layerscope.sources.base import BASE_NAME
from layerscope.sources.documents.choose import fitting
from layerscope.sources.image import Image
from layerscope.sources.listing.facts import ImageFacts, LayerFacts
from layerscope.sources.listing.fleet_query import FleetQuery
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.sources.location import REGISTRY_URL, EngineOptions
from layerscope.sources.open import open_image
from layerscope.sources.registry.browse import Browser, RegistryPlace, newest_first, parse_place
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.find_tags import ATTACHED
from layerscope.sources.registry.side_by_side import side_by_side
from layerscope.sources.registry.tag_facts import TagFacts, TagImage, fetch_tag_facts
from layerscope.text import escape
from layerscope.units import count_text

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class RegistryPattern:
    """Repositories of a registry: those at and below `place`, of which `glob` (empty: any) has to match the whole name."""

    place: RegistryPlace
    glob: str = ""

    @classmethod
    def parse(cls, text: str) -> RegistryPattern:
        """Parse `HOST[/PREFIX]` or `HOST/GLOB`. Raises UsageError, NotFound."""
        host, _, path = text.partition("/")
        found = _GLOB.search(path)
        if not found:
            return cls(parse_place(text.rstrip("/")))
        start = path[: found.start()].rpartition("/")[0]
        return cls(parse_place(f"{host}/{start}".rstrip("/")), path)

    def has(self, repository: str) -> bool:
        """Tell whether a repository is meant."""
        if self.glob:
            return fnmatchcase(repository, self.glob)
        prefix = self.place.prefix
        return not prefix or repository == prefix or repository.startswith(f"{prefix}/")


def registry_images(text: str, query: FleetQuery, *, options: EngineOptions, progress: Progress) -> Iterator[FoundImages]:
    """Yield the images of each repository, as the registry lists them. What cannot be read becomes a problem.

    `text` is `HOST[/PREFIX]` or `HOST/GLOB`, or names one repository or one tag. Raises UsageError and NotFound for what is no
    such name, RegistryFailed and AccessDenied if nothing can be listed.
    """
    pattern = RegistryPattern.parse(text)
    browser = Browser(pattern.place.host, options)
    read = partial(_of_repository, browser, pattern.place, query, options)
    host = escape(pattern.place.host)
    number = total = 0
    for number, found in enumerate(side_by_side(read, _repositories(browser, pattern), browser.traffic), 1):
        total += len(found.found)
        progress(f"{host}: {count_text(total, 'image')} in {number:,} repositories", 0, 0)
        yield found
    if not number and (pattern.glob or pattern.place.prefix):
        yield FoundImages(
            problems=[f"{host} lists no repository {escape(pattern.glob or f'{pattern.place.prefix} or below it')}"]
        )


def _repositories(browser: Browser, pattern: RegistryPattern) -> Iterator[str]:
    place = pattern.place
    if place.reference:
        yield place.prefix
        return
    pages = browser.repository_pages(place.prefix)
    try:
        first = next(pages, [])
    except RegistryFailed:
        if not place.prefix or pattern.glob:
            raise
        first = [place.prefix]  # many registries list tags to those who may not list repositories
    for page in chain([first], pages):
        yield from filter(pattern.has, page)


def _of_repository(browser: Browser, place: RegistryPlace, query: FleetQuery, options: EngineOptions, name: str) -> FoundImages:
    try:
        tags = [TagFacts(place.reference)] if place.reference else _wanted_tags(browser, name, query)
        pushed = {each.tag: each.pushed for each in tags}
        facts = fetch_tag_facts(
            browser.repository(name), pushed, cache=options.cache, platform=query.platform, every_platform=query.every_platform
        )
        return FoundImages.joined(_of_tag(browser.host, name, each, pushed[each.tag], query, options) for each in facts)
    except LayerscopeError as error:
        return FoundImages(problems=[str(error)])


def _wanted_tags(browser: Browser, name: str, query: FleetQuery) -> list[TagFacts]:
    found = {each.tag: each for page in browser.tag_pages(name, query.platform) for each in page}
    tags = [each for tag, each in found.items() if not ATTACHED.fullmatch(tag) and query.has_tag(tag)]
    return newest_first(tags)[: query.newest] if query.newest else tags


def _of_tag(host: str, repository: str, tag: TagFacts, pushed: str, query: FleetQuery, options: EngineOptions) -> FoundImages:
    name = f"{host}/{repository}" + ("@" if tag.tag.startswith("sha256:") else ":") + tag.tag
    if tag.problem:
        return FoundImages(problems=[f"{escape(name)}: {tag.problem}"])
    images = tag.images if query.every_platform else (tag.chosen,) if tag.chosen else ()
    wanted = [each for each in images if not each.is_artifact]
    if not images and query.platform and any(not each.is_artifact for each in tag.images):
        return FoundImages(skipped=[f"{escape(name)} has no image for {query.platform}"])
    problems = [f"{escape(name)}: {each.problem}" for each in wanted if each.problem]
    default = _opened_by(tag)
    found = [_found(name, each, pushed, options, default) for each in wanted if each.is_read and not each.problem]
    if query.every_platform:
        found = [each for each in found if query.platform in (None, each.facts.platform)]
    return FoundImages([each for each in found if query.is_recent(each.facts)], problems)


def _opened_by(tag: TagFacts) -> Digest | None:
    """Return the manifest of the one image that the tag alone opens on this machine; None if it does not decide."""
    images = [each for each in tag.images if not each.is_artifact]
    fits = images if len(images) == 1 else fitting(images, None)
    return fits[0].digest if len(fits) == 1 else None


def _found(name: str, image: TagImage, pushed: str, options: EngineOptions, default: Digest | None) -> FoundImage:
    repository = name.partition("@")[0] if "@" in name else name.rpartition(":")[0]
    exact = f"{REGISTRY_URL}{repository}@{image.digest}"

    def open_it(progress: Progress) -> Image:
        return open_image(exact, platform=image.platform, engine_options=options, progress=progress)

    reference = f"{REGISTRY_URL}{name}" if image.digest == default else exact
    return FoundImage(_facts(name, image, pushed), reference, open_it, exact)


def _facts(name: str, image: TagImage, pushed: str) -> ImageFacts:
    config = image.config
    assert config is not None, "what was read and is no artifact has a config"
    labels = {**config.config.labels, **image.annotations}
    diff_ids = config.rootfs.diff_ids
    identities = diff_ids if len(diff_ids) == len(image.layers) else tuple(layer.digest for layer in image.layers)
    layers = zip(chain_ids(identities), image.layers, strict=True)
    return ImageFacts(
        id=image.config_digest or image.digest,
        names=(name,),
        layers=tuple(_layer(chain_id, layer.digest, layer.size) for chain_id, layer in layers),
        platform=image.platform,
        created=image.created,
        place=name.partition("/")[0],
        wasted_bytes=None if image.layers else 0,
        base_name=labels.get(BASE_NAME, ""),
        pushed=pushed,
    )


def _layer(chain_id: Digest, digest: Digest, size: int) -> LayerFacts:
    return LayerFacts(chain_id, digest, max(size, 0))
