"""Writing to one repository of a registry: blobs that are not there yet, and last a manifest (distribution-spec, "Push")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from layerscope.errors import BadDocument
from layerscope.layers.blob import Blob
from layerscope.oci.digest import Digest
from layerscope.oci.documents import INDEXES
from layerscope.sources.location import EngineOptions
from layerscope.sources.registry.failures import AccessDenied, LineBroke, NoSuchImage, RegistryFailed, RequestRefused
from layerscope.sources.registry.guards import named_address, split_address
from layerscope.sources.registry.host_settings import HostSettings
from layerscope.sources.registry.open import credential_for
from layerscope.sources.registry.registry_name import RegistryName
from layerscope.sources.registry.repository import ACCEPT, Document, Repository, pull_scope
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import BUSY, MOST_TRIES, Connection, stated_number
from layerscope.text import escape
from layerscope.units import size_text

if TYPE_CHECKING:
    from requests import Response

PIECE = 64 << 10
"""Bytes of a blob that are handed to the line at a time: each has to be taken within the time for connecting."""
CHUNKS = (16 << 20, 1 << 20)
"""Bytes of a chunk, where a blob is too large to be sent whole: proxies refuse from 100 MB on (some), or from 1 MiB (nginx)."""
NOT_ALLOWED, TOO_LARGE = 405, 413
OCTETS = {"Content-Type": "application/octet-stream"}
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that was begun: `url` is where it goes on, `least` the bytes that every chunk but the last has to have."""

    url: str
    least: int = 0


@dataclass(frozen=True, slots=True)
class PartOfBlob:
    """The bytes of `blob` from `start` to `stop` as the body of a request, from the beginning each time it is sent.

    `on_position` is called with the offset in the blob that was reached.
    """

    blob: Blob
    start: int
    stop: int
    on_position: Callable[[int], None]
    traffic: Traffic

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[bytes]:
        self.on_position(self.start)
        for at in range(self.start, self.stop, PIECE):
            piece = self.blob.read(at, min(PIECE, self.stop - at))
            yield piece
            self.traffic.pace(len(piece))
            self.on_position(at + len(piece))


