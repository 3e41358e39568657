"""Lists of repositories that some registries have instead of, or beside, that of the distribution-spec.

Docker Hub and Quay list those of a namespace, Harbor those of a project or all that the user may see.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from layerscope.oci.documents import decode
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.registry_listing import A_PAGE, MOST_PAGES, list_pages, numbered_pages
from layerscope.sources.registry.transport import Connection

NamePages = Iterator[tuple[str, ...]]
_WHAT = "list of repositories"


class _HubRepository(msgspec.Struct, frozen=True):
    name: str
    namespace: str


class _HubRepositories(msgspec.Struct, frozen=True):
    results: tuple[_HubRepository, ...] = ()
    next: str = ""


class _QuayRepositories(msgspec.Struct, frozen=True):
    repositories: tuple[_HubRepository, ...]
    next_page: str = ""


class _HarborRepository(msgspec.Struct, frozen=True):
    name: str


def hub_repositories(connection: Connection, namespace: str) -> NamePages:
    """Yield the repositories of a namespace of Docker Hub that anyone may see; `connection` is to its own API."""
    start = f"{connection.base}/v2/repositories/{quote(namespace)}/?page_size={A_PAGE}"
    for page in numbered_pages(connection, start, _HubRepositories, lambda page: bool(page.next), _WHAT):
        yield tuple(f"{each.namespace}/{each.name}" for each in page.results)


def quay_repositories(connection: Connection, namespace: str) -> NamePages:
    """Yield the repositories of a namespace of Quay that anyone may see; each page names the next one by a token."""
    start = f"{connection.base}/api/v1/repository?public=true&namespace={quote(namespace)}"
    token = ""
    for _ in range(MOST_PAGES):
        following = f"&next_page={quote(token, safe='')}" if token else ""
        raw = next(list_pages(connection, start + following, "", _WHAT))
        page = decode(raw, _QuayRepositories, what=f"{connection.name}: its {_WHAT}")
        yield tuple(f"{each.namespace}/{each.name}" for each in page.repositories)
        token = page.next_page
        if not token:
            return
    raise RegistryFailed(f"{connection.name} serves its {_WHAT} without end")


def harbor_repositories(connection: Connection, prefix: str) -> NamePages:
    """Yield the repositories of Harbor that the user may see: of the project that `prefix` begins with, else of all."""
    project, slash, _ = prefix.partition("/")
    place = f"projects/{quote(project)}/repositories" if slash else "repositories"
    start = f"{connection.base}/api/v2.0/{place}?page_size={A_PAGE}"
    for page in numbered_pages(connection, start, tuple[_HarborRepository, ...], lambda page: len(page) == A_PAGE, _WHAT):
        yield tuple(each.name for each in page)
