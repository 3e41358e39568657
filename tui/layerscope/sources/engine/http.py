"""HTTP to one engine: through a socket of this machine or an ssh bridge, TCP or TLS, with the proxy of the environment.

It uses http.client: docker-py takes 120 ms to be imported and seven times as long for each question (0.7 ms), follows
redirects, and its sockets behind ssh know no timeouts. The package docker only reads Docker's configuration: see `address`.
"""

from __future__ import annotations

import http.client
import socket
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Protocol
from urllib.parse import unquote, urlsplit

from layerscope.limits import ENGINE_ANSWER, ENGINE_REFUSAL
from layerscope.sources.engine.address import EngineAddress

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
"""How long a short answer may take; a busy engine takes many seconds for an inspect. Saves and pulls have no limit."""
PIECE = 64 << 10


class Body(Protocol):
    """What a request sends: a file, or what reads like one."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes; empty only at the end."""


class EngineTransport:
    """Connections to one engine; free ones are kept for the next request. Used by several threads at a time."""

    def __init__(self, address: EngineAddress) -> None:
        self._address = address
        self._idle: deque[_EngineConnection] = deque()
        self._is_closed = False

    def close(self) -> None:
        """Close the free connections now, and each busy one once it has answered."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def answer(self, path: str, *, seconds: float | None = None) -> tuple[int, bytes]:
        """Return the status and body of a short answer to GET. Raises OSError, HTTPException, and ValueError for an endless
        one.
        """
        try:
            kept = self._idle.pop()
        except IndexError:  # none is free, perhaps since a moment ago
            kept = None
        if kept is not None:
            # An engine may let go of a connection after any answer; nothing is lost then.
            with suppress(ConnectionError):
                return self._answer(kept, path, seconds)
        return self._answer(_EngineConnection(self._address), path, seconds)

    def start(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Body | None = None
    ) -> EngineResponse:
        """Send a request that may take any time, on a connection of its own, and return the response, which closes it.

        With a `body`, the headers have to say its length.
        """
        connection = _EngineConnection(self._address)
        try:
            return connection.respond(method, path, headers or {}, None, body)
        except BaseException:
            connection.close()
            raise

    def _answer(self, connection: _EngineConnection, path: str, seconds: float | None) -> tuple[int, bytes]:
        try:
            response = connection.respond("GET", path, {}, ANSWER_SECONDS if seconds is None else seconds)
            body = response.body(ENGINE_ANSWER if response.is_success else ENGINE_REFUSAL)
        except BaseException:
            connection.close()
            raise
        if response.is_last or self._is_closed:
            connection.close()
        else:
            self._idle.append(connection)
        return response.status, body


class EngineResponse:
    """An answer whose body was not read yet. A context manager: leaving it closes the connection."""

    def __init__(self, connection: _EngineConnection, response: http.client.HTTPResponse, line: socket.socket) -> None:
        self._connection, self._response, self._line = connection, response, line
        self.status = response.status
        self.is_success = 200 <= response.status < 300
        self.is_last = response.will_close

    def __enter__(self) -> EngineResponse:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def some(self, size: int) -> bytes:
        """Return what has arrived of the body, at most `size` bytes; empty only at the end. Raises IncompleteRead where the
        engine breaks off.
        """
        piece = self._response.read1(size)
        if not piece and self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)
        return piece

    def body(self, most: int) -> bytes:
        """Return the whole body. Raises ValueError if it is longer than `most` bytes."""
        body = bytearray()
        while piece := self.some(PIECE):
            body += piece
            if len(body) > most:
                raise ValueError(f"its answer is longer than {most >> 10} KiB")
        self._response.close()  # the connection is free for the next question
        return bytes(body)

    def shutdown(self) -> None:
        """Wake up a thread that waits for bytes, which closing a socket does not."""
        with suppress(OSError):
            socket.socket.shutdown(self._line, socket.SHUT_RDWR)  # not TLS's, which would take the state from under the reader

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._connection.close()


class _EngineConnection(http.client.HTTPConnection):
    """One connection to an engine, open from its first request on."""

    def __init__(self, address: EngineAddress) -> None:
        super().__init__(address.host, address.port or None, blocksize=PIECE)
        self._address = address
        self._proxy_headers: dict[str, str] = {}

    def respond(
        self, method: str, path: str, headers: Mapping[str, str], seconds: float | None, body: Body | None = None
    ) -> EngineResponse:
        """Send a request; wait at most `seconds` for the first line of the answer, and then for each piece."""
        if self.sock is None:
            self.connect()
        line: socket.socket = self.sock
        line.settimeout(seconds)
        is_absolute = self._address.proxy and self._address.tls is None
        start = self._address.url if is_absolute else urlsplit(self._address.url).path
        try:
            self.request(method, start.rstrip("/") + path, body, {**headers, **self._proxy_headers})
        except ConnectionError:
            if body is None:
                raise
            # An engine that refuses what is sent says why, though it does not take the rest.
        return EngineResponse(self, self.getresponse(), line)

    def connect(self) -> None:
        """Connect to the engine's socket, to its host, or to the proxy in front of it."""
        address = self._address
        if address.socket is not None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(CONNECT_SECONDS)
            self.sock.connect(str(address.socket))
            return
        self.timeout = CONNECT_SECONDS
        if address.proxy:
            self._go_through(address)
        super().connect()
        if address.tls is not None:
            self.sock = address.tls.wrap_socket(self.sock, server_hostname=address.host)

    def _go_through(self, address: EngineAddress) -> None:
        """Prepare to connect through the proxy: by a tunnel for TLS, otherwise by requests for whole URLs."""
        proxy = urlsplit(address.proxy)
        headers = {}
        if proxy.username:
            import base64

            pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            headers = {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        self.host, self.port = proxy.hostname or "", proxy.port or http.client.HTTP_PORT
        if address.tls is not None:
            self.set_tunnel(address.host, address.port, headers)
        else:
            self._proxy_headers = headers
