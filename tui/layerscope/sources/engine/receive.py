"""Receiving a saved image: one thread reads the engine's bytes from the connection while another indexes them.

The thread also makes waiting interruptible: the waiting side wakes up ten times a second. Docker before version 25 writes the
whole image to its own disk before it sends the first byte (16 s for 1 GB).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType

from layerscope.errors import LayerscopeError
from layerscope.progress import Progress, ignore
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.engine.http import EngineResponse
from layerscope.text import escape

PIECE = 256 << 10
"""Bytes asked of the connection at a time."""
AHEAD = 16
"""The most pieces that are received but not yet indexed: 4 MiB."""
LOOK_UP = 0.1
"""Seconds between two progress reports, which may also cancel."""
SILENCE = 20.0
"""Seconds without a byte after which the engine is asked whether it still answers; one that is writing to its disk does."""

Request = Callable[[], EngineResponse]
"""Starts a save and returns its response, like `Engine.save`."""
OnPiece = Callable[[bytes], None]


Ping = Callable[[], None]
"""Raises when the engine does not answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to an engine: `name` is what sentences call it; `stage` and `waiting` are the progress texts after and
    before it answers.
    """

    name: str
    stage: str
    waiting: str
    request: Request
    ping: Ping


class Receiving:
    """The bytes of an engine's long answer (a save, an export, a pull) as they arrive.

    As a context manager, it closes the connection, which stops the engine.

    `expected` is how many bytes may come (0: unknown). `on_piece` is called with every piece, in the thread that reads. Raises
    EngineFailed when the engine refuses, fails, dies or hangs.
    """

    def __init__(self, call: Call, *, expected: int, progress: Progress, on_piece: OnPiece = ignore) -> None:
        self._name, self._stage, self._waiting = call.name, call.stage, call.waiting
        self._expected, self._progress, self._on_piece = expected, progress, on_piece
        self._line = _ConnectionThread(call)
        self._held = memoryview(b"")
        self._done = 0
        self._is_ended = False
        self._reported, self._started = 0.0, time.monotonic()

    def __enter__(self) -> Receiving:
        self._line.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._line.hang_up()

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""
        if len(self._held) >= size:
            return self._cut(size)
        parts: list[bytes] = []
        while size and (self._held or self._next()):
            parts.append(self._cut(size))
            size -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def some(self) -> bytes:
        """Return whatever came next; empty only at the end."""
        return self._cut(PIECE) if self._held or self._next() else b""

    def skip(self, size: int) -> int:
        """Skip `size` bytes and return how many there were."""
        skipped = 0
        while skipped < size and (self._held or self._next()):
            length = min(size - skipped, len(self._held))
            self._held = self._held[length:]
            skipped += length
        return skipped

    def finish(self) -> None:
        """Read the rest, so that a save that breaks off is noticed. Raises EngineFailed."""
        while self._next():
            pass

    def _cut(self, size: int) -> bytes:
        piece = bytes(self._held[:size])
        self._held = self._held[size:]
        return piece

    def _next(self) -> bool:
        """Wait for the next piece; return False at the end, however often it is called."""
        if self._is_ended:
            return False
        piece = self._wait()
        if isinstance(piece, Exception):
            raise self._failure(piece) from piece
        self._is_ended = not piece
        self._done += len(piece)
        self._on_piece(piece)
        self._held = memoryview(piece)
        return not self._is_ended

    def _wait(self) -> bytes | Exception:
        looked = time.monotonic()
        while True:
            self._report()
            with suppress(Empty):
                return self._line.pieces.get(timeout=LOOK_UP)
            if time.monotonic() - looked > SILENCE:
                self._line.look()
                looked = time.monotonic()

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported < LOOK_UP:
            return
        self._reported = now
        if self._done:
            self._progress(self._stage, self._done, self._expected if self._done <= self._expected else 0)
        else:
            self._progress(f"{self._waiting}, {now - self._started:.0f} s", 0, 0)

    def _failure(self, error: Exception) -> Exception:
        if isinstance(error, LayerscopeError):
            return error
        reason = escape(" ".join(str(error).split())[:200]) or type(error).__name__
        when = f"after {self._done} bytes" if self._done else "before the first byte"
        return EngineFailed(f"{self._name} broke off {when} of the image ({reason}); check that it still runs, and try again")


class _ConnectionThread:
    """The thread that reads from the connection. `pieces` receives bytes, an empty piece at the end, or the exception."""

    def __init__(self, call: Call) -> None:
        self.pieces: Queue[bytes | Exception] = Queue(AHEAD)
        self._call = call
        self._response: EngineResponse | None = None
        self._is_over = Event()
        self._thread = Thread(target=self._run, name="layerscope-receive", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self) -> None:
        """Ping the engine in another thread; if it does not answer, the error is put among the pieces."""
        Thread(target=self._ping, name="layerscope-ping", daemon=True).start()

    def _ping(self) -> None:
        try:
            self._call.ping()
        except Exception as error:  # noqa: BLE001 - raised again in the reading thread
            self._put(error)

    def hang_up(self) -> None:
        """Close the connection if it is open. An engine that has not begun to answer notices when this process exits."""
        self._is_over.set()
        response = self._response
        if response is not None:
            response.shutdown()
            self._thread.join()

    def _run(self) -> None:
        try:
            self._response = self._call.request()
            with self._response:
                self._pass_on(self._response)
            self._put(b"")
        except Exception as error:  # noqa: BLE001 - raised again in the reading thread, as a sentence
            self._put(error)

    def _pass_on(self, response: EngineResponse) -> None:
        # Pass on what is there: progress of a pull should not wait for 256 KiB of messages.
        while not self._is_over.is_set() and (piece := response.some(PIECE)):
            self._put(piece)

    def _put(self, piece: bytes | Exception) -> None:
        while not self._is_over.is_set():
            with suppress(Full):
                self.pieces.put(piece, timeout=LOOK_UP)
                return
