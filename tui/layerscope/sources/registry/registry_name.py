"""Names of images and repositories in registries, completed as Docker does (the grammar of `distribution/reference`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from layerscope.errors import BadDocument, NotFound, UsageError
from layerscope.oci.digest import Digest
from layerscope.oci.reference import DEFAULT_DOMAIN, DEFAULT_TAG, OFFICIAL, names_a_registry
from layerscope.text import escape

LONGEST = 512
"""Characters of a name that are parsed; the grammar allows 255 for the repository."""
HUB_HOST = "registry-1.docker.io"
"""The host that answers for Docker Hub."""
_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", HUB_HOST, "registry.hub.docker.com"})
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::\d{{1,5}})?", re.ASCII)
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RegistryName:
    """An image in a registry. `host` is the name users know (`docker.io`), perhaps with a port.

    `repository` is the full path (`library/alpine`). A `digest` wins over a `tag`, as with Docker; one of both is set for an
    image, none for a repository. `is_short` says that the user named no registry.
    """

    host: str
    repository: str
    tag: str = ""
    digest: Digest | None = None
    is_short: bool = False

    @property
    def reference(self) -> str:
        """Return what follows `/manifests/` in a request: the digest, else the tag."""
        return str(self.digest) if self.digest else self.tag

    @property
    def api_host(self) -> str:
        """Return the host that answers requests: Docker Hub's differs from the one that users write."""
        return HUB_HOST if self.host == DEFAULT_DOMAIN else self.host

    def at(self, host: str, repository: str) -> RegistryName:
        """Return the same image under another name, such as that of a mirror."""
        return replace(self, host=_known_host(host), repository=repository)

    def __str__(self) -> str:
        suffix = f"@{self.digest}" if self.digest else f":{self.tag}" if self.tag else ""
        return f"{self.host}/{self.repository}{suffix}"


def parse_image_name(text: str) -> RegistryName:
    """Parse `[HOST/]REPOSITORY[:TAG][@DIGEST]`, completed with `docker.io`, `library/` and `latest`. Raises NotFound,
    UsageError.
    """
    name = parse_repository_name(text)
    return name if name.tag or name.digest else replace(name, tag=DEFAULT_TAG)


def parse_repository_name(text: str) -> RegistryName:
    """Parse a name like `parse_image_name`, but without adding `latest` if it has neither tag nor digest.

    Raises NotFound, UsageError.
    """
    if not text:
        raise UsageError("name an image in a registry, such as ghcr.io/owner/app:1.4")
    rest, at, digest_text = text[:LONGEST].partition("@")
    head, _, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    path = f"{head}/{last}" if head else last
    is_short = not names_a_registry(path)
    host, repository = (DEFAULT_DOMAIN, path) if is_short else _split_host(path)
    if host == DEFAULT_DOMAIN and "/" not in repository:
        repository = OFFICIAL + repository
    is_well_formed = _DOMAIN.fullmatch(host) and _REPOSITORY.fullmatch(repository) and (not colon or _TAG.fullmatch(tag))
    if len(text) > LONGEST or not is_well_formed:
        raise NotFound(f"'{escape(text[:200])}' is not a valid name of an image in a registry")
    return RegistryName(host, repository, tag, _digest(digest_text, text) if at else None, is_short)


def parse_host(text: str) -> RegistryName:
    """Parse `HOST[/REPOSITORY]`; without a repository, it is the registry as a whole. Raises NotFound, UsageError."""
    host = text.partition("://")[2] or text
    if "/" in host.rstrip("/"):
        return parse_repository_name(host)
    host = _known_host(host.rstrip("/"))
    if not host:
        raise UsageError("name a registry, such as ghcr.io")
    if len(host) > LONGEST or not _DOMAIN.fullmatch(host):
        raise NotFound(f"'{escape(text[:200])}' is not a valid name of a registry")
    return RegistryName(host, "")


def is_tag(text: str) -> bool:
    """Tell whether a text is a valid tag; what a registry lists may be anything."""
    return _TAG.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Tell whether a text is a valid name of a repository, without a host."""
    return len(text) <= LONGEST and _REPOSITORY.fullmatch(text) is not None


def _split_host(path: str) -> tuple[str, str]:
    host, _, repository = path.partition("/")
    return _known_host(host), repository


def _known_host(host: str) -> str:
    return DEFAULT_DOMAIN if host in _HUB_HOSTS else host


def _digest(digest_text: str, text: str) -> Digest:
    try:
        return Digest.parse(digest_text)
    except BadDocument as error:
        raise NotFound(f"'{escape(text[:200])}' does not end in a digest such as @sha256:6c3c624b58db…") from error
