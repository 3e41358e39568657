"""What long work tells whoever watches: the stage, how much of it is done, and of how much (0: unknown)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with those three, sizes in bytes. An empty stage says that work which nobody expected is over."""

LEAST_SECONDS = 0.1


def unwatched(_stage: str, _done: int, _total: int) -> None:
    """The default for `progress`: nobody watches."""


class Rate:
    """Bytes a second, from when they began to come: an engine may think for long before the first one."""

    def __init__(self, now: float) -> None:
        self._since, self._done = now, 0

    def of(self, done: int, now: float) -> int:
        """Return the rate of `done` bytes at a time, in seconds; fewer than before are those of other work."""
        if not done or done < self._done:
            self._since = now
        self._done = done
        return int(done / max(now - self._since, LEAST_SECONDS))
