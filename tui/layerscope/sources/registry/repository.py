"""One repository of a registry: its manifests and blobs, checked against their digests, from mirrors or the registry itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from layerscope.errors import BadDocument
from layerscope.oci.digest import Digest
from layerscope.oci.documents import DOCKER_MANIFEST, INDEXES, MAX_DOCUMENT, OCI_MANIFEST
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.registry_name import RegistryName
from layerscope.sources.registry.transport import Connection, read_body, stated_number
from layerscope.text import escape

if TYPE_CHECKING:
    from requests import Response

T = TypeVar("T")

PIECE = 256 << 10
"""Bytes of a blob that are read at a time."""
MOST_RESUMES = 5
ACCEPT = ", ".join(sorted({OCI_MANIFEST, DOCKER_MANIFEST} | set(INDEXES)))
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d+|\*)", re.ASCII)


class NoRanges(RegistryFailed):
    """The registry answers a range request with the whole blob, or not at all: the blob has to be streamed."""


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index as it was served; `digest` is that of its bytes, checked."""

    raw: bytes
    digest: Digest
    media_type: str


class Repository:
    """Reads one repository. The first endpoint that has a manifest serves all later requests. Safe for several threads."""

    def __init__(self, name: RegistryName, connections: list[Connection]) -> None:
        self.name = name
        self._connections = connections

    @property
    def connection(self) -> Connection:
        """Return the connection to the endpoint in use."""
        return self._connections[0]

    @property
    def endpoint(self) -> RegistryEndpoint:
        return self.connection.endpoint

    def at(self, reference: str) -> Repository:
        """Return the same repository, over the same connections, for another tag or digest."""
        digest = None
        with suppress(BadDocument):
            digest = Digest.parse(reference)
        return Repository(replace(self.name, tag="" if digest else reference, digest=digest), self._connections)

    def resolve(self, reference: str) -> Digest | None:
        """Return the digest of a tag by HEAD, which Docker Hub does not count as a pull; None if the answer states none."""
        return self._first(lambda connection: self._head(connection, reference))

    def document(self, reference: str) -> Document:
        """Fetch a manifest or index by tag or digest. Raises RegistryFailed, and BadDocument if its digest differs."""
        return self._first(lambda connection: self._get(connection, reference))

    def blob(self, digest: Digest, size: int, most: int = MAX_DOCUMENT) -> bytes:
        """Fetch a small blob, such as a config, whole. Raises BadDocument if its digest or `most` does not fit."""
        if size > most:
            limit = f"longer than {most >> 20} MiB, which no document needs"
            raise BadDocument(f"{self._place}: {digest.short} is said to be {limit}")
        content = b"".join(self.stream(digest, size if size >= 0 else most))
        if not digest.matches(content):
            raise BadDocument(f"{self._place}: what it serves as {digest} has another digest, or one that cannot be checked")
        return content

    def read_range(self, digest: Digest, start: int, size: int) -> bytes:
        """Fetch `size` bytes of a blob from `start` on by a range request, resumed if it breaks off. Raises NoRanges as soon as
        the registry answers with the whole blob.
        """
        content, tries = bytearray(), 0
        while len(content) < size:
            first = start + len(content)
            try:
                with self._opened(digest, {"Range": f"bytes={first}-{start + size - 1}"}) as response:
                    if response.status_code in (200, 416):
                        raise NoRanges(f"{self._place} does not serve parts of blobs")
                    self._check_part(response, first, start + size - first, digest)
                    for piece in self._pieces(response, start + size - first, digest):
                        content += piece
                if len(content) < size:
                    raise ConnectionResetError("the body is shorter than the part that was asked for")
            except OSError as error:
                tries += 1
                if tries > MOST_RESUMES:
                    reached = f"after {len(content)} of {size} bytes of {digest.short}"
                    raise RegistryFailed(f"{self._place} broke off {reached}; try again") from error
        return bytes(content)

    def stream(self, digest: Digest, size: int) -> Iterator[bytes]:
        """Yield a blob in pieces; a broken download is resumed where it broke. `size` bounds it.

        The digest is not checked here: the consumer hashes the pieces.
        """
        done = tries = 0
        while True:
            headers = {"Range": f"bytes={done}-{size - 1}"} if done else {}
            try:
                with self._opened(digest, headers) as response:
                    if done and response.status_code == 200:
                        yield from self._skipped(response, done, size, digest)
                        return
                    if done:
                        self._check_part(response, done, size - done, digest)
                    elif not response.ok:
                        raise self.connection.failure(response, f"blob {digest.short}")
                    for piece in self._pieces(response, size - done, digest):
                        done += len(piece)
                        yield piece
                    return
            except OSError as error:
                tries += 1
                if tries > MOST_RESUMES or done >= size:
                    reached = f"after {done} of {size} bytes of {digest.short}"
                    raise RegistryFailed(f"{self._place} broke off {reached}; try again") from error

    def _skipped(self, response: Response, done: int, size: int, digest: Digest) -> Iterator[bytes]:
        """Yield a blob without its first `done` bytes, when a registry serves it from its start again."""
        for piece in self._pieces(response, size, digest):
            if len(piece) > done:
                yield piece[done:]
            done = max(0, done - len(piece))

    def _pieces(self, response: Response, size: int, digest: Digest) -> Iterator[bytes]:
        """Yield the body, counting its bytes, never more than `size`. Raises OSError where it breaks off."""
        left = size
        while left and (piece := read_body(response, min(PIECE, left))):
            self.connection.traffic.take(str(digest), len(piece))
            left -= len(piece)
            yield piece
        if left and size - left < (stated_number(response.headers.get("Content-Length", "")) or 0):
            raise ConnectionResetError("the body is shorter than its Content-Length")

    def _check_part(self, response: Response, start: int, size: int, digest: Digest) -> None:
        """Raise if an answer is not exactly the part that was asked for."""
        if response.status_code != 206:
            raise self.connection.failure(response, f"blob {digest.short}")
        told = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if told is None or (int(told[1]), int(told[2])) != (start, start + size - 1):
            raise NoRanges(f"{self._place} answers with another part of {digest.short} than was asked for")

    def _head(self, connection: Connection, reference: str) -> Digest | None:
        with connection.open(
            self._manifest_url(connection, reference),
            scope=pull_scope(connection.endpoint.repository),
            headers={"Accept": ACCEPT},
            method="HEAD",
            what=f"manifest {escape(reference)}",
        ) as response:
            if response.status_code in (401, 403, 404):
                raise connection.failure(response, f"manifest {escape(str(self.name))}")
            with suppress(BadDocument):
                return Digest.parse(response.headers.get("Docker-Content-Digest", "")) if response.ok else None
        return None

    def _get(self, connection: Connection, reference: str) -> Document:
        with connection.open(
            self._manifest_url(connection, reference),
            scope=pull_scope(connection.endpoint.repository),
            headers={"Accept": ACCEPT},
            what=f"manifest {escape(reference)}",
        ) as response:
            if not response.ok:
                raise connection.failure(response, f"manifest {escape(str(self.name))}")
            raw = read_body(response, MAX_DOCUMENT + 1)
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        connection.traffic.take("", len(raw))
        return Document(raw, self._checked(raw, reference), media_type)

    def _checked(self, raw: bytes, reference: str) -> Digest:
        """Return the digest of a manifest; its bytes must match the digest it was asked for by."""
        if ":" not in reference:
            return Digest.of(raw)
        digest = Digest.parse(reference)
        if not digest.matches(raw):
            served = f"the manifest that it serves as {digest}"
            raise BadDocument(f"{self._place}: {served} has another digest, or one that cannot be checked")
        return digest

    def _first(self, ask: Callable[[Connection], T]) -> T:
        """Return the answer of the first endpoint that has one; it serves all later requests. Raises the last one's error."""
        for connection in self._connections[:-1]:
            with suppress(RegistryFailed, BadDocument):
                found = ask(connection)
                self._connections = [connection, *(each for each in self._connections if each is not connection)]
                return found
        found = ask(self._connections[-1])
        self._connections = [self._connections[-1]]
        return found

    def _manifest_url(self, connection: Connection, reference: str) -> str:
        namespace = f"?ns={quote(connection.endpoint.namespace)}" if connection.endpoint.namespace else ""
        return connection.url(f"{connection.endpoint.repository}/manifests/{reference}{namespace}")

    def _blob_url(self, digest: Digest) -> str:
        namespace = f"?ns={quote(self.endpoint.namespace)}" if self.endpoint.namespace else ""
        return self.connection.url(f"{self.endpoint.repository}/blobs/{digest}{namespace}")

    def _opened(self, digest: Digest, headers: dict[str, str]) -> AbstractContextManager[Response]:
        scope = pull_scope(self.endpoint.repository)
        return self.connection.open(self._blob_url(digest), scope=scope, headers=headers, what=f"blob {digest.short}")

    @property
    def _place(self) -> str:
        return f"{self.connection.name}/{escape(self.endpoint.repository)}"


def pull_scope(repository: str) -> str:
    """Return the token scope for reading a repository (distribution `docs/spec/auth/scope.md`)."""
    return f"repository:{repository}:pull"
