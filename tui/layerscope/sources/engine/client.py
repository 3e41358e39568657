"""A client for one engine: sends requests to its API and decodes the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from http.client import HTTPException
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from layerscope.errors import LayerscopeError
from layerscope.limits import ENGINE_REFUSAL
from layerscope.oci.platform import Platform
from layerscope.oci.reference import DEFAULT_TAG, tag_of
from layerscope.sources.engine import http
from layerscope.sources.engine.address import EngineAddress, credentials_header, engine_address, stated_address
from layerscope.sources.engine.endpoints import Endpoint
from layerscope.sources.engine.failures import ODD_ANSWERS, failure_of, refused, taking_apart, too_old

OLDEST_VERSION = (1, 24)
"""The oldest supported API (Docker 1.12)."""
PLATFORM_VERSION = (1, 48)
"""The first version of the API that can save one platform of several (Docker 28)."""
_ABSENT = frozenset({400, 404})
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Inspected:
    """An engine's description of an image; sizes in bytes. `layers` are the diff_ids, base first."""

    id: str
    names: tuple[str, ...]
    size: int
    layers: tuple[str, ...]


class Engine:
    """A connected engine, closed by `close` or as a context manager. Every method raises EngineFailed with a sentence."""

    def __init__(self, endpoint: Endpoint, transport: http.EngineTransport, resources: ExitStack) -> None:
        self.endpoint = endpoint
        self._transport = transport
        self._resources = resources
        self._version: tuple[int, ...] = OLDEST_VERSION

    @classmethod
    def connect(cls, endpoint: Endpoint) -> Engine:
        """Connect to an engine and ask for its newest API version, which later requests use. Raises EngineFailed."""
        stated = stated_address(endpoint)
        endpoint = replace(endpoint, address=stated.text or endpoint.address)
        with ExitStack() as resources, _failing_as(endpoint):
            if stated.text.startswith("ssh://"):
                from layerscope.sources.engine.ssh import ssh_bridge

                address = EngineAddress(socket=resources.enter_context(ssh_bridge(endpoint)))
            else:
                address = engine_address(endpoint, stated)
            transport = http.EngineTransport(address)
            resources.callback(transport.close)
            engine = cls(endpoint, transport, resources)
            engine._version = engine._newest_version()
            engine._resources = resources.pop_all()
            return engine
        raise AssertionError

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._resources.close()

    @property
    def version(self) -> str:
        """Return the engine and the newest version of the API that it speaks: `docker 1.41`."""
        return f"{self.endpoint.kind} {_text(self._version)}"

    def ask(self, path: str) -> Any:
        """Send a short GET request, such as `/images/json`, and return its decoded answer; None where there is no such object.

        May be called in several threads at a time.
        """
        with _failing_as(self.endpoint):
            status, body = self._transport.answer(self._versioned(path))
            return None if status in _ABSENT else json.loads(self._checked(status, body))

    def ping(self) -> None:
        """Ask the engine for its version, only to see whether it still answers. Raises EngineFailed."""
        self.ask("/version")

    def inspect(self, name: str) -> Inspected | None:
        """Return an image by name, name@digest or the first digits of its id; None if the engine has none."""
        found = self.ask(f"/images/{quoted(name)}/json")
        if found is None:
            return None
        with _failing_as(self.endpoint):
            layers = (found.get("RootFS") or {}).get("Layers") or ()
            return Inspected(str(found["Id"]), _tags(found), int(found.get("Size") or 0), tuple(map(str, layers)))

    def names(self) -> list[str]:
        """Return the tags of all images."""
        listed = self.ask("/images/json") or ()
        with taking_apart(self.endpoint):
            return [tag for image in listed for tag in _tags(image)]

    def storage(self) -> tuple[str, str]:
        """Return the directory where the engine stores everything, and its storage driver; both empty where it does not say."""
        about = self.ask("/info") or {}
        with taking_apart(self.endpoint):
            return str(about.get("DockerRootDir") or ""), str(about.get("Driver") or "")

    def save(self, name: str, platform: Platform | None) -> http.EngineResponse:
        """Start a save and return the response once the engine begins to send, which may take long; may raise anything."""
        wanted = {"platform": _platform_json(platform)} if platform and self._version >= PLATFORM_VERSION else {}
        return self._start("GET", f"/images/{quoted(name)}/get", wanted)

    def export(self, container: str) -> http.EngineResponse:
        """Start the export of a container's files and return the response: one tar; may raise anything."""
        return self._start("GET", f"/containers/{quoted(container)}/export", {})

    def file(self, container: str, path: bytes) -> http.EngineResponse:
        """Start the copy of a file of a container and return the response: a tar of that file; may raise anything."""
        return self._start("GET", f"/containers/{quoted(container)}/archive", {"path": path})

    def pull(self, name: str, platform: Platform | None) -> http.EngineResponse:
        """Start a pull and return the response: its progress messages (Engine API, ImageCreate); may raise anything."""
        repository, tag = _pulled(name)
        wanted = {"fromImage": repository, "tag": tag} | ({"platform": str(platform)} if platform else {})
        return self._start("POST", "/images/create", wanted, credentials_header(repository))

    def load(self, archive: http.Body, size: int) -> http.EngineResponse:
        """Send an archive of `size` bytes to be loaded, and return the response: messages (Engine API, ImageLoad).

        May raise anything.
        """
        headers = {"Content-Type": "application/x-tar", "Content-Length": str(size)}
        return self._start("POST", "/images/load", {"quiet": 1}, headers, archive)

    def _start(
        self,
        method: str,
        path: str,
        wanted: dict[str, Any],
        headers: dict[str, str] | None = None,
        body: http.Body | None = None,
    ) -> http.EngineResponse:
        query = f"?{urlencode(wanted)}" if wanted else ""
        response = self._transport.start(method, self._versioned(path) + query, headers, body)
        try:
            if not response.is_success:
                self._checked(response.status, response.body(ENGINE_REFUSAL))
        except BaseException:
            response.close()
            raise
        return response

    def _versioned(self, path: str) -> str:
        return f"/v{_text(self._version)}{path}"

    def _newest_version(self) -> tuple[int, ...]:
        """Return the newest version of the API that the engine speaks. Raises EngineFailed for one that is too old."""
        status, body = self._transport.answer("/version", seconds=http.CONNECT_SECONDS)
        stated = str(json.loads(self._checked(status, body))["ApiVersion"])
        version = tuple(int(part) for part in stated.split("."))
        if version < OLDEST_VERSION:
            raise too_old(self.endpoint, stated, _text(OLDEST_VERSION))
        return version

    def _checked(self, status: int, body: bytes) -> bytes:
        """Return the body of a successful answer. Raises EngineFailed with the engine's own words for anything else, redirects
        included.
        """
        if status in _SUCCESS:
            return body
        text = body[:ENGINE_REFUSAL].decode("utf-8", "replace")
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            text = json.loads(text)["message"]
        raise refused(self.endpoint, status, str(text))


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@contextmanager
def _failing_as(endpoint: Endpoint) -> Iterator[None]:
    try:
        yield
    except LayerscopeError:
        raise
    except (OSError, HTTPException, *ODD_ANSWERS) as error:
        raise failure_of(endpoint, error) from error


def _tags(image: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(tag) for tag in image.get("RepoTags") or () if tag != "<none>:<none>")


def _pulled(name: str) -> tuple[str, str]:
    """Split a name into repository and tag or digest; `latest` by default, because without a tag the engine pulls them all."""
    repository, at, digest = name.partition("@")
    tag = tag_of(repository)
    repository = repository.removesuffix(f":{tag}") if tag else repository
    return repository, digest if at else tag or DEFAULT_TAG


def quoted(name: str) -> str:
    """Percent-encode the name of an image or container for the path of a URL."""
    return quote(name, safe="/:@", errors="surrogateescape")


def _platform_json(platform: Platform) -> str:
    fields = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
    return json.dumps({name: value for name, value in fields.items() if value})
