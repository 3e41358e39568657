"""A registry as a place to look around: its repositories and their tags, by whatever list it has, while pages arrive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from layerscope.errors import BadDocument, NotFound, UsageError
from layerscope.limits import REGISTRY_NAMES
from layerscope.oci.digest import Digest
from layerscope.oci.platform import Platform
from layerscope.oci.reference import DEFAULT_DOMAIN, OFFICIAL
from layerscope.oci.version_order import version_key
from layerscope.sources.location import EngineOptions
from layerscope.sources.registry.failures import AccessDenied, NoSuchImage, RegistryFailed, RequestRefused
from layerscope.sources.registry.host_settings import HostSettings
from layerscope.sources.registry.open import credential_for
from layerscope.sources.registry.registry_listing import MOST_PAGES, repository_pages, whole_tag_pages
from layerscope.sources.registry.registry_name import RegistryName, is_repository, is_tag, parse_host
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.stated_repositories import harbor_repositories, hub_repositories, quay_repositories
from layerscope.sources.registry.stated_tags import HARBOR_SERVICE, QUAY, hub_connection, stated_tag_pages
from layerscope.sources.registry.tag_facts import TagFacts, fetch_tag_facts
from layerscope.sources.registry.transport import Connection
from layerscope.sources.registry.visit import RegistryVisit
from layerscope.text import escape

GOOGLE = ("gcr.io", ".gcr.io", ".pkg.dev")
_NO_LIST = (NoSuchImage, AccessDenied, RequestRefused)


class NothingListed(RegistryFailed):
    """A registry has no list of its repositories, or shows it to nobody; the message says what to name instead."""


@dataclass(frozen=True, slots=True)
class RegistryPlace:
    """What is to be listed: repositories that begin with `prefix`, or the one of that name, or one image of it.

    With `is_below`, `prefix` is a folder: no repository of exactly that name is meant.
    """

    host: str
    prefix: str = ""
    tag: str = ""
    digest: Digest | None = None
    is_below: bool = False

    @property
    def reference(self) -> str:
        """Return the digest or tag of the image, empty if there is none."""
        return str(self.digest) if self.digest else self.tag

    def __str__(self) -> str:
        return f"{self.host}/{self.prefix}".rstrip("/")


def parse_place(text: str) -> RegistryPlace:
    """Parse `HOST[/PREFIX[:TAG][@DIGEST]]`, perhaps after `docker://`. Raises NotFound and UsageError."""
    host, _, path = (text.partition("://")[2] or text).partition("/")
    known = parse_host(host).host
    name, _, digest = path.strip("/").partition("@")
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    repository = f"{head}{slash}{last}"
    if (tag or digest) and known == DEFAULT_DOMAIN and not slash:
        repository = OFFICIAL + repository
    if (repository and not is_repository(repository)) or (colon and not is_tag(tag)):
        allowed = "lower case letters and digits, with . _ - between them, in parts divided by /"
        raise UsageError(f"'{escape(path[:200])}' begins no name of a repository: these have {allowed}")
    is_below = bool(path) and path.endswith("/")
    try:
        return RegistryPlace(known, repository, tag, Digest.parse(digest) if digest else None, is_below)
    except BadDocument as error:
        raise NotFound(f"{escape(text[:200])}: {error}") from error


class Browser:
    """Lists what one registry has, asked by several threads at a time.

    All repositories share a connection, except those for which other credentials are stored.
    The registry itself is asked, not its mirrors, which list only what they have copied.
    """

    def __init__(self, host: str, options: EngineOptions) -> None:
        self.host, self._options = host, options
        self._visit = RegistryVisit()
        self.traffic = self._visit.traffic(options.bytes_per_second)
        self._settings = HostSettings.of_this_machine(options.insecure)

    def repository(self, name: str) -> Repository:
        """Return a repository; nothing is asked yet. Raises NotFound where registries.conf blocks it."""
        full = RegistryName(self.host, name)
        return Repository(full, [self._connection(full)])

    def repository_pages(self, prefix: str = "") -> Iterator[list[str]]:
        """Yield the names of repositories that begin with `prefix`, each once, in the registry's order.

        Raises NothingListed, AccessDenied, RegistryFailed.
        """
        seen: set[str] = set()
        for page in self._name_pages(prefix):
            names = [
                name for name in dict.fromkeys(page) if name.startswith(prefix) and name not in seen and is_repository(name)
            ]
            seen.update(names)
            if len(seen) > REGISTRY_NAMES:
                raise RegistryFailed(f"{escape(self.host)} lists more than {REGISTRY_NAMES:,} repositories; name one of them")
            yield names

    def tag_pages(self, name: str, platform: Platform | None = None) -> Iterator[list[TagFacts]]:
        """Yield the tags of a repository, each with what the registry's list says of it; see `stated_tag_pages`."""
        yield from stated_tag_pages(self.repository(name), platform)

    def facts(
        self, name: str, tags: Sequence[TagFacts], platform: Platform | None, *, every: bool = False
    ) -> Iterator[TagFacts]:
        """Yield the tags, in the same order, with what their manifests say where the list did not say enough.

        `every` reads the manifests of all platforms.
        """
        unknown = [each.tag for each in tags if every or each.wire_bytes is None]
        cache = self._options.cache
        fetched = fetch_tag_facts(self.repository(name), unknown, cache=cache, platform=platform, every_platform=every)
        for each in tags:
            yield replace(next(fetched), pushed=each.pushed) if every or each.wire_bytes is None else each

    def _connection(self, full: RegistryName) -> Connection:
        endpoint = self._settings.endpoints(full)[-1]
        opened = partial(Connection, endpoint, partial(credential_for, full, endpoint), self.traffic)
        return self._visit.connection(full.host, endpoint, opened)

    def _name_pages(self, prefix: str) -> Iterator[Sequence[str]]:
        if self.host == DEFAULT_DOMAIN:
            return self._of_namespace(prefix, "docker.io/library", partial(hub_repositories, hub_connection(self.traffic)))
        connection = self._connection(RegistryName(self.host, prefix.rstrip("/")))
        if self.host == QUAY:
            return self._of_namespace(prefix, "quay.io/prometheus", partial(quay_repositories, connection))
        if prefix and self.host.endswith(GOOGLE):
            return self._below(prefix.rstrip("/"))
        return self._catalog(connection, prefix)

    def _of_namespace(
        self, prefix: str, example: str, list_of: Callable[[str], Iterator[Sequence[str]]]
    ) -> Iterator[Sequence[str]]:
        namespace, _, _ = prefix.partition("/")
        if not namespace:
            raise NothingListed(f"{self.host} does not list all its repositories: name a namespace of it, such as {example}")
        return list_of(namespace)

    def _catalog(self, connection: Connection, prefix: str) -> Iterator[Sequence[str]]:
        pages: Iterator[Sequence[str]] = repository_pages(connection)
        try:
            first = next(pages, ())
        except _NO_LIST as error:
            challenge = connection.challenge
            if challenge is None or challenge.service != HARBOR_SERVICE:
                where = escape(self.host)
                raise NothingListed(
                    f"{where} lists no repositories ({error}); name one to see its tags: layerscope registry {where}/NAME"
                ) from error
            pages = harbor_repositories(connection, prefix)
            first = next(pages, ())
        yield first
        yield from pages

    def _below(self, top: str) -> Iterator[Sequence[str]]:
        """Yield the repositories at and below a name, as Google's registries tell them: each list of tags names those below."""
        waiting = deque([top])
        for _ in range(MOST_PAGES):
            if not waiting:
                return
            name = waiting.popleft()
            found = list(whole_tag_pages(self.repository(name)))
            waiting += [f"{name}/{child}" for page in found for child in page.child if is_repository(child)]
            if any(page.tags or page.manifest for page in found):
                yield (name,)
        raise RegistryFailed(f"{escape(self.host)} lists repositories below {escape(top)} without end")


def newest_first(tags: Iterable[TagFacts]) -> list[TagFacts]:
    """Return tags by the time of their last push where the registry tells it, else by the versions in their names."""
    return sorted(tags, key=lambda each: (each.pushed, version_key(each.tag)), reverse=True)
