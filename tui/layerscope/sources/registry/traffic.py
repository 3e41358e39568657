"""Limits and counters that all requests of one command share: how many at once, how fast, how long to wait, bytes fetched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from email.utils import parsedate_to_datetime
from socket import SHUT_RDWR, socket
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Any
from weakref import WeakSet

from layerscope.errors import Cancelled

AT_ONCE = 8
"""Requests to one host at a time; registries answer more with 429."""
LONGEST_WAIT = 60.0
"""Seconds that a registry may demand before the next try."""
FIRST_WAIT = 0.5
GLANCE = 0.05
"""Seconds after which a thread that waits for a connection looks whether it should still do so."""


HostLimit = Callable[[str], AbstractContextManager[Any]]
"""Returns what holds back a request to a host while other processes or machines send theirs."""


def no_limit(_host: str) -> AbstractContextManager[Any]:
    """Hold nothing back."""
    return nullcontext()


class Traffic:
    """One limiter for each host, one for the rate, and counters. Shared by all threads of a command."""

    def __init__(self, bytes_per_second: int = 0, shared_limit: HostLimit = no_limit) -> None:
        self._shared_limit = shared_limit
        self.requests: list[str] = []
        """Every request as `METHOD URL`, without queries, which may hold signatures."""
        self.fetched: Counter[str] = Counter()
        """Bytes of bodies that came, by what they belong to: a digest, or empty for documents."""
        self.remaining: dict[str, int] = {}
        """The last `ratelimit-remaining` of each host."""
        self._hosts: dict[str, BoundedSemaphore] = {}
        self._not_before: dict[str, float] = {}
        self._rate, self._allowance, self._filled = bytes_per_second, 0.0, time.monotonic()
        self._lock = Lock()
        self._sockets: WeakSet[socket] = WeakSet()
        self._is_cancelled = Event()

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Hold one of the few simultaneous requests to a host, after waiting as long as that host asked for."""
        with self._lock:
            semaphore = self._hosts.setdefault(host, BoundedSemaphore(AT_ONCE))
        while not semaphore.acquire(timeout=0.2):
            self.check()
        try:
            with self._shared_limit(host):
                self.wait(self._not_before.get(host, 0.0) - time.monotonic())
                yield
        finally:
            semaphore.release()

    def postpone(self, host: str, seconds: float) -> None:
        """Send no requests to this host for a while."""
        with self._lock:
            self._not_before[host] = max(self._not_before.get(host, 0.0), time.monotonic() + seconds)

    def wait(self, seconds: float) -> None:
        """Sleep, unless the command is stopped. Raises Cancelled."""
        if seconds > 0:
            self._is_cancelled.wait(seconds)
        self.check()

    def take(self, owner: str, length: int) -> None:
        """Count received bytes, and slow down if the user limits the rate."""
        with self._lock:
            self.fetched[owner] += length
        self.pace(length)

    def pace(self, length: int) -> None:
        """Slow down after `length` bytes in either direction, if the user limits the rate. Raises Cancelled."""
        with self._lock:
            if not self._rate:
                return
            now = time.monotonic()
            self._allowance = min(self._rate, self._allowance + (now - self._filled) * self._rate) - length
            self._filled = now
            behind = -self._allowance / self._rate
        self.wait(behind)

    @contextmanager
    def watched(self, response: Any) -> Iterator[Any]:
        """Yield a response and close it in the end. Raises Cancelled after `cancel`."""
        try:
            self.check()
            yield response
        finally:
            response.close()

    def outwait(self, call: Callable[[], None]) -> None:
        """Run `call` in a thread of its own, and leave it alone with its work after `cancel`; then raises Cancelled.

        Nothing else ends a thread that resolves a name, connects or shakes hands with a host that does not answer.
        """
        ending: Future[None] = Future()

        def run() -> None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
                ending.set_exception(error)
            else:
                ending.set_result(None)

        Thread(target=run, name="layerscope-connect", daemon=True).start()
        while not wait([ending], GLANCE).done:
            self.check()
        ending.result()

    def watch_socket(self, connected: socket) -> None:
        """Remember a connection, for `cancel` to tear it down. Raises Cancelled after `cancel`."""
        with self._lock:
            self._sockets.add(connected)
        self.check()

    def cancel(self) -> None:
        """Stop everything: waits end, and threads that wait for an answer or its bytes get an error."""
        self._is_cancelled.set()
        with self._lock:
            for each in list(self._sockets):
                # Closing a socket does not wake a thread that waits for it; shutting it down does.
                with suppress(OSError):
                    each.shutdown(SHUT_RDWR)

    def check(self) -> None:
        """Raise Cancelled after `cancel`."""
        if self._is_cancelled.is_set():
            raise Cancelled

    @property
    def total(self) -> int:
        """Return the number of bytes fetched so far."""
        return sum(self.fetched.values())


def retry_after(value: str | None, attempt: int) -> float:
    """Return how many seconds to wait, from a `Retry-After` (RFC 9110 10.2.3: a number or a date); else longer each attempt."""
    with suppress(ValueError, TypeError, OverflowError):
        if value and value.strip().isdecimal():
            return min(float(value), LONGEST_WAIT)
        if value:
            return min(max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0), LONGEST_WAIT)
    return min(FIRST_WAIT * float(1 << attempt), LONGEST_WAIT)
