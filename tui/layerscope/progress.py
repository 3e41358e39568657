"""What long work tells whoever watches: the stage, how much of it is done, and of how much (0: unknown)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with those three, sizes in bytes."""


def unwatched(_stage: str, _done: int, _total: int) -> None:
    """The default for `progress`: nobody watches."""
