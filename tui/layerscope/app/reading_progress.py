"""The progress of work in a thread, as messages to a screen, and how the user stops it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from textual.message import Message

from layerscope.errors import Cancelled
from layerscope.progress import Rate

INTERVAL = 0.1
"""Seconds between two messages."""


@dataclass
class Progressed(Message, bubble=False):
    """The work is at `stage`: `done` bytes of `total` (0: unknown), at `rate` bytes a second. No stage: it is over."""

    stage: str
    done: int
    total: int
    rate: int


class ProgressPoster:
    """A progress callback for long work: it posts Progressed at most ten times a second, and raises Cancelled after `stop`."""

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        self._is_stopped = False
        self.start()

    def start(self) -> None:
        """Measure the rate from now on."""
        self._told = time.monotonic()
        self._rate = Rate(self._told)

    def stop(self) -> None:
        """Raise Cancelled at the next report."""
        self._is_stopped = True

    def check(self) -> None:
        """Raise Cancelled if the work was stopped."""
        if self._is_stopped:
            raise Cancelled

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report how far the work is. The end of it, which has no stage, is always posted."""
        self.check()
        now = time.monotonic()
        rate = self._rate.of(done, now)
        if now - self._told >= INTERVAL or not stage:
            self._told = now
            self._post(Progressed(stage, done, total, rate))
