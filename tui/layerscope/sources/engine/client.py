"""A client for one engine. The only module that imports docker, and only when needed: that takes 120 ms."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from layerscope.errors import LayerscopeError
from layerscope.limits import ENGINE_ANSWER, ENGINE_REFUSAL
from layerscope.oci.platform import Platform
from layerscope.oci.reference import DEFAULT_TAG, tag_of
from layerscope.sources.engine.endpoints import Endpoint
from layerscope.sources.engine.failures import ODD_ANSWERS, EngineFailed, failure_of, refused, taking_apart, too_old
from layerscope.sources.engine.ssh import ssh_bridge
from layerscope.text import escape

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
"""How long a short answer may take; a busy engine takes many seconds for an inspect. Saves and pulls have no limit."""
OLDEST_VERSION = (1, 24)
"""The oldest supported API (Docker 1.12)."""
PLATFORM_VERSION = (1, 48)
"""The API that can save one platform of several (Docker 28)."""
_ABSENT = 404
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class Inspected:
    """An engine's description of an image; sizes in bytes. `layers` are the diff_ids, base first."""

    id: str
    names: tuple[str, ...]
    size: int
    layers: tuple[str, ...]


class Engine:
    """A connected engine, closed by `close` or as a context manager. Every method raises EngineFailed with a sentence."""

    def __init__(self, endpoint: Endpoint, api: Any, resources: ExitStack) -> None:
        self.endpoint = endpoint
        self._api = api
        self._resources = resources
        self._version: tuple[int, ...] = OLDEST_VERSION

    @classmethod
    def connect(cls, endpoint: Endpoint) -> Engine:
        """Ask an engine for its version. Raises EngineFailed."""
        with _failing_as(endpoint):
            settings = _settings(endpoint)
        endpoint = replace(endpoint, address=settings.get("base_url") or endpoint.address)
        with ExitStack() as resources, _failing_as(endpoint):
            from docker import APIClient

            if endpoint.address.startswith("ssh://"):
                settings["base_url"] = resources.enter_context(ssh_bridge(endpoint))
            _knock(endpoint)
            api = APIClient(**settings, version=_text(OLDEST_VERSION), timeout=CONNECT_SECONDS)
            resources.callback(api.close)
            engine = cls(endpoint, api, resources)
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
        """Return the answer to a short API request, such as `/images/json`; None if the engine answers that there is no such
        object.
        """
        with _failing_as(self.endpoint), self._get(path, stream=True, timeout=(CONNECT_SECONDS, ANSWER_SECONDS)) as response:
            if response.status_code in (_ABSENT, _REFUSED):
                return None
            self._check(response)
            return json.loads(_body(response))

    def ping(self) -> None:
        """Check that the engine still answers."""
        self.ask("/version")

    def inspect(self, name: str) -> Inspected | None:
        """Return an image by name, name@digest or the first digits of its id; None if the engine has none."""
        found = self.ask(f"/images/{_quoted(name)}/json")
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

    def save(self, name: str, platform: Platform | None) -> Any:
        """Start a save and return the response once the engine begins to send, which may take long; may raise anything."""
        wanted = {"platform": _platform_json(platform)} if platform and self._version >= PLATFORM_VERSION else {}
        response = self._get(f"/images/{_quoted(name)}/get", params=wanted, stream=True, timeout=(CONNECT_SECONDS, None))
        return self._checked(response)

    def export(self, container: str) -> Any:
        """Start the export of a container's files and return the response: one tar; may raise anything."""
        return self._checked(self._get(f"/containers/{container}/export", stream=True, timeout=(CONNECT_SECONDS, None)))

    def file(self, container: str, path: bytes) -> Any:
        """Start the copy of a file of a container and return the response: a tar of that file; may raise anything."""
        address, wanted = f"/containers/{container}/archive", {"path": path}
        plain = {"Accept-Encoding": "identity"}  # else Docker compresses, and this is read as it comes
        return self._checked(self._get(address, params=wanted, headers=plain, stream=True, timeout=(CONNECT_SECONDS, None)))

    def pull(self, name: str, platform: Platform | None) -> Any:
        """Start a pull and return the response: its progress messages (Engine API, ImageCreate); may raise anything."""
        repository, tag = _pulled(name)
        wanted = {"fromImage": repository, "tag": tag} | ({"platform": str(platform)} if platform else {})
        headers = self._credentials(repository)
        path, timeout = f"/v{_text(self._version)}/images/create", (CONNECT_SECONDS, None)
        response = self._ask("POST", path, params=wanted, headers=headers, stream=True, timeout=timeout)
        return self._checked(response)

    def _credentials(self, repository: str) -> dict[str, str]:
        """Return what `docker login` stored for a registry; nothing if its helper fails, as helpers do for public images."""
        from docker import auth
        from docker.errors import DockerException

        try:
            registry, _ = auth.resolve_repository_name(repository)
            header = auth.get_config_header(self._api, registry)
        except DockerException:
            return {}
        return {"X-Registry-Auth": header} if header else {}

    def _get(self, path: str, **options: Any) -> Any:
        return self._ask("GET", f"/v{_text(self._version)}{path}", **options)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        # What verifies the engine is said once more: requests would let REQUESTS_CA_BUNDLE go before the client's own.
        return self._api.request(method, self._api.base_url + path, verify=self._api.verify, **options)

    def _newest_version(self) -> tuple[int, ...]:
        """Return the newest version of the API that the engine speaks. Raises EngineFailed for one that is too old."""
        with self._ask("GET", "/version", stream=True, timeout=CONNECT_SECONDS) as response:
            self._check(response)
            stated = str(json.loads(_body(response))["ApiVersion"])
        version = tuple(int(part) for part in stated.split("."))
        if version < OLDEST_VERSION:
            raise too_old(self.endpoint, stated, _text(OLDEST_VERSION))
        return version

    def _checked(self, response: Any) -> Any:
        try:
            self._check(response)
        except BaseException:
            response.close()
            raise
        return response

    def _check(self, response: Any) -> None:
        """Raise EngineFailed with the engine's own words for any answer that is not a success."""
        if response.status_code < _REFUSED:
            return
        text = _body(response, ENGINE_REFUSAL).decode("utf-8", "replace")
        with suppress(ValueError, KeyError, TypeError):
            text = json.loads(text)["message"]
        raise refused(self.endpoint, response.status_code, str(text))


