"""Benchmarks of the screen, on a terminal of its own: from process start or from a key to the bytes that draw the answer.

    python tests/bench_screen.py [CORPUS]      or: make bench CORPUS=DIR

The same files as `bench.py`; dive's screen is driven in the same way where it is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SIZE = (40, 140)
PATIENCE = 120.0
QUIET = 0.15
_CODES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>]")


@dataclass
class Screen:
    """A program on a terminal of 140 by 40; `shown` is all it wrote since it was last asked, without escape sequences."""

    pid: int
    terminal: int
    started: float
    shown: bytes = b""
    status: int | None = None
    usage: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, *command: str, **environment: str) -> Screen:
        started = time.perf_counter()
        pid, terminal = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
            os.execvpe(
                command[0], command, {**os.environ, "CI": "", "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
            )
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        return cls(pid, terminal, started)

    def read(self, seconds: float) -> bool:
        """Take what the program writes within `seconds`; False if that is nothing."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        with contextlib.suppress(OSError):
            piece = os.read(self.terminal, 1 << 16)
            self.shown = (self.shown + piece)[-(1 << 20) :]
            return bool(piece)
        return False

    def wait(self, pattern: bytes, *, since: float | None = None) -> float:
        """Seconds until what is written fits `pattern`."""
        since = time.perf_counter() if since is None else since
        expression = re.compile(pattern)
        while time.perf_counter() - since < PATIENCE:
            if expression.search(_CODES.sub(b"", self.shown)):
                return time.perf_counter() - since
            self.read(0.5)
        raise TimeoutError(f"{pattern!r} did not come within {PATIENCE:.0f} s")

    def key(self, keys: bytes, pattern: bytes) -> float:
        """Seconds from pressing `keys` to the frame that fits `pattern`."""
        self.settle()
        self.shown = b""
        since = time.perf_counter()
        os.write(self.terminal, keys)
        return self.wait(pattern, since=since)

    def press(self, keys: bytes) -> None:
        """Press keys that may have nothing to draw, such as one that goes where the cursor is."""
        self.settle()
        os.write(self.terminal, keys)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing more is written."""
        while self.read(QUIET):
            pass

    @property
    def memory(self) -> float:
        """The peak of resident memory so far, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)


@contextlib.contextmanager
def screen(*command: str) -> Iterator[Screen]:
    with tempfile.TemporaryDirectory() as home:
        opened = Screen.of(*command, XDG_CONFIG_HOME=home, XDG_STATE_HOME=home)
        try:
            yield opened
        finally:
            opened.end()


def layerscope(image: Path) -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name("layerscope")), str(image))


def say(what: str, seconds: list[float], limit: str, note: str = "") -> None:
    median = statistics.median(seconds)
    figure = f"{median:7.2f} s " if median >= 1 else f"{1000 * median:7.0f} ms"
    print(f"{what:<58} {figure}  target: {limit:<12} {note}", flush=True)


def bench_start(image: Path, tree_limit: str = "", peak_limit: str = "") -> None:
    frames, trees, peaks = [], [], []
    for _ in range(5):
        with screen(*layerscope(image)) as opened:
            frames.append(opened.wait(rb"quit", since=opened.started))
            trees.append(opened.wait(rb"after layer \d+", since=opened.started))
            opened.wait(rb"efficient", since=opened.started)
            opened.settle()
            peaks.append(opened.memory)
    say(f"{image.name}: process start to first frame", frames, "400 ms")
    say(f"{image.name}: process start to a usable tree", trees, tree_limit, f"peak {max(peaks):.0f} MB{peak_limit}")


def bench_keys(image: Path, step_limit: str) -> None:
    with screen(*layerscope(image)) as opened:
        opened.wait(rb"efficient")
        opened.settle()
        last = int(re.findall(rb"after layer (\d+)", _CODES.sub(b"", opened.shown))[-1])
        steps = [opened.key(b"[", b"after layer %d " % number) for number in range(last - 1, 0, -1)]
        steps += [opened.key(b"]", b"after layer %d " % number) for number in range(2, last + 1)]
        say(f"{image.name}: step to another layer, folded", steps, step_limit, f"largest {1000 * max(steps):.0f} ms")
        opened.press(b"\t")
        say(f"{image.name}: expand all", [opened.key(b"e", rb".")], "")
        say(f"{image.name}: cursor key, all expanded", [opened.key(key, rb".") for key in 10 * (b"j", b"k")], "20 ms")
        opened.press(b"g")
        folds = [opened.key(b" ", rb".") for _ in range(10)]
        say(f"{image.name}: fold and unfold the first directory", folds, "20 ms", f"largest {1000 * max(folds):.0f} ms")
        steps = [opened.key(b"[", b"after layer %d " % number) for number in range(last - 1, 0, -1)]
        say(f"{image.name}: step to another layer, all expanded", steps, step_limit, f"largest {1000 * max(steps):.0f} ms")
        opened.press(b"E")
        maps = [opened.key(b"T", b"of the image")]
        zooms = [opened.key(key, b"of the image") for key in (b"\r", b"\r", b"\x7f", b"\x7f")]
        opened.press(b"T")
        say(f"{image.name}: first frame of the treemap", maps, "100 ms")
        say(f"{image.name}: zoom into a directory and out", zooms, "100 ms", f"largest {1000 * max(zooms):.0f} ms")
        opened.press(b"/")
        hits = [opened.key(bytes([letter]), rb"\d hits?") for letter in b"main.py"]
        say(f"{image.name}: filter keystroke to first hits", hits, "150 ms", f"largest {1000 * max(hits):.0f} ms")


def bench_dive(image: Path) -> None:
    dive = Path(sys.executable).with_name("dive")
    if dive.exists():
        with screen(str(dive), "--source", "docker-archive", str(image)) as opened:
            usable = opened.wait(rb"Current Layer Contents|Filetree", since=opened.started)
            say(f"dive, {image.name}: process start to a usable tree", [usable], "", f"peak {opened.memory:.0f} MB")
            steps = [_dive_step(opened) for _ in range(3)]
            say(f"dive, {image.name}: step to another layer", steps, "")


def _dive_step(opened: Screen) -> float:
    opened.settle()
    opened.shown = b""
    since = time.perf_counter()
    os.write(opened.terminal, b"\x1b[B")
    opened.wait(rb"[a-z]{3}", since=since)
    seconds = time.perf_counter() - since
    opened.settle()
    return seconds


def main() -> None:
    corpus = Path(sys.argv[1] if len(sys.argv) > 1 else "corpus")
    benches: list[tuple[str, Callable[[Path], None]]] = [
        ("node.tar", lambda image: bench_start(image, "1.5 s", ", target: 300 MB")),
        ("node.tar", lambda image: bench_keys(image, "50 ms")),
        ("synth-1m.tar", bench_start),
        ("synth-1m.tar", lambda image: bench_keys(image, "150 ms")),
        ("node.tar", bench_dive),
    ]
    for name, bench in benches:
        if (corpus / name).exists():
            bench(corpus / name)


if __name__ == "__main__":
    main()
