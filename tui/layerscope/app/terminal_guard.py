"""A guard that gives the terminal back when the process that took it is killed and can no longer do so itself."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass

_SCRIPT = r"""
saved=$(stty -g <"$1")
echo ready
read -r line && exit
printf '\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?1015l\033[?2004l\033[?2048l\033[<u\033[?7h\033[0m' >"$1"
printf '\033[?1049l\033[?25h\033[?1004l' >"$1"
stty "$saved" <"$1"
"""
"""Waits for a line. If standard input ends without one, it switches off the modes for mouse and paste, shows the main screen
and the cursor, and sets the modes that the terminal had at first."""
ENDING = 1.0
"""Seconds to wait for the guard to end."""


@dataclass(slots=True)
class TerminalGuard:
    """A shell in a session of its own, which no signal to our process group reaches.

    It acts when our end of its pipe is closed, and the kernel closes that whatever ends us: SIGKILL, a crash of Python, too
    little memory.
    """

    _shell: subprocess.Popen[bytes]

    @classmethod
    def of(cls, terminal: int) -> TerminalGuard | None:
        """Guard a terminal (a file descriptor) before its modes are changed; None if there is no terminal or no shell."""
        try:
            shell = subprocess.Popen(  # noqa: S603 - a script of our own
                ["/bin/sh", "-c", _SCRIPT, "sh", os.ttyname(terminal)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return None
        assert shell.stdout is not None
        shell.stdout.readline()  # it knows the modes
        shell.stdout.close()
        return cls(shell)

    def end(self) -> None:
        """End the guard: the terminal was given back."""
        assert self._shell.stdin is not None
        with suppress(OSError, subprocess.TimeoutExpired):
            self._shell.stdin.write(b"\n")
            self._shell.stdin.close()
            self._shell.wait(ENDING)