def _knock(endpoint: Endpoint) -> None:
    """Raise OSError if nothing listens at a socket; docker-py would leave its own socket open in that case."""
    if endpoint.socket is not None:
        with socket.socket(socket.AF_UNIX) as attempt:
            attempt.settimeout(CONNECT_SECONDS)
            attempt.connect(str(endpoint.socket))


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _settings(endpoint: Endpoint) -> dict[str, Any]:
    """Return the address and TLS settings that the docker command would use for an engine."""
    if endpoint.address:
        return {"base_url": endpoint.address}
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    settings: dict[str, Any] = kwargs_from_env()
    if "base_url" in settings:
        return settings
    chosen = os.environ.get("DOCKER_CONTEXT") or None
    if ContextAPI.get_context(chosen) is None:
        raise EngineFailed(f"Docker has no context {escape(chosen or 'of the name in its config.json')}: docker context ls")
    return {**ContextAPI.kwargs_from_context(), **settings}


@contextmanager
def _failing_as(endpoint: Endpoint) -> Iterator[None]:
    from docker.errors import DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except LayerscopeError:
        raise
    except (DockerException, RequestException, HTTPError, OSError, *ODD_ANSWERS) as error:
        raise failure_of(endpoint, error) from error


def _body(response: Any, most: int = ENGINE_ANSWER) -> bytes:
    """Read a streamed answer to its end. Raises ValueError for one that is too long."""
    body = bytearray()
    for piece in response.iter_content(1 << 16):
        body += piece
        if len(body) > most:
            raise ValueError(f"its answer is longer than {most >> 10} KiB")
    return bytes(body)


def _tags(image: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(tag) for tag in image.get("RepoTags") or () if tag != "<none>:<none>")


def _pulled(name: str) -> tuple[str, str]:
    """Split a name into repository and tag or digest; `latest` by default, because without a tag the engine pulls them all."""
    repository, at, digest = name.partition("@")
    tag = tag_of(repository)
    repository = repository.removesuffix(f":{tag}") if tag else repository
    return repository, digest if at else tag or DEFAULT_TAG


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="/:@")


def _platform_json(platform: Platform) -> str:
    fields = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
    return json.dumps({name: value for name, value in fields.items() if value})
