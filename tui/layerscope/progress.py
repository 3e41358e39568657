"""Progress callbacks: stage, bytes done, total (0: unknown)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with these three, sizes in bytes. An empty stage says that unannounced work has ended."""

LEAST_SECONDS = 0.1


def ignore(*_: object) -> None:
    """Do nothing: the default of callbacks that report progress, bytes read, seek points or layers."""


class Rate:
    """Bytes per second since the first ones came: an engine may prepare for a long time before."""

    def __init__(self, now: float) -> None:
        self._since, self._done = now, 0

    def of(self, done: int, now: float) -> int:
        """Return the rate for `done` bytes at a time in seconds; fewer bytes than before start a new measurement."""
        if not done or done < self._done:
            self._since = now
        self._done = done
        return int(done / max(now - self._since, LEAST_SECONDS))
