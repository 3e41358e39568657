"""Many short requests to one engine, in parallel.

docker-py takes 2 ms of CPU time for each and 120 ms to import, so requests go directly to the socket if the engine listens on
one on this machine.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from pathlib import Path
from threading import Lock, local
from typing import Any

from layerscope.sources.engine.endpoints import Endpoint
from layerscope.sources.engine.failures import EngineFailed, failure_of
from layerscope.sources.engine_names import EngineKind
from layerscope.text import escape

AT_ONCE = 8
"""Parallel requests: an engine with several cores answers that many at once."""
ANSWER_SECONDS = 60
_SOCKET = "unix://"
_ABSENT = frozenset({400, 404})
_REFUSED = 400
LONGEST_REASON = 500

Ask = Callable[[str], Any]
"""Returns the answer to a request such as `/images/json`; None if there is no such object. May be called in any thread; raises
EngineFailed.
"""


@contextmanager
def asking_engine(endpoint: Endpoint) -> Iterator[Ask]:
    """Connect to an engine for as long as the context lasts. Raises EngineFailed, perhaps only at the first request."""
    path = local_socket(endpoint)
    if path is not None:
        with _SocketTransport(endpoint, path) as line:
            yield line.ask
        return
    from layerscope.sources.engine.client import Engine

    with Engine.connect(endpoint) as engine:
        yield engine.ask


def ask_all(ask: Ask, paths: Iterable[str]) -> Iterator[Any]:
    """Send all requests in parallel and return the answers in the same order."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(ask, paths)


def local_socket(endpoint: Endpoint) -> Path | None:
    """Return the socket where an engine listens; None if it is remote, or if only Docker's context says where."""
    address = endpoint.address
    if not address and endpoint.kind is EngineKind.DOCKER:
        address = os.environ.get("DOCKER_HOST", "")
    return Path(address.removeprefix(_SOCKET)) if address.startswith(f"{_SOCKET}/") else None


class _SocketTransport:
    """HTTP over a socket: one connection for each thread, kept open until the end."""

    def __init__(self, endpoint: Endpoint, path: Path) -> None:
        self._endpoint, self._path = endpoint, path
        self._own = local()
        self._all = ExitStack()
        self._lock = Lock()

    def __enter__(self) -> _SocketTransport:
        return self

    def __exit__(self, *_error: object) -> None:
        self._all.close()

    def ask(self, path: str) -> Any:
        """Send one request. Without a version in its path, the engine answers in its own version."""
        try:
            response, body = self._response(path)
            return None if response.status in _ABSENT else json.loads(self._checked(response, body))
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            raise failure_of(self._endpoint, error) from error

    def _response(self, path: str) -> tuple[HTTPResponse, bytes]:
        connection = self._connection()
        was_open = connection.sock is not None
        try:
            return connection.answer(path)
        except (ConnectionError, RemoteDisconnected):
            # An engine may let go of a connection after any answer.
            connection.close()
            if not was_open:
                raise
            return connection.answer(path)

    def _connection(self) -> _SocketConnection:
        connection: _SocketConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = _SocketConnection(self._path)
            with self._lock:
                self._all.callback(connection.close)
        return connection

    def _checked(self, response: HTTPResponse, body: bytes) -> bytes:
        if response.status < _REFUSED:
            return body
        text = body.decode("utf-8", "replace")[:LONGEST_REASON].strip()
        raise EngineFailed(f"{self._endpoint} refused ({response.status}): {escape(text)}")


class _SocketConnection(HTTPConnection):
    """HTTP through a local socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=ANSWER_SECONDS)
        self._path = path

    def answer(self, path: str) -> tuple[HTTPResponse, bytes]:
        """Return the status and the content of an answer."""
        self.request("GET", path)
        response = self.getresponse()
        return response, response.read()

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
