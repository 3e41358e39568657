"""Runs a call in a forked copy of this process, on another core."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def can_fork() -> bool:
    """Tell whether a fork is safe and useful: there is a second core, and no other thread, which might hold a lock."""
    return hasattr(os, "fork") and (os.cpu_count() or 1) > 1 and threading.active_count() == 1


class ForkedCall(Generic[T]):
    """A call made in a forked copy of this process. Its result comes back through a pipe, so it must be picklable."""

    def __init__(self, work: Callable[[], T]) -> None:
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reader)
            _do(work, writer)
        os.close(writer)
        self._pipe = os.fdopen(reader, "rb")

    def result(self) -> T | None:
        """Wait for what `work` returned; None when the process died instead (out of memory, killed)."""
        import pickle

        with self._pipe:
            try:
                found: T | None = pickle.load(self._pipe)  # noqa: S301 - it was written by ourselves
            except (EOFError, pickle.UnpicklingError):
                found = None
        self._reap()
        return found

    def cancel(self) -> None:
        """End the process if it still runs, and drop its result."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._pipe.close()
            self._reap()

    def _reap(self) -> None:
        os.waitpid(self._pid, 0)
        self._pid = 0


def _do(work: Callable[[], T], writer: int) -> None:
    """Run `work` in the forked child, pickle its result into the pipe `writer`, and exit.

    Nothing is cleaned up at the exit: open files and buffers are the parent's.
    """
    import pickle

    code = 1
    try:
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(work(), pipe, protocol=5)
        code = 0
    finally:
        os._exit(code)
