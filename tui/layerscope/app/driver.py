"""Textual's terminal driver, with fixes for Ctrl+Z, SIGSTOP and terminals that disappear."""

from __future__ import annotations

import os
import signal
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App

HIDE_CURSOR = "\x1b[?25l"


class TerminalDriver(LinuxDriver):
    """Works around four faults of Textual 8.2.

    On Ctrl+Z, the rest of a pipeline or the script around us keeps running, so that no shell shows its prompt. After `fg`,
    the screen is not drawn. After a SIGSTOP from another process, Textual takes the modes it set itself for those to restore
    at the end. When the terminal is gone, writing to it ends the writer thread, and waiting for that thread never ends.
    """

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file: Any = _Patient(sys.__stderr__)
        self._is_suspended = False
        self._attributes: list[Any] | None = None

    def start_application_mode(self) -> None:
        """Keep the terminal modes that Textual sets, to set them again after SIGCONT."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        with suppress(termios.error):
            self._attributes = termios.tcgetattr(self.fileno)

    # Signal handlers run in the middle of whatever the main thread does. If that is writing to the terminal, it holds the lock
    # of the queue of writes, and a handler that writes too waits for ever. So the work is left to the event loop.

    def _sigtstp_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)

    def _sigcont_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._continue)

    def _stop(self) -> None:
        """Give the terminal back, then stop the whole process group."""
        if not self._is_suspended:
            self.suspend_application_mode()
            self._is_suspended = True
        os.kill(0, signal.SIGSTOP)

    def _continue(self) -> None:
        """Take the terminal again, unless we continue in the background."""
        if not self._is_in_foreground:
            os.kill(0, signal.SIGSTOP)
            return
        if self._is_suspended:
            self._is_suspended = False
            self._must_signal_resume = True
            self.resume_application_mode()
        else:
            self._set_modes_again()
        self._app.refresh(layout=True)

    def _set_modes_again(self) -> None:
        """Set our terminal modes again: a shell that had the terminal meanwhile has set its own."""
        with suppress(termios.error):
            termios.tcsetattr(self.fileno, termios.TCSANOW, self._attributes or termios.tcgetattr(self.fileno))
        self._enable_mouse_support()
        self._enable_bracketed_paste()
        self.write(HIDE_CURSOR)

    @property
    def _is_in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:  # there is no terminal any more
            return True


class _Patient:
    """A file that ignores errors of writing, such as those of a terminal that is gone."""

    def __init__(self, file: TextIO | None) -> None:
        assert file is not None
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()
