"""SIGTERM and SIGHUP end a command as Ctrl-C does: clean up first, then exit with 128 + the signal.

This module imports nothing slow, so that signals are handled from the start.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class Ended(BaseException):
    """A signal that ends the process; no `except Exception` catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


def raise_on_signals() -> None:
    """Raise Ended in the main thread for SIGTERM and SIGHUP, unless the caller ignores them, as nohup does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    # A shell and the system may both send one: the second must not interrupt the cleanup.
    signal.signal(number, signal.SIG_IGN)
    raise Ended(number)
