"""What a registry lists: its repositories, a repository's tags, and what refers to an image, page by page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sized
from contextlib import suppress
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from layerscope.errors import BadDocument
from layerscope.limits import REFERRERS
from layerscope.oci.digest import Digest
from layerscope.oci.documents import MAX_DOCUMENT, Descriptor, Index, decode
from layerscope.sources.registry.failures import NoSuchImage, RegistryFailed, RequestRefused
from layerscope.sources.registry.guards import is_same_host, named_address, split_address
from layerscope.sources.registry.repository import Repository, pull_scope
from layerscope.sources.registry.transport import BUSY, Connection, read_body
from layerscope.text import escape

T = TypeVar("T")
L = TypeVar("L", bound=Sized)
AT_A_TIME = 1000
"""Names asked for in one page: more is refused by distribution and Amazon ECR."""
MOST_PAGES = 10_000
A_PAGE = 100
"""What to ask for in one page of a list whose pages are numbered: all registries that have one refuse more."""
CATALOG_SCOPE = "registry:catalog:*"
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[a-zA-Z]+\s*=\s*(?:"[^"]*"|[^\s;,"]+))*)')
_NEXT = re.compile(r';\s*rel\s*=\s*"?next"?\s*(?:;|$)', re.IGNORECASE)


class _CatalogPage(msgspec.Struct, frozen=True):
    repositories: tuple[str, ...] = ()


class GoogleManifest(msgspec.Struct, frozen=True, rename="camel"):
    """What Google's registries say about each manifest in their lists of tags."""

    tag: tuple[str, ...] = ()
    media_type: str = ""
    image_size_bytes: str = ""
    time_created_ms: str = ""
    time_uploaded_ms: str = ""


class TagsPage(msgspec.Struct, frozen=True):
    """One page of a list of tags. Google adds the repositories below, `child`, and the manifests by digest."""

    tags: tuple[str, ...] = ()
    child: tuple[str, ...] = ()
    manifest: dict[str, GoogleManifest] = {}


def repository_pages(connection: Connection) -> Iterator[tuple[str, ...]]:
    """Yield the names of all repositories, in the registry's order (distribution-spec, "Listing Repositories").

    Untrusted text. Raises AccessDenied, NoSuchImage where a registry lists none, as Docker Hub and GHCR do, RegistryFailed.
    """
    start = f"{connection.url('_catalog')}?n={AT_A_TIME}"
    for raw in list_pages(connection, start, CATALOG_SCOPE, "list of repositories"):
        yield decode(raw, _CatalogPage, what=f"{connection.name}: its list of repositories").repositories


def tag_pages(repository: Repository) -> Iterator[tuple[str, ...]]:
    """Yield all tags of a repository, in the registry's order (distribution-spec, "Content Discovery"). Untrusted text."""
    for page in whole_tag_pages(repository):
        yield page.tags


def whole_tag_pages(repository: Repository) -> Iterator[TagsPage]:
    """Yield the pages of the list of a repository's tags, with what Google's registries add. Untrusted text."""
    connection, what = repository.connection, f"list of tags of {escape(repository.endpoint.repository)}"
    namespace = f"&ns={quote(repository.endpoint.namespace)}" if repository.endpoint.namespace else ""
    start = f"{connection.url(f'{repository.endpoint.repository}/tags/list')}?n={AT_A_TIME}{namespace}"
    for raw in list_pages(connection, start, pull_scope(repository.endpoint.repository), what):
        yield decode(raw, TagsPage, what=f"{connection.name}: its {what}")


def bounded_pages(pages: Iterator[L], most: int, connection: Connection, what: str) -> Iterator[L]:
    """Yield the pages of a list that has at most `most` items in all. Raises RegistryFailed for a longer one."""
    count = 0
    for page in pages:
        count += len(page)
        if count > most:
            raise RegistryFailed(f"{connection.name}: its {what} has more than {most:,}")
        yield page


def referrers(repository: Repository, digest: Digest) -> list[Descriptor]:
    """List what refers to a manifest: signatures, attestations, SOCI indexes (distribution-spec, "Listing Referrers")."""
    connection, what = repository.connection, "list of referrers"
    start = connection.url(f"{repository.endpoint.repository}/referrers/{digest}")
    try:
        pages = _referrer_pages(list_pages(connection, start, pull_scope(repository.endpoint.repository), what), connection)
        lists = list(bounded_pages(pages, REFERRERS, connection, what))
    except NoSuchImage:
        try:
            raw = repository.document(f"{digest.algorithm}-{digest.encoded[:64]}").raw
        except NoSuchImage:
            return []
        lists = list(bounded_pages(_referrer_pages(iter([raw]), connection), REFERRERS, connection, what))
    except RequestRefused as error:
        if error.status in BUSY:
            raise
        return []
    return list({each.digest: each for page in lists for each in page}.values())


def _referrer_pages(pages: Iterator[bytes], connection: Connection) -> Iterator[tuple[Descriptor, ...]]:
    """Yield what the pages list. They end at another answer, such as a page of HTML, which is no list."""
    with suppress(BadDocument):
        for raw in pages:
            yield decode(raw, Index, what=f"{connection.name}: its list of referrers").manifests


def list_pages(connection: Connection, url: str, scope: str, what: str) -> Iterator[bytes]:
    """Yield the bodies of a list's pages; `what` names the list in messages.

    A page leads to the next one by `Link`, which is followed on the same host only.
    """
    seen: set[str] = set()
    while url:
        if url in seen or len(seen) == MOST_PAGES:
            raise RegistryFailed(f"{connection.name} serves its {what} in circles or without end")
        seen.add(url)
        with connection.open(url, scope=scope, what=what) as response:
            if response.status_code == 400 and len(seen) == 1 and f"n={AT_A_TIME}" in url:
                url = re.sub(rf"\?n={AT_A_TIME}&?", "?", url).rstrip("?")  # distribution with a smaller `maxentries`
                continue
            if not response.ok:
                raise connection.failure(response, what)
            raw = read_body(response, MAX_DOCUMENT + 1)
            if len(raw) > MAX_DOCUMENT:
                raise RegistryFailed(f"{connection.name}: a page of its {what} is longer than {MAX_DOCUMENT >> 20} MiB")
            link = next_page(response.headers.get("Link", ""))
        connection.traffic.take("", len(raw))
        yield raw
        following = named_address(url, link) or "no address" if link else ""
        if following and not _is_same_place(following, connection):
            where = escape(split_address(following).netloc[:200]) or "no host"
            raise RegistryFailed(f"{connection.name} names {where} for the next page of its {what}; nothing is sent there")
        url = following


def numbered_pages(
    connection: Connection, start: str, page_type: type[T], goes_on: Callable[[T], bool], what: str
) -> Iterator[T]:
    """Yield the pages of a list that are asked for by number, from 1 on, as long as the last one `goes_on`."""
    for number in range(1, MOST_PAGES + 1):
        raw = next(list_pages(connection, f"{start}&page={number}", "", what))
        page = decode(raw, page_type, what=f"{connection.name}: its {what}")
        yield page
        if not goes_on(page):
            return
    raise RegistryFailed(f"{connection.name} serves its {what} without end")


def next_page(header: str) -> str:
    """Return the target of `rel="next"` in a Link header (RFC 8288); empty where there is none."""
    return next((target for target, parameters in _LINK.findall(header[:8192]) if _NEXT.search(parameters)), "")


def _is_same_place(url: str, connection: Connection) -> bool:
    parts = split_address(url)
    return parts.scheme == urlsplit(connection.base).scheme and is_same_host(parts, connection.endpoint.host)
