"""Asks a registry in threads for what the screen shows, and posts what arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from textual.message import Message

from layerscope.cache.cache import Cache
from layerscope.errors import Cancelled, LayerscopeError
from layerscope.oci.platform import Platform
from layerscope.sources.registry.attached import Attached, find_attached
from layerscope.sources.registry.browse import Browser, RegistryPlace
from layerscope.sources.registry.survey import arrivals, listed_tags
from layerscope.sources.registry.tag_facts import TagFacts


@dataclass
class RepositoriesArrived(Message, bubble=False):
    """A page of the registry's list arrived; `tags` are set if it is the one repository that the user named."""

    names: Sequence[str]
    tags: Sequence[TagFacts] | None = None


@dataclass
class ListEnded(Message, bubble=False):
    """The list of repositories is complete, or broke off with `error`."""

    error: LayerscopeError | None = None


@dataclass
class TagsArrived(Message, bubble=False):
    """The tags of a repository arrived, or facts of some of them; `problem` says why they did not."""

    repository: str
    tags: Sequence[TagFacts] = ()
    problem: str = ""


@dataclass
class TagOpened(Message, bubble=False):
    """What a tag leads to, on every platform; what is `attached` follows, None before. Or the `problem` that prevented it."""

    repository: str
    tag: str
    facts: TagFacts | None = None
    attached: Sequence[Attached] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RegistryLoader:
    """Asks a registry about `place`. The methods below run in threads of their own, and post the messages above."""

    browser: Browser
    place: RegistryPlace
    platform: Platform | None
    cache: Cache | None

    def stop(self) -> None:
        """Stop all that is being asked, at once."""
        self.browser.traffic.cancel()

    def list_all(self, post: Callable[[Message], object]) -> None:
        """List the repositories of the place, or the image that it names."""
        place = self.place
        error: LayerscopeError | None = None
        with suppress(Cancelled):
            try:
                if place.reference:
                    post(RepositoriesArrived([place.prefix], [TagFacts(place.reference)]))
                else:
                    for page in arrivals(self.browser, place, self.platform):
                        post(RepositoriesArrived(page.names, page.tags))
            except LayerscopeError as raised:
                error = raised
            post(ListEnded(error))

    def list_tags(self, repository: str, post: Callable[[Message], object]) -> None:
        """List the tags of a repository."""
        with suppress(Cancelled):
            try:
                post(TagsArrived(repository, listed_tags(self.browser, repository, self.platform)))
            except LayerscopeError as error:
                post(TagsArrived(repository, problem=str(error)))

    def read_tags(self, repository: str, tags: Sequence[TagFacts], post: Callable[[Message], object]) -> None:
        """Read what some tags lead to, one after the other as they arrive."""
        with suppress(Cancelled):
            try:
                for each in self.browser.facts(repository, tags, self.platform):
                    post(TagsArrived(repository, [each]))
            except LayerscopeError as error:
                post(TagsArrived(repository, problem=str(error)))

    def open_tag(self, repository: str, tag: TagFacts, post: Callable[[Message], object]) -> None:
        """Read all platforms of a tag, and what is attached to its image."""
        with suppress(Cancelled):
            try:
                (facts,) = self.browser.facts(repository, [tag], self.platform, every=True)
                post(TagOpened(repository, tag.tag, facts))
                found = find_attached(self.browser.repository(repository), facts, self.cache)
                post(TagOpened(repository, tag.tag, facts, found))
            except LayerscopeError as error:
                post(TagOpened(repository, tag.tag, problem=str(error)))
