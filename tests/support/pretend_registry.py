"""A registry that misbehaves as no real one can be made to: a small HTTP server on this machine, one answer a path."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from layerscope.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def range(self) -> tuple[int, int] | None:
        """The first and last byte of a closed range."""
        stated = self.headers.get("range", "").removeprefix("bytes=")
        first, _, last = stated.partition("-")
        return (int(first), int(last)) if first and last else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. `length` replaces the true Content-Length; the line is cut after `cut_after` bytes of the body,
    and nothing more is sent after `stall_after` bytes, not even the headers if it is 0. `more` follows the body. Without
    `has_length` only the end of the connection tells where the body ends, as before HTTP/1.1.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int = -1
    cut_after: int = -1
    stall_after: int = -1
    more: Iterable[bytes] = ()
    has_length: bool = True

    @property
    def sent(self) -> bytes:
        """What is sent of the body."""
        return self.body[: min((each for each in (self.cut_after, self.stall_after) if each >= 0), default=len(self.body))]


Route = Callable[[Asked], Answer]


@dataclass
class PretendedRegistry:
    """`routes` by the start of their paths, the longest one first; `asked` is every request so far.

    `latency` is how many seconds a packet is under way: a request and its answer take two, a new connection two more.
    """

    port: int
    routes: dict[str, Route] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    is_over: Event = field(default_factory=Event)
    latency: float = 0.0
    protocol: str = "HTTP/1.1"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def asked_for(self, start: str) -> list[Asked]:
        """The requests for paths that begin so."""
        return [each for each in self.asked if each.path.startswith(start)]

    def answer(self, asked: Asked) -> Answer:
        starts = sorted((start for start in self.routes if asked.path.startswith(start)), key=len, reverse=True)
        return self.routes[starts[0]](asked) if starts else Answer(404, b"{}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is none of our errors."""


@contextmanager
def pretended_registry() -> Iterator[PretendedRegistry]:
    """Serve plain HTTP at a free port of the loopback address until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            pretended.is_over.wait(2 * pretended.latency)

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            pretended.asked.append(asked)
            pretended.is_over.wait(2 * pretended.latency)
            answer, self.protocol_version = pretended.answer(asked), pretended.protocol
            if answer.stall_after == 0:
                pretended.is_over.wait()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.has_length:
                self.send_header("Content-Length", str(len(answer.body) if answer.length < 0 else answer.length))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else answer.sent)
            for piece in answer.more:
                self.wfile.write(piece)
            if answer.stall_after > 0:
                pretended.is_over.wait()
            is_false = answer.length >= 0 and self.command != "HEAD"
            if answer.cut_after >= 0 or is_false or not answer.has_length:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names of the base class

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the base class
            """Nothing is logged."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        pretended = PretendedRegistry(server.server_port)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield pretended
        finally:
            pretended.is_over.set()
            server.shutdown()


def blob_route(content: bytes) -> Route:
    """A blob that is served whole or by closed ranges, as registries should."""

    def route(asked: Asked) -> Answer:
        if asked.range is None:
            return Answer(200, content)
        first, last = asked.range
        if first >= len(content):
            return Answer(416)
        part = content[first : last + 1]
        return Answer(206, part, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"})

    return route


def served(registry: PretendedRegistry, place: Path, tag: str = "1") -> str:
    """Serve the images of an OCI layout as team/app, and return a reference to what its index leads to."""
    blobs = {f"{kind.name}:{each.name}": each.read_bytes() for kind in (place / "blobs").iterdir() for each in kind.iterdir()}
    index = json.loads((place / "index.json").read_bytes())["manifests"]
    top = index[0]["digest"] if len(index) == 1 else ""
    if not top:
        raw = (place / "index.json").read_bytes()
        top = str(Digest.of(raw))
        blobs[top] = raw
    for name, content in blobs.items():
        registry.routes[f"/v2/team/app/blobs/{name}"] = blob_route(content)
        registry.routes[f"/v2/team/app/manifests/{name}"] = document_route(name, content)
    registry.routes[f"/v2/team/app/manifests/{tag}"] = document_route(top, blobs[top])
    return f"docker://{registry.host}/team/app:{tag}"


def document_route(digest: str, content: bytes) -> Route:
    def route(_asked: Asked) -> Answer:
        stated = json.loads(content).get("mediaType", "application/vnd.oci.image.manifest.v1+json")
        return Answer(200, content, {"Docker-Content-Digest": digest, "Content-Type": stated})

    return route
