"""Callbacks that report progress: the stage in words, the bytes done, and the bytes in total (0: unknown)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage, the bytes done and the total. An empty stage says that work without progress has ended."""

LEAST_SECONDS = 0.1


def ignore(*_: object) -> None:
    """Do nothing: the default of callbacks that report progress, bytes read, seek points or layers."""


class Rate:
    """Measures bytes per second from the first bytes on: before it sends any, an engine may prepare for a long time."""

    def __init__(self, now: float) -> None:
        self._since, self._done = now, 0

    def of(self, done: int, now: float) -> int:
        """Return the rate after `done` bytes in all, at the time `now` in seconds; fewer bytes than before restart it."""
        if not done or done < self._done:
            self._since = now
        self._done = done
        return int(done / max(now - self._since, LEAST_SECONDS))
