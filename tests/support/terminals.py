"""Programs on terminals: in tmux, where what can be seen is asked for; and on a bare one, where every byte is kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from conftest import requires
from support.commands import COMMAND, NO_SETTINGS, Settings, environment

PATIENCE = 10.0
"""Seconds after which a text that does not come is missing; a machine may be busy."""
EVERY = 0.02
QUIET = 0.1
READY = "efficient"
"""What the screen says when all is known."""
PROMPT = "$ "


def until(holds: Callable[[], bool], what: Callable[[], str], *, seconds: float = PATIENCE) -> None:
    """Ask again and again until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what()
        time.sleep(EVERY)


def settings_at(home: Path, settings: Settings = NO_SETTINGS) -> dict[str, str]:
    """What a program is told on a good terminal, its files all in `home`."""
    places = {name: str(home / name.lower()) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")}
    return environment({**places, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "TEXTUAL_ANIMATIONS": "none", **settings})


@dataclass(frozen=True, slots=True)
class Tmux:
    """A shell in a tmux server of its own."""

    socket: str

    def ask(self, *arguments: str) -> str:
        """Run a tmux command."""
        asked = subprocess.run(["tmux", "-S", self.socket, *arguments], capture_output=True, check=False, encoding="utf-8")
        assert asked.returncode == 0, asked.stderr
        return asked.stdout

    def run_last(self, command: str) -> None:
        """Run a tmux command after which there may be no tmux."""
        subprocess.run(["tmux", "-S", self.socket, command], capture_output=True, check=False)

    @property
    def shown(self) -> str:
        """What can be seen, without spaces at the ends of lines."""
        return self.ask("capture-pane", "-p")

    @property
    def lines(self) -> list[str]:
        return self.shown.splitlines()

    @property
    def pid(self) -> int:
        """The shell's."""
        return int(self.ask("display-message", "-p", "#{pane_pid}"))

    def state(self, name: str) -> str:
        """One of tmux's variables: `alternate_on`, `cursor_flag`, `mouse_any_flag`, ..."""
        return self.ask("display-message", "-p", f"#{{{name}}}").strip()

    @property
    def attributes(self) -> list[object]:
        """What `stty` shows."""
        terminal = os.open(self.state("pane_tty"), os.O_RDWR | os.O_NOCTTY)
        try:
            return termios.tcgetattr(terminal)
        finally:
            os.close(terminal)

    def type(self, text: str) -> None:
        """Type text, all at once."""
        self.ask("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.ask("send-keys", *keys)

    def run(self, *arguments: str | Path) -> None:
        """Type a command line."""
        self.type(shlex.join(map(str, arguments)) + "\n")

    def run_layerscope(self, *arguments: str | Path) -> None:
        """Type the command."""
        self.run(*COMMAND, *arguments)

    @property
    def colored(self) -> str:
        """What can be seen, with its SGR codes."""
        return self.ask("capture-pane", "-p", "-e")

    def wait(self, text: str, *, seconds: float = PATIENCE) -> str:
        """Wait until `text` can be seen, and return all that can be."""
        shown = ""

        def is_there() -> bool:
            nonlocal shown
            shown = self.shown
            return text in shown

        until(is_there, lambda: f"{text!r} is not there:\n{shown}", seconds=seconds)
        return shown

    def wait_gone(self, text: str, *, seconds: float = PATIENCE) -> str:
        """Wait until `text` cannot be seen any more."""
        until(lambda: text not in self.shown, lambda: f"{text!r} is still there:\n{self.shown}", seconds=seconds)
        return self.shown

    def child(self) -> int:
        """The process that the shell runs."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        assert len(found) == 1, found
        return int(found[0])

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self.ask("resize-window", "-x", str(columns), "-y", str(rows))


@contextlib.contextmanager
def tmux(home: Path, *, size: tuple[int, int] = (80, 24), settings: Settings = NO_SETTINGS) -> Iterator[Tmux]:
    """A terminal with a shell that has job control; `$?` and `stty` tell how a program left it."""
    requires("tmux")
    env = settings_at(home, {"PS1": PROMPT, "ENV": "", **settings})
    # The path of a socket may have no more than 107 bytes, and pytest's directories have long names.
    with tempfile.TemporaryDirectory(prefix="layerscope-tmux-") as directory:
        opened = Tmux(f"{directory}/tmux")
        columns, rows = map(str, size)
        # tmux itself must know that its terminal shows UTF-8, whatever the program is told.
        shell = "exec env " + " ".join(shlex.quote(f"{name}={env[name]}") for name in ("TERM", "LC_ALL", "PS1")) + " sh -i"
        start = ["tmux", "-S", opened.socket, "-u", "-f", os.devnull, "new-session", "-d", "-x", columns, "-y", rows, shell]
        subprocess.run(start, check=True, cwd=home, env={**env, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"})
        try:
            opened.wait(PROMPT.strip())
            yield opened
        finally:
            opened.run_last("kill-server")


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended without anyone asking."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@dataclass(slots=True)
class Bare:
    """A program that is alone on a terminal, which answers nothing. `written` is all it wrote, byte by byte."""

    child: subprocess.Popen[bytes]
    terminal: int
    written: bytes = b""

    def _take(self, seconds: float) -> bool:
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self.terminal, 1 << 16)
        except OSError:  # Linux: the other side was closed
            return False
        self.written += piece
        return bool(piece)

    def wait(self, pattern: str, *, seconds: float = PATIENCE) -> bytes:
        """Read until there is something new that fits `pattern`, without escape sequences; return what was new."""
        start = len(self.written)
        end = time.monotonic() + seconds
        expression = re.compile(pattern.encode())
        while not expression.search(without_codes(self.written[start:])):
            assert time.monotonic() < end, f"{pattern!r} did not come: {without_codes(self.written[start:])!r}"
            self._take(0.1)
        return self.written[start:]

    def settle(self) -> None:
        """Read until nothing more is written."""
        while self._take(QUIET):
            pass

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.terminal, keys)

    def ended(self) -> int:
        """Read to the end; the exit code."""
        end = time.monotonic() + PATIENCE
        while self.child.poll() is None:
            assert time.monotonic() < end, without_codes(self.written)
            self._take(EVERY)
        while self._take(EVERY):
            pass
        return self.child.returncode


_CODES = re.compile(rb"\x1b\[[0-9;?>=<]*[ -/]*[@-~]|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>]")
# A shell is what makes it the controlling terminal: the first that a session's leader opens becomes that.
_ON_TERMINAL = 'tty=$1; shift; exec "$@" <>"$tty" >&0 2>&0'


def without_codes(written: bytes) -> bytes:
    """The text in what a program wrote."""
    return _CODES.sub(b"", written)


def styles(written: bytes) -> set[int]:
    """All numbers in the SGR codes that a program wrote: 1 is bold, 31 red, 38 any color."""
    codes = re.findall(rb"\x1b\[([0-9;:]*)m", written)
    return {int(number or b"0") for code in codes for number in re.split(rb"[;:]", code)}


@contextlib.contextmanager
def bare(
    home: Path,
    *arguments: str | Path,
    command: tuple[str, ...] = COMMAND,
    size: tuple[int, int] = (80, 24),
    settings: Settings = NO_SETTINGS,
) -> Iterator[Bare]:
    """A program on a terminal of its own."""
    ours, theirs = pty.openpty()
    columns, rows = size
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    on_terminal = ["sh", "-c", _ON_TERMINAL, "sh", os.ttyname(theirs), *command, *map(str, arguments)]
    with subprocess.Popen(on_terminal, start_new_session=True, env=settings_at(home, settings)) as child:
        try:
            yield Bare(child, ours)
        finally:
            child.kill()
            os.close(ours)
            os.close(theirs)
