"""SIGTERM and SIGHUP end a command as Ctrl-C does: clean up first, then exit with 128 + the signal.

This module imports nothing slow, so that signals are handled from the start.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

SOON = 0.01
"""Seconds until a signal is sent again that was dropped."""


class Ended(BaseException):
    """A signal that ends the process; no `except Exception` catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


def raise_on_signals() -> None:
    """Raise Ended in the main thread for SIGTERM and SIGHUP, unless the caller ignores them, as nohup does.

    From now on, neither of them nor Ctrl-C is lost that arrives while an object is destroyed, and nothing is said of an object
    that one left half made.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _send_again


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    # A shell and the system may both send one: the second must not interrupt the cleanup.
    signal.signal(number, signal.SIG_IGN)
    sys.unraisablehook = _send_again_silently
    raise Ended(number)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.unraisablehook = _send_again_silently
    raise KeyboardInterrupt


def _send_again(dropped: UnraisableHookArgs) -> None:
    if isinstance(dropped.exc_value, (KeyboardInterrupt, Ended)):
        _send_again_silently(dropped)
    else:
        sys.__unraisablehook__(dropped)


def _send_again_silently(dropped: UnraisableHookArgs) -> None:
    """Send a signal again whose exception Python drops, because it was raised in an object's `__del__`."""
    error = dropped.exc_value
    if not isinstance(error, (KeyboardInterrupt, Ended)):
        return  # a response, for one, whose `__init__` was interrupted cannot be closed
    import threading

    number = error.number if isinstance(error, Ended) else signal.SIGINT
    if isinstance(error, Ended):
        signal.signal(number, _end)
    # Python calls this hook in that same `__del__`: what is raised before it is left would be dropped, too.
    again = threading.Timer(SOON, signal.pthread_kill, (threading.get_ident(), number))
    again.daemon = True
    again.start()
