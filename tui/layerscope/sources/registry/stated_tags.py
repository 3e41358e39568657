"""Tags with what a registry's own list says of them, in one request for many: sizes, dates, platforms, without manifests.

Docker Hub, Quay, Harbor, Azure, Google and Amazon have such lists, each in its own form; all others list only names
(distribution-spec, "Content Discovery"). All of it is the registry's word, which is not checked against manifests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from urllib.parse import quote

import msgspec

from layerscope.errors import BadDocument, LayerscopeError
from layerscope.limits import REGISTRY_NAMES
from layerscope.oci.digest import Digest
from layerscope.oci.documents import INDEXES, decode
from layerscope.oci.platform import Platform
from layerscope.oci.reference import DEFAULT_DOMAIN
from layerscope.sources.registry.clouds import EcrHost, ecr_host, ecr_image_pages
from layerscope.sources.registry.credentials import ANONYMOUS
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.registry_listing import (
    A_PAGE,
    GoogleManifest,
    TagsPage,
    bounded_pages,
    list_pages,
    numbered_pages,
    whole_tag_pages,
)
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.tag_facts import NO_PLATFORM, TagFacts, TagImage, of_platform
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection

TagPages = Iterator[list[TagFacts]]
HUB_API, QUAY = "hub.docker.com", "quay.io"
AZURE = (".azurecr.io", ".azurecr.cn", ".azurecr.us")
HARBOR_SERVICE = "harbor-registry"
"""What Harbor's challenge calls itself, by which it is known."""
_WHAT, _WHOSE_TAGS = "list of tags with sizes", "list of tags"


