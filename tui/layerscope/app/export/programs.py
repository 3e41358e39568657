"""The user's own programs on the terminal, while the app is suspended, and the private directory for what they are given."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from textual.app import App

PREFIX = "layerscope-"
_REMOVE = 'read -r line; rm -rf -- "$1"'
_ENDING = 5.0
FLASH = 0.5
"""Seconds that a program must run at least; what one wrote that ends sooner could not be read before the app is back."""


@contextmanager
def private_directory() -> Iterator[Path]:
    """Make a directory that only this user may enter, and remove it at the end, whatever ends this process.

    A shell in a session of its own removes it as soon as our end of its pipe is closed, by the kernel after SIGKILL.
    """
    place = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with _remover(place):
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _remover(place: Path) -> Iterator[None]:
    try:
        shell = subprocess.Popen(  # noqa: S603 - a script of our own
            ["/bin/sh", "-c", _REMOVE, "sh", place],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:  # there is no shell
        yield
        return
    try:
        yield
    finally:
        assert shell.stdin is not None
        shell.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            shell.wait(_ENDING)


def new_file(path: Path) -> IO[bytes]:
    """Create a file that only this user may read, where there is none. Raises OSError."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w+b")


class Console:
    """The terminal while the app is suspended: it runs programs one after the other, and waits for Enter between.

    After each, the terminal gets the modes back that it has now: a program that is killed leaves modes of its own.
    """

    def __init__(self) -> None:
        assert sys.__stdin__ is not None
        self._terminal = sys.__stdin__.fileno()
        self._modes = termios.tcgetattr(self._terminal)
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ending = False

    def end(self, number: int, _frame: FrameType | None) -> None:
        """End the program by the signal that ends us, and wait for nothing more."""
        self._is_ending = True
        if self._process is not None:
            self._process.send_signal(number)

    def run(self, command: Sequence[str | Path], **files: Any) -> int:
        """Run a command, and return its exit code; `files` are its `stdin`, `stdout`, `stderr` and `env`, by default ours."""
        self._process = subprocess.Popen(command, **files)  # noqa: S603 - the user's own command
        # Ctrl+C is the program's, as in system(3). It is ignored only now: a program keeps what was ignored when it started.
        with _signals({signal.SIGINT: signal.SIG_IGN, signal.SIGQUIT: signal.SIG_IGN}):
            code = self._process.wait()
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._modes)
        return code

    def show(self, command: Sequence[str | Path], *, name: str, env: dict[str, str]) -> None:
        """Run a program that shows something; if it failed, or ended before anything could be read, wait for Enter.

        `name` is what it is called, printable.
        """
        started = time.monotonic()
        code = self.run(command, env=env)
        if code:
            self.wait(f"\n`{name}` {how_ended(code)}.")
        elif time.monotonic() - started < FLASH:
            self.wait("")

    def say(self, text: str) -> None:
        """Write printable text to the terminal."""
        assert sys.__stderr__ is not None
        with suppress(OSError):
            sys.__stderr__.write(text)
            sys.__stderr__.flush()

    def wait(self, text: str) -> None:
        """Write a line, and wait for Enter."""
        if not self._is_ending:
            self.say(f"{text}\nEnter goes back to layerscope. ")
            with suppress(OSError):
                termios.tcflush(self._terminal, termios.TCIFLUSH)
                os.read(self._terminal, 1 << 10)


def how_ended(code: int) -> str:
    """Say what an exit code means, the system's or that of a shell: `was ended by SIGKILL`."""
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code if code < 0 else code - 128).name}"
    return f"ended with exit code {code}"


@contextmanager
def _signals(handlers: dict[signal.Signals, Any]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def suspended(app: App[Any]) -> Iterator[Console]:
    """Give the terminal to programs, and take it back.

    Raises SuspendNotSupported where the app has no terminal, and OSError, once the app is back, if a program cannot be run.
    """
    failure: OSError | None = None
    with app.suspend():
        try:
            console = Console()
            # Ctrl+Z in the program stops us with it.
            stopping = {signal.SIGTSTP: signal.SIG_DFL, signal.SIGCONT: signal.SIG_DFL}
            with _signals({**stopping, signal.SIGTERM: console.end, signal.SIGHUP: console.end}):
                yield console
        except (OSError, termios.error) as error:  # the app is not resumed by `suspend` if anything is raised in it
            failure = OSError(*error.args)
    if failure is not None:
        raise failure
