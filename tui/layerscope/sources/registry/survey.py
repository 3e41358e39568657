"""What a registry has at a place that the user named: repositories, their tags, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from layerscope.cache.cache import Cache
from layerscope.errors import LayerscopeError, NotFound
from layerscope.oci.platform import Platform
from layerscope.oci.reference import DEFAULT_DOMAIN, OFFICIAL
from layerscope.sources.registry.attached import Attached, find_attached, is_attaching_tag
from layerscope.sources.registry.browse import Browser, NothingListed, RegistryPlace, newest_first
from layerscope.sources.registry.failures import AccessDenied, NoSuchImage, RegistryFailed, RequestRefused
from layerscope.sources.registry.registry_name import RegistryName
from layerscope.sources.registry.side_by_side import side_by_side
from layerscope.sources.registry.tag_facts import TagFacts
from layerscope.text import escape

_NO_REPOSITORY = (NoSuchImage, AccessDenied, RequestRefused)


@dataclass(frozen=True, slots=True)
class SurveyDepth:
    """How far to look: `has_facts` reads what tags lead to, `has_attached` what is attached to their images.

    None: only of what the user named itself, a repository or an image. `most` bounds the tags of which facts are read, newest
    first; 0 for no bound. `platform` chooses the image of each tag.
    """

    has_facts: bool | None = None
    has_attached: bool | None = None
    most: int = 0
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class ListedRepository:
    """A repository, called `host/name`, and its tags, newest first; those from `detailed` on are names alone.

    `attached` is by tag, for tags where it was asked for. With `problem`, a sentence, its tags could not be listed.
    """

    name: str
    tags: tuple[TagFacts, ...] = ()
    detailed: int = 0
    attached: dict[str, list[Attached]] = field(default_factory=dict)
    problem: str = ""

    @property
    def problems(self) -> Iterator[str]:
        """Yield a sentence for all that could not be read."""
        if self.problem:
            yield self.problem
        for each in self.tags:
            yield from filter(None, (each.problem, *(image.problem for image in each.images)))


@dataclass(frozen=True, slots=True)
class Arrived:
    """A page of names of repositories; `tags` are set if it is the one repository that the user named."""

    names: Sequence[str]
    tags: list[TagFacts] | None = None


def arrivals(browser: Browser, place: RegistryPlace, platform: Platform | None = None) -> Iterator[Arrived]:
    """Yield the repositories at a place, page by page. Raises NotFound if there are none, AccessDenied, RegistryFailed."""
    is_namespace = place.host == DEFAULT_DOMAIN and "/" not in place.prefix
    refusal: RegistryFailed | None = None
    if place.prefix and not place.is_below and not is_namespace:
        try:
            tags = listed_tags(browser, place.prefix, platform)
        except _NO_REPOSITORY as error:
            refusal = error
        else:
            if tags:
                yield Arrived([place.prefix], tags)
                return
    found = False
    is_folder = place.is_below or (is_namespace and place.prefix)
    try:
        for page in browser.repository_pages(f"{place.prefix}/" if is_folder else place.prefix):
            found = found or bool(page)
            yield Arrived(page)
    except NothingListed as error:
        raise refusal or error from error  # what the named repository's own list said tells more
    if not found and is_namespace and place.prefix and not place.is_below:
        name = OFFICIAL + place.prefix
        yield Arrived([name], listed_tags(browser, name, platform))
    elif not found:
        raise refusal if isinstance(refusal, AccessDenied) else NotFound(_nothing(place))


def listed_tags(browser: Browser, name: str, platform: Platform | None) -> list[TagFacts]:
    """Return the tags of a repository, newest first, without those that only attach something to an image."""
    pages = browser.tag_pages(name, platform)
    return newest_first({each.tag: each for page in pages for each in page if not is_attaching_tag(each.tag)}.values())


def survey(browser: Browser, place: RegistryPlace, depth: SurveyDepth, cache: Cache | None) -> Iterator[ListedRepository]:
    """Yield what there is at a place, as it arrives. Raises as `arrivals` does."""
    look = _Look(browser, depth, cache)
    if place.reference:
        yield look.image(place)
        return
    named = ((name, page.tags) for page in arrivals(browser, place, depth.platform) for name in page.names)
    for listed, is_named in side_by_side(look.listed, named, browser.traffic):
        yield look.detailed(listed, is_named=is_named)


def _nothing(place: RegistryPlace) -> str:
    host = escape(place.host)
    if place.prefix:
        return f"{host} lists no repository that begins with {escape(place.prefix)}"
    return f"{host} lists no repositories: it is empty, or it hides them from you; if you know one, name it"


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a registry: whom to ask, how far, and the cache."""

    browser: Browser
    depth: SurveyDepth
    cache: Cache | None

    def listed(self, named: tuple[str, list[TagFacts] | None]) -> tuple[ListedRepository, bool]:
        """Return a repository with the names of its tags, and whether it is the one that the user named."""
        name, tags = named
        full = f"{self.browser.host}/{name}"
        try:
            found = listed_tags(self.browser, name, self.depth.platform) if tags is None else tags
        except LayerscopeError as error:
            return ListedRepository(full, problem=str(error)), False
        return ListedRepository(full, tuple(found)), tags is not None

    def detailed(self, listed: ListedRepository, *, is_named: bool) -> ListedRepository:
        """Return a repository with as much of its tags as is asked for."""
        depth, tags, name = self.depth, listed.tags, listed.name.partition("/")[2]
        if listed.problem or not (is_named if depth.has_facts is None else depth.has_facts):
            return listed
        count = min(depth.most or len(tags), len(tags))
        facts = tuple(self.browser.facts(name, tags[:count], depth.platform))
        attached = {each.tag: self._attached(name, each) for each in facts} if depth.has_attached else {}
        return replace(listed, tags=facts + tags[count:], detailed=count, attached=attached)

    def image(self, place: RegistryPlace) -> ListedRepository:
        """Return the one image that the user named, of every platform, and what is attached to it."""
        repository = self.browser.repository(place.prefix)
        tag = [TagFacts(place.reference)]
        (facts,) = self.browser.facts(place.prefix, tag, self.depth.platform, every=True)
        if facts.problem:
            raise NotFound(facts.problem)
        return ListedRepository(
            str(RegistryName(place.host, place.prefix)), (facts,), 1, {facts.tag: find_attached(repository, facts, self.cache)}
        )

    def _attached(self, name: str, facts: TagFacts) -> list[Attached]:
        return find_attached(self.browser.repository(name), facts, self.cache)
