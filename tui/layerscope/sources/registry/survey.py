"""What a registry has at a place that the user named: repositories, their tags, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from layerscope.cache.cache import Cache
from layerscope.errors import LayerscopeError, NotFound
from layerscope.oci.platform import Platform
from layerscope.oci.reference import DEFAULT_DOMAIN, OFFICIAL
from layerscope.sources.registry.attached import Attached, find_attached, is_attaching_tag
from layerscope.sources.registry.browse import Browser, NothingListed, RegistryPlace, newest_first
from layerscope.sources.registry.failures import AccessDenied, NoSuchImage, RegistryFailed, RequestRefused
from layerscope.sources.registry.side_by_side import side_by_side
from layerscope.sources.registry.tag_facts import TagFacts, fetch_tag_facts
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


def survey(browser: Browser, place: RegistryPlace, depth: SurveyDepth, cache: Cache | None) -> Iterator[ListedRepository]:
    """Yield what there is at a place, as it arrives. Raises NotFound if there is nothing, AccessDenied, RegistryFailed."""
    look = _Look(browser, depth, cache)
    if place.reference:
        yield look.image(place)
        return
    is_namespace = place.host == DEFAULT_DOMAIN and "/" not in place.prefix
    refusal: RegistryFailed | None = None
    if place.prefix and not place.is_below and not is_namespace:
        try:
            tags = look.tags(place.prefix)
        except _NO_REPOSITORY as error:
            refusal = error
        else:
            if tags:
                yield look.repository(place.prefix, tags, is_named=True)
                return
    found = False
    try:
        for each in look.repositories(
            f"{place.prefix}/" if place.is_below or (is_namespace and place.prefix) else place.prefix
        ):
            found = True
            yield each
    except NothingListed as error:
        raise refusal or error from error  # what the named repository's own list said tells more
    if not found and is_namespace and place.prefix and not place.is_below:
        name = OFFICIAL + place.prefix
        yield look.repository(name, look.tags(name), is_named=True)
    elif not found:
        raise refusal if isinstance(refusal, AccessDenied) else NotFound(_nothing(place))


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

    def tags(self, name: str) -> list[TagFacts]:
        """Return the tags of a repository, newest first, without those that only attach something to an image."""
        pages = self.browser.tag_pages(name, self.depth.platform)
        return newest_first({each.tag: each for page in pages for each in page if not is_attaching_tag(each.tag)}.values())

    def repositories(self, prefix: str) -> Iterator[ListedRepository]:
        """Yield all repositories that begin with `prefix`, in the registry's order."""
        names = (name for page in self.browser.repository_pages(prefix) for name in page)
        yield from map(self._detailed, side_by_side(self._listed, names, self.browser.traffic))

    def repository(self, name: str, tags: list[TagFacts], *, is_named: bool) -> ListedRepository:
        """Return a repository with as much of its tags as is asked for; `is_named` by the user itself."""
        depth, full = self.depth, f"{self.browser.host}/{name}"
        has_facts = is_named if depth.has_facts is None else depth.has_facts
        if not has_facts:
            return ListedRepository(full, tuple(tags))
        count = min(depth.most or len(tags), len(tags))
        detailed = list(self.browser.facts(name, tags[:count], depth.platform))
        attached = {each.tag: self._attached(name, each) for each in detailed} if depth.has_attached else {}
        return ListedRepository(full, (*detailed, *tags[count:]), count, attached)

    def image(self, place: RegistryPlace) -> ListedRepository:
        """Return the one image that the user named, of every platform, and what is attached to it."""
        repository = self.browser.repository(place.prefix)
        (facts,) = fetch_tag_facts(
            repository, [place.reference], cache=self.cache, platform=self.depth.platform, every_platform=True
        )
        if facts.problem:
            raise NotFound(facts.problem)
        attached = {} if self.depth.has_attached is False else {facts.tag: self._attached(place.prefix, facts)}
        return ListedRepository(f"{self.browser.host}/{place.prefix}", (facts,), 1, attached)

    def _attached(self, name: str, facts: TagFacts) -> list[Attached]:
        return find_attached(self.browser.repository(name), facts, self.cache)

    def _listed(self, name: str) -> ListedRepository:
        full = f"{self.browser.host}/{name}"
        try:
            return ListedRepository(full, tuple(self.tags(name)))
        except LayerscopeError as error:
            return ListedRepository(full, problem=str(error))

    def _detailed(self, listed: ListedRepository) -> ListedRepository:
        if listed.problem or not self.depth.has_facts:
            return listed
        return self.repository(listed.name.partition("/")[2], list(listed.tags), is_named=False)