class RepositoryWriter:
    """Writes to the repository of `name`. Safe for several threads."""

    def __init__(self, name: RegistryName, connection: Connection) -> None:
        self.name, self.connection = name, connection
        self._repository = connection.endpoint.repository
        self._scope = f"repository:{self._repository}:pull,push"

    @classmethod
    def of(cls, name: RegistryName, options: EngineOptions) -> RepositoryWriter:
        """Return a writer to the registry itself, whatever mirrors it has; nothing is asked yet."""
        endpoint = HostSettings.of_this_machine(options.insecure).own_endpoint(name)
        return cls(name, Connection(endpoint, lambda: credential_for(name, endpoint), Traffic(options.bytes_per_second)))

    def tagged(self) -> Document | None:
        """Return what the name leads to now, of an index with its content; None for nothing, or for what may not be read."""
        headers = {"Accept": ACCEPT}
        url = self._url(f"manifests/{self.name.tag}")
        with self.connection.open(url, scope=self._scope, headers=headers, method="HEAD", what="the tag") as response:
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            stated = response.headers.get("Docker-Content-Digest", "")
            if not response.ok:
                return None
        with suppress(BadDocument):
            if media_type not in INDEXES:
                return Document(b"", Digest.parse(stated), media_type)
        return Repository(self.name, [self.connection]).document(self.name.tag)

    def has(self, digest: Digest, repository: str = "") -> bool:
        """Tell whether this repository, or another of the same registry, has a blob. Raises AccessDenied, RegistryFailed."""
        scope = pull_scope(repository) if repository else self._scope
        url = self.connection.url(f"{repository or self._repository}/blobs/{digest}")
        with self.connection.open(url, scope=scope, method="HEAD", what=f"blob {digest.short}") as response:
            if response.status_code in (401, 403):
                raise self._failure(response)
            return bool(response.ok)

    def check_rights(self) -> None:
        """Begin an upload and cancel it. Raises AccessDenied to who may not push, RegistryFailed."""
        self._cancel(self._begin())

    def mount(self, digest: Digest, repository: str) -> bool:
        """Have the registry take a blob over from another of its repositories; tell whether it did."""
        scope = f"{self._scope} {pull_scope(repository)}"
        url = self._url(f"blobs/uploads/?{urlencode({'mount': str(digest), 'from': repository})}")
        with suppress(RegistryFailed), self.connection.send("POST", url, scope=scope) as response:
            if response.status_code == 201:
                return True
            if response.status_code == 202:  # an upload was begun instead
                self._cancel(self._next(response))
        return False

    def send_blob(self, digest: Digest, blob: Blob, on_bytes: Callable[[int], None]) -> None:
        """Send a blob: whole, in chunks where it is too large for that, and from the beginning where the line breaks.

        `on_bytes` is called with how many more bytes were sent, or fewer if some are sent again. Raises AccessDenied,
        RegistryFailed.
        """
        sizes, done = [blob.size, *(size for size in CHUNKS if size < blob.size)], 0

        def reached(position: int) -> None:
            nonlocal done
            more, done = position - done, position
            on_bytes(more)

        part = PartOfBlob(blob, 0, blob.size, reached, self.connection.traffic)
        for tries in count(1):
            try:
                self._send(self._begin(), digest, part, sizes[0])
                break
            except (LineBroke, RequestRefused) as error:
                sizes = _to_try(sizes, error, tries)

    def put_manifest(self, raw: bytes, media_type: str) -> Digest:
        """Store a manifest under the name's tag, after all its blobs. Raises AccessDenied, RegistryFailed."""
        digest, headers = Digest.of(raw), {"Content-Type": media_type}
        url = self._url(f"manifests/{self.name.tag}")
        with self.connection.send("PUT", url, scope=self._scope, body=raw, headers=headers) as response:
            self._check_stored(response, digest, "the manifest")
        return digest

    def _begin(self) -> Upload:
        with self.connection.send("POST", self._url("blobs/uploads/"), scope=self._scope) as response:
            if response.status_code != 202:
                raise self._failure(response)
            return self._next(response)

    def _cancel(self, upload: Upload) -> None:
        """Give up an upload that nothing was sent to; a registry that knows no such request forgets it later."""
        with suppress(RegistryFailed), self.connection.send("DELETE", upload.url, scope=self._scope):
            pass

    def _send(self, upload: Upload, digest: Digest, part: PartOfBlob, size: int) -> None:
        """Send a blob in one request, or in chunks of `size` bytes and a request that ends them."""
        headers: dict[str, str] = OCTETS
        body: PartOfBlob | None = part
        if max(size, upload.least) < len(part):
            upload, headers, body = self._in_chunks(upload, part, max(size, upload.least)), {}, None
        url = f"{upload.url}{'&' if '?' in upload.url else '?'}{urlencode({'digest': str(digest)})}"
        with self.connection.send("PUT", url, scope=self._scope, body=body, headers=headers) as response:
            self._check_stored(response, digest, f"blob {digest.short}, {size_text(len(part))}")

    def _in_chunks(self, upload: Upload, part: PartOfBlob, size: int) -> Upload:
        at = 0
        while at < part.stop:
            stop = min(at + size, part.stop)
            headers = OCTETS | {"Content-Range": f"{at}-{stop - 1}"}
            chunk = PartOfBlob(part.blob, at, stop, part.on_position, part.traffic)
            with self.connection.send("PATCH", upload.url, scope=self._scope, body=chunk, headers=headers) as response:
                if response.status_code not in (202, 204):
                    raise self._failure(response)
                upload = self._next(response, upload)
                told = _RANGE.fullmatch(response.headers.get("Range", "").strip())
            reached = int(told[1]) + 1 if told else stop
            if not at < reached <= stop:
                raise RegistryFailed(f"{self.place} says that it has {reached} bytes of what was sent to {stop}")
            at = reached
        return upload

    def _next(self, response: Response, before: Upload | None = None) -> Upload:
        """Return where an upload goes on; where an answer does not say, it goes on where it was."""
        stated = response.headers.get("Location", "")
        if not stated and before is None:
            raise RegistryFailed(f"{self.place} begins an upload, but does not say where it goes on")
        url = stated_place(self.connection.base, response.url, stated) if stated else before.url if before else ""
        return Upload(url, stated_number(response.headers.get("OCI-Chunk-Min-Length", "")) or (before.least if before else 0))

    def _check_stored(self, response: Response, digest: Digest, what: str) -> None:
        if not response.ok:
            raise self._failure(response, what)
        stored = response.headers.get("Docker-Content-Digest", "")
        if stored and stored != str(digest):
            raise RegistryFailed(f"{self.place} has stored {what} as {escape(stored[:100])}, not as {digest}")

    def _failure(self, response: Response, what: str = "") -> RegistryFailed:
        """Return the error for an unsuccessful answer, with what a push needs."""
        error = self.connection.failure(response, what or f"a push to {escape(self._repository)}")
        if isinstance(error, AccessDenied):
            return AccessDenied(f"{error}, as somebody who may push there")
        if isinstance(error, NoSuchImage):
            return NoSuchImage(f"{error}; some registries want the repository to be made before the first push")
        if response.status_code == NOT_ALLOWED:
            return RequestRefused(f"{error}; it is read-only, or a cache of another registry", NOT_ALLOWED)
        return error

    def _url(self, path: str) -> str:
        return self.connection.url(f"{self._repository}/{path}")

    @property
    def place(self) -> str:
        """Return what messages call the repository."""
        return f"{self.connection.name}/{escape(self._repository)}"


def stated_place(base: str, url: str, location: str) -> str:
    """Return the address that `location` names in an answer from `url`.

    A registry that is reached over https (`base`) behind a proxy may not know that, or name its port: it is still itself.
    """
    place, own = named_address(url, location), urlsplit(base)
    parts = split_address(place)
    if own.scheme == "https" and parts.netloc.lower() in (own.netloc.lower(), f"{own.netloc.lower()}:443"):
        return parts._replace(scheme=own.scheme, netloc=own.netloc).geturl()
    return place


def _to_try(sizes: list[int], error: LineBroke | RequestRefused, tries: int) -> list[int]:
    """Return the sizes of requests to try next after an upload failed `tries` times. Raises `error` where nothing helps."""
    status = error.status if isinstance(error, RequestRefused) else 0
    if status == TOO_LARGE:
        if len(sizes) == 1:
            advice = "a proxy before it limits requests (nginx: client_max_body_size)"
            raise RegistryFailed(f"{error}, not even in parts of {size_text(sizes[0])}: {advice}") from error
        return sizes[1:]
    if tries == MOST_TRIES or (status and status not in BUSY):
        raise error
    is_hung_up = not status and tries > 1 and len(sizes) > 1  # as some do on a request that is too large
    return sizes[1:] if is_hung_up else sizes
