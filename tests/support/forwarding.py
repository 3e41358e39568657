"""A proxy before a real server: it forwards requests, keeps a list of them, and may be as far away as another continent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from support.pretend_registry import Answer, Asked, PretendedRegistry, pretended_registry

HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "expect", "server", "date", "keep-alive"}


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A request and what came back: its status, and the bytes of its body."""

    method: str
    path: str
    range: tuple[int, int] | None
    status: int
    length: int

    def __str__(self) -> str:
        part = "" if self.range is None else f" bytes {self.range[0]}-{self.range[1]}"
        return f"{self.method} {self.path}{part}: {self.status}, {self.length} bytes"


@dataclass
class Forwarder:
    """Forwards to `target` (`http://HOST:PORT`) what `server` is asked for; `passed` is every request so far."""

    target: str
    server: PretendedRegistry
    passed: list[Forwarded] = field(default_factory=list)

    def __post_init__(self) -> None:
        from urllib3 import PoolManager

        self._pool = PoolManager(maxsize=32)

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def total(self) -> int:
        """Bytes of all bodies so far."""
        return sum(each.length for each in self.passed)

    def answer(self, asked: Asked) -> Answer:
        """Ask the server behind it as it was asked itself, by its own name: what is signed names that."""
        headers = {name: value for name, value in asked.headers.items() if name not in HOP_BY_HOP}
        found = self._pool.request(
            asked.method,
            self.target + asked.path,
            headers=headers | {"host": self.host},
            body=asked.body or None,
            redirect=False,
            decode_content=False,
            retries=False,
            timeout=60,
        )
        self.passed.append(Forwarded(asked.method, asked.path, asked.range, found.status, len(found.data)))
        kept = {name: value for name, value in found.headers.items() if name.lower() not in HOP_BY_HOP}
        length = int(found.headers.get("Content-Length", -1)) if asked.method == "HEAD" else -1
        return Answer(found.status, found.data, kept, length=length)


@contextmanager
def forwarder(target: str, *, latency: float = 0.0) -> Iterator[Forwarder]:
    """A Forwarder at a free port of this machine, `latency` seconds away: each request and each answer takes that long."""
    with pretended_registry() as server:
        server.latency, found = latency, Forwarder(target, server)
        server.routes["/"] = found.answer
        yield found
