"""SIGTERM and SIGHUP end a command as Ctrl-C does: what was begun is cleaned up, then the exit code says which it was."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class Ended(BaseException):
    """Somebody ended this process by a signal; no `except Exception` gets in its way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


def raise_on_signals() -> None:
    """Raise Ended in the main thread for SIGTERM and SIGHUP, unless the caller had them ignored, as nohup does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    # A shell and the system may both send one: the second must not break off the cleaning up.
    signal.signal(number, signal.SIG_IGN)
    raise Ended(number)