class _HubImage(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""
    os_version: str = ""
    digest: str = ""
    size: int = 0


class _HubTag(msgspec.Struct, frozen=True):
    name: str
    digest: str = ""
    tag_last_pushed: str = ""
    last_updated: str = ""
    images: tuple[_HubImage, ...] = ()


class _HubPage(msgspec.Struct, frozen=True):
    results: tuple[_HubTag, ...] = ()
    next: str = ""


class _QuayTag(msgspec.Struct, frozen=True):
    name: str
    manifest_digest: str = ""
    size: int = 0
    start_ts: int = 0
    is_manifest_list: bool = False


class _QuayPage(msgspec.Struct, frozen=True):
    tags: tuple[_QuayTag, ...]
    has_additional: bool = False


class _HarborName(msgspec.Struct, frozen=True):
    name: str = ""


class _HarborConfig(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""
    created: str = ""


class _HarborArtifact(msgspec.Struct, frozen=True):
    digest: str
    manifest_media_type: str = ""
    size: int = 0
    push_time: str = ""
    tags: tuple[_HarborName, ...] = ()
    extra_attrs: _HarborConfig = _HarborConfig()


class _AzureManifest(msgspec.Struct, frozen=True, rename="camel"):
    digest: str
    image_size: int = 0
    created_time: str = ""
    last_update_time: str = ""
    architecture: str = ""
    os: str = ""
    media_type: str = ""
    tags: tuple[str, ...] = ()


class _AzurePage(msgspec.Struct, frozen=True):
    manifests: tuple[_AzureManifest, ...]


class _EcrImage(msgspec.Struct, frozen=True, rename="camel"):
    image_digest: str
    image_tags: tuple[str, ...] = ()
    image_size_in_bytes: int = 0
    image_pushed_at: datetime | None = None
    image_manifest_media_type: str = ""


def stated_tag_pages(repository: Repository, platform: Platform | None = None) -> TagPages:
    """Yield all tags of a repository, in the registry's order, a page at a time, each with what the registry's list says.

    `platform` chooses the image of each tag, as for `fetch_tag_facts`. Where the list with sizes is refused, the names alone
    are listed. Untrusted text. Raises AccessDenied, NoSuchImage, RegistryFailed.
    """
    pages = _own_list(repository, platform)
    first = _first(pages) if pages is not None else None
    if pages is None or first is None:
        pages = _plain(repository)
        first = next(pages, [])
        challenge = repository.connection.challenge
        if challenge is not None and challenge.service == HARBOR_SERVICE:  # known only now that it was asked for something
            harbor = harbor_tags(repository.connection, repository.endpoint.repository)
            better = _first(harbor)
            pages, first = (pages, first) if better is None else (harbor, better)
    yield from bounded_pages(chain([first], pages), REGISTRY_NAMES, repository.connection, _WHOSE_TAGS)


def _first(pages: TagPages) -> list[TagFacts] | None:
    """Return the first page of a list; None if it is refused, or no such list."""
    try:
        return next(pages, [])
    except LayerscopeError:
        return None


def _own_list(repository: Repository, platform: Platform | None) -> TagPages | None:
    """Return the pages of the list that only registries at this host have; None if it has none, or is a mirror."""
    connection, host, name = repository.connection, repository.name.host, repository.name.repository
    if connection.endpoint.is_mirror:
        return None
    if host == DEFAULT_DOMAIN:
        return hub_tags(hub_connection(connection.traffic), name, platform)
    if host == QUAY:
        return quay_tags(connection, name)
    if (amazon := ecr_host(host)) is not None:
        return ecr_tags(amazon, name)
    return azure_tags(connection, name) if host.endswith(AZURE) else None


def hub_connection(traffic: Traffic) -> Connection:
    """Return a connection to Docker Hub's own API, which is another host than its registry, and needs no credentials."""
    return Connection(RegistryEndpoint(HUB_API, ""), lambda: ANONYMOUS, traffic)


def hub_tags(connection: Connection, repository: str, platform: Platform | None) -> TagPages:
    """Yield the tags of a repository of Docker Hub, newest push first, with the size of each platform's image."""
    start = f"{connection.base}/v2/repositories/{quote(repository)}/tags?page_size={A_PAGE}"
    for page in numbered_pages(connection, start, _HubPage, lambda page: bool(page.next), _WHAT):
        yield [_hub_tag(tag, platform) for tag in page.results]


def quay_tags(connection: Connection, repository: str) -> TagPages:
    """Yield the tags of a repository of Quay. It states no platform, and no size of what has several platforms."""
    start = f"{connection.base}/api/v1/repository/{quote(repository)}/tag/?onlyActiveTags=true&limit={A_PAGE}"
    for page in numbered_pages(connection, start, _QuayPage, lambda page: page.has_additional, _WHAT):
        yield [
            _Stated(each.manifest_digest, 0 if each.is_manifest_list else each.size, _moment(each.start_ts)).tagged(each.name)
            for each in page.tags
        ]


def harbor_tags(connection: Connection, repository: str) -> TagPages:
    """Yield the tags of a repository of Harbor; it states the size of single images only."""
    project, _, rest = repository.partition("/")
    place = f"{quote(project)}/repositories/{quote(quote(rest, safe=''), safe='')}"  # Harbor wants slashes encoded twice
    start = f"{connection.base}/api/v2.0/projects/{place}/artifacts?with_tag=true&page_size={A_PAGE}"
    for page in numbered_pages(connection, start, tuple[_HarborArtifact, ...], lambda page: len(page) == A_PAGE, _WHAT):
        yield [_harbor_stated(each).tagged(tag.name) for each in page for tag in each.tags]


def azure_tags(connection: Connection, repository: str) -> TagPages:
    """Yield the tags of a repository of Azure's registry, from its list of manifests."""
    scope = f"repository:{repository}:metadata_read"
    for raw in list_pages(connection, f"{connection.base}/acr/v1/{quote(repository)}/_manifests?n={A_PAGE}", scope, _WHAT):
        page = decode(raw, _AzurePage, what=f"{connection.name}: its {_WHAT}")
        yield [_azure_stated(each).tagged(tag) for each in page.manifests for tag in each.tags]


def ecr_tags(host: EcrHost, repository: str) -> TagPages:
    """Yield the tags of a repository of Amazon ECR (API reference, "DescribeImages"). It states no platform."""
    for page in ecr_image_pages(host, repository):
        try:
            images = msgspec.convert(page, tuple[_EcrImage, ...], strict=False)
        except msgspec.ValidationError as error:
            raise BadDocument(f"Amazon ECR: its {_WHAT} has another form ({error})") from error
        yield [_ecr_stated(each).tagged(tag) for each in images for tag in each.image_tags]


def _plain(repository: Repository) -> TagPages:
    """Yield the tags of the list that every registry has, with what Google's registries add to it."""
    for page in whole_tag_pages(repository):
        yield _google_tags(page) if page.manifest else [TagFacts(tag) for tag in page.tags]


def _google_tags(page: TagsPage) -> list[TagFacts]:
    found = {tag: (digest, each) for digest, each in page.manifest.items() for tag in each.tag}
    return [_google_stated(digest, each).tagged(tag) for tag, (digest, each) in found.items()] + [
        TagFacts(tag) for tag in page.tags if tag not in found
    ]


def _harbor_stated(each: _HarborArtifact) -> _Stated:
    config = each.extra_attrs
    return _Stated(
        each.digest, each.size, each.push_time, config.created, each.manifest_media_type, config.os, config.architecture
    )


def _azure_stated(each: _AzureManifest) -> _Stated:
    return _Stated(
        each.digest,
        each.image_size,
        each.last_update_time,
        each.created_time,
        each.media_type,
        each.os,
        each.architecture,
    )


def _ecr_stated(each: _EcrImage) -> _Stated:
    pushed = _moment(int(each.image_pushed_at.timestamp())) if each.image_pushed_at else ""
    return _Stated(each.image_digest, each.image_size_in_bytes, pushed, media_type=each.image_manifest_media_type)


def _google_stated(digest: str, each: GoogleManifest) -> _Stated:
    pushed, created = (_moment(_number(text) // 1000) for text in (each.time_uploaded_ms, each.time_created_ms))
    return _Stated(digest, _number(each.image_size_bytes), pushed, created, each.media_type)


def _hub_tag(tag: _HubTag, platform: Platform | None) -> TagFacts:
    images = []
    for each in tag.images:
        stated = Platform(each.os, each.architecture, each.variant, each.os_version)
        digest = _digest(each.digest)
        if digest is not None and not stated.is_unknown:
            images.append(TagImage(digest, stated, stated_bytes=each.size or None))
    chosen = next(iter(of_platform(images, platform)), None)
    return TagFacts(tag.name, _digest(tag.digest), "", tuple(images), chosen, pushed=tag.tag_last_pushed or tag.last_updated)


@dataclass(frozen=True, slots=True)
class _Stated:
    """What a list states of one manifest: its size, 0 if it does not say, and RFC 3339 times, which may be empty."""

    digest: str
    size: int
    pushed: str = ""
    created: str = ""
    media_type: str = ""
    os: str = ""
    architecture: str = ""

    def tagged(self, tag: str) -> TagFacts:
        """Return the facts of a tag that leads to it. The size of an index is not that of an image."""
        digest = _digest(self.digest)
        if digest is None or self.media_type in INDEXES or self.size <= 0:
            return TagFacts(tag, digest, self.media_type, pushed=self.pushed)
        platform = Platform(self.os, self.architecture) if self.os and self.architecture else NO_PLATFORM
        image = TagImage(digest, platform, created=self.created, stated_bytes=self.size)
        return TagFacts(tag, digest, self.media_type, (image,), image, pushed=self.pushed)


def _digest(text: str) -> Digest | None:
    with suppress(BadDocument):
        return Digest.parse(text)
    return None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _moment(seconds: int) -> str:
    """Return a time in RFC 3339; empty for 0, which means that it is not known, and for what no clock shows."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds > 0 else ""
    return ""
