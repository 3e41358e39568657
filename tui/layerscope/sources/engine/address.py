"""Where exactly an engine is, and whom its certificate has to be from: what DOCKER_HOST and Docker's contexts say.

The package docker is imported only for addresses that are not plainly a socket of this machine.
"""

from __future__ import annotations

import os
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from layerscope.errors import LayerscopeError
from layerscope.sources.engine.endpoints import Endpoint, local_socket
from layerscope.sources.engine.failures import ODD_ANSWERS, EngineFailed, failure_of
from layerscope.text import escape


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where to connect: a `socket`, or else `host` and `port`, by TLS where there is a context for it, through `proxy`.

    `url` is `http(s)://HOST:PORT[/PATH]`, empty for a socket.
    """

    socket: Path | None = None
    url: str = ""
    tls: ssl.SSLContext | None = None
    proxy: str = ""

    @property
    def host(self) -> str:
        """Return the engine's host name or address; for a socket the word `engine`, because HTTP needs some host."""
        return urlsplit(self.url).hostname or "engine"

    @property
    def port(self) -> int:
        """Return the port; 0 for a socket."""
        return urlsplit(self.url).port or 0


@dataclass(frozen=True, slots=True)
class StatedAddress:
    """An address as settings have it, such as `tcp://build:2376`, and docker-py's TLSConfig for it, if any."""

    text: str
    tls: Any = None


def stated_address(endpoint: Endpoint) -> StatedAddress:
    """Return the address of an engine: the endpoint's, else DOCKER_HOST, else the Docker context's. Raises EngineFailed."""
    if endpoint.address:
        return StatedAddress(endpoint.address)
    if path := local_socket(endpoint):
        return StatedAddress(f"unix://{path}")
    with _docker_failures(endpoint):
        from docker.context import ContextAPI
        from docker.utils import kwargs_from_env

        settings: dict[str, Any] = kwargs_from_env()
        if "base_url" not in settings:
            chosen = os.environ.get("DOCKER_CONTEXT") or None
            if ContextAPI.get_context(chosen) is None:
                raise EngineFailed(
                    f"Docker has no context {escape(chosen or 'of the name in its config.json')}: docker context ls"
                )
            settings = {**ContextAPI.kwargs_from_context(), **settings}
        return StatedAddress(str(settings.get("base_url") or ""), settings.get("tls"))


def engine_address(endpoint: Endpoint, stated: StatedAddress) -> EngineAddress:
    """Parse a stated address other than `ssh://`. Raises EngineFailed for one that cannot be reached from here."""
    if stated.text.startswith("npipe:"):
        raise EngineFailed(
            f"{escape(str(endpoint))} is a named pipe, which only Windows has: set DOCKER_HOST to a socket (unix:///...) or a "
            "port (tcp://HOST:PORT)"
        )
    if stated.text.startswith("unix:///"):
        return EngineAddress(socket=Path(stated.text.removeprefix("unix://")))
    with _docker_failures(endpoint):
        from docker.utils import parse_host

        url: str = parse_host(stated.text, tls=bool(stated.tls))
        if url.startswith("http+unix://"):
            return EngineAddress(socket=Path("/", url.removeprefix("http+unix://")))
        tls = _tls_context(stated.tls) if url.startswith("https://") else None
        return EngineAddress(url=url, tls=tls, proxy=_proxy_for(url))


def _tls_context(config: Any) -> ssl.SSLContext:
    """Return a TLS context that checks like the docker command: without DOCKER_TLS_VERIFY it accepts any certificate, with it
    only those of `ca.pem`.
    """
    if config is None:
        return ssl.create_default_context()
    context = ssl.create_default_context(cafile=config.ca_cert if config.verify else None)
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.cert:
        context.load_cert_chain(*config.cert)
    return context


def _proxy_for(url: str) -> str:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY choose for `url`; empty for none. Raises ValueError for one
    that is not http.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy: str = select_proxy(url, get_environ_proxies(url)) or ""
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and not proxy.startswith("http://"):
        kind = urlsplit(proxy).scheme
        raise ValueError(f"engines are not asked through a proxy of the kind {kind}; name the engine in NO_PROXY")
    return proxy


@contextmanager
def _docker_failures(endpoint: Endpoint) -> Iterator[None]:
    """Raise EngineFailed for settings that docker-py cannot parse, as a context manager around its calls."""
    try:
        yield
    except LayerscopeError:
        raise
    except Exception as error:  # docker-py raises plain Exceptions for contexts that it cannot understand
        raise failure_of(endpoint, error) from error


def credentials_header(repository: str) -> dict[str, str]:
    """Return an X-Registry-Auth header with what `docker login` stored; none if the credential helper fails.

    Helpers also fail for public images.
    """
    from docker import auth
    from docker.errors import DockerException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # docker-py warns of a helper that is not installed
            registry, _ = auth.resolve_repository_name(repository)
            found = auth.load_config().resolve_authconfig(registry)
    except (DockerException, OSError, *ODD_ANSWERS):
        return {}
    return {"X-Registry-Auth": auth.encode_header(found).decode()} if found else {}
