"""An engine that misbehaves as no real one can be made to: a tiny HTTP server on a unix socket, one answer a path."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from threading import Event, Thread
from urllib.parse import parse_qs, unquote, urlsplit

IMAGE_ID = "sha256:" + "5" * 64
Write = Callable[[bytes], None]
Answer = Callable[[Write], None]


def sent(*pieces: bytes) -> Answer:
    """An answer of these pieces, whole."""

    def answer(write: Write) -> None:
        for piece in pieces:
            write(piece)
        write(b"")

    return answer


def cut(*pieces: bytes) -> Answer:
    """An answer that ends before its end, as when the engine dies."""

    def answer(write: Write) -> None:
        for piece in pieces:
            write(piece)

    return answer


@dataclass
class Pretended:
    """What the server does and saw. `hung_up` is set when a client left before the answer was over."""

    socket: Path
    version: str
    save: Answer
    tags: list[str]
    image_id: str = IMAGE_ID
    about: dict[str, str] = field(default_factory=dict)
    """What it says of itself (Engine API, SystemInfo)."""
    refusal: str = ""
    """Why it does not load an archive, of which it then reads nothing."""
    load: Answer = field(default_factory=sent)
    """What it answers to an archive, once it has all of it."""
    hangs_at: str = ""
    """The end of the paths that are never answered."""
    asked: list[str] = field(default_factory=list)
    wanted: list[dict[str, list[str]]] = field(default_factory=list)
    hung_up: Event = field(default_factory=Event)
    silent: Event = field(default_factory=Event)
    """Set by a test to let the server go that answers nothing."""

    @property
    def address(self) -> str:
        return f"unix://{self.socket}"

    @property
    def saves(self) -> int:
        """How often an export was asked for."""
        return sum(path.endswith("/get") for path in self.asked)

    def wait(self, _write: Write) -> None:
        """An answer that never comes."""
        self.silent.wait()

    def answer(self, path: str) -> Answer | None:
        if self.hangs_at and path.endswith(self.hangs_at):
            return self.wait
        about = {"Id": self.image_id, "RepoTags": self.tags, "Size": 1, "RootFS": {"Layers": []}}
        if path.endswith("/version"):
            return sent(json.dumps({"ApiVersion": self.version}).encode())
        if path.endswith("/info"):
            return sent(json.dumps(self.about).encode())
        if path.endswith("/get"):
            return self.save
        if path.endswith("/images/json"):
            return sent(json.dumps([about]).encode())
        name = unquote(path.partition("/images/")[2].removesuffix("/json"))
        return sent(json.dumps(about).encode()) if name in (*self.tags, self.image_id) else None


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 20


@contextmanager
def pretended_engine(
    directory: Path, save: Answer, *, version: str = "1.41", tag: str = "app:1", image_id: str = IMAGE_ID
) -> Iterator[Pretended]:
    """Serve until the context ends; `directory` needs a short name."""
    pretended = Pretended(directory / "pretended", version, save, [tag], image_id)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            pretended.asked.append(parts.path)
            pretended.wanted.append(parse_qs(parts.query))
            answer = pretended.answer(parts.path)
            self.close_connection = True
            if answer == pretended.wait:
                pretended.silent.wait()
            self.send_response(200 if answer else 404)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                (answer or sent(b"{}"))(self.chunk)
            except OSError:
                pretended.hung_up.set()

        def do_POST(self) -> None:
            pretended.asked.append(urlsplit(self.path).path)
            self.close_connection = True
            if pretended.refusal:
                body = json.dumps({"message": pretended.refusal}).encode()
                self.send_response(500)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                pretended.load(self.chunk)
            except OSError:
                pretended.hung_up.set()

        def chunk(self, piece: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

        def address_string(self) -> str:
            return "a test"

        def log_message(self, *_: object) -> None:
            pass

    with _Server(str(pretended.socket), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield pretended
        finally:
            pretended.silent.set()
            server.shutdown()
            thread.join()
