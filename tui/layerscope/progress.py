"""Progress callbacks: stage, bytes done, total (0: unknown)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with those three, sizes in bytes. An empty stage says that work which nobody expected is over."""

LEAST_SECONDS = 0.1


def ignore(*_: object) -> None:
    """Do nothing: the default of callbacks that report progress, bytes read, seek points or layers."""


class Rate:
    """Bytes a second, from when they began to come: an engine may think for long before the first one."""

    def __init__(self, now: float) -> None:
        self._since, self._done = now, 0

    def of(self, done: int, now: float) -> int:
        """The rate of `done` bytes at a time, in seconds; fewer than before are those of other work."""
        if not done or done < self._done:
            self._since = now
        self._done = done
        return int(done / max(now - self._since, LEAST_SECONDS))
