"""Running commands: in this process where it does not matter, in one of its own or on a terminal where it does."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from layerscope.cli.main import APOLOGY, run
from support.image_builder import Layer, image

COMMAND = (sys.executable, "-m", "layerscope")
SETTINGS = (
    *("COLUMNS", "LINES", "NO_COLOR", "TERM", "COLORTERM", "TERM_PROGRAM", "PYTHONIOENCODING", "PYTHONUTF8", "LC_ALL"),
    *("LAYERSCOPE_CONFIG", "LAYERSCOPE_MAX_UNPACKED", "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_DRIVER"),
)

Settings = Mapping[str, str]
NO_SETTINGS: Settings = {}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did: its exit code, and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[Any]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.lines]


def ran(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ran:
    """Run a command in this process. A mistake of our own fails the test, whatever exit code it expects."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert APOLOGY not in err, err
    return Ran(code, out, err)


def without_estimates(document: Any) -> Any:
    """The report for programs without what is estimated of plain layers: that takes their bytes, and a file to look into."""
    for part in (document["image"], *document["layers"]):
        part.pop("compressed_bytes_estimate")
    return document


def written(path: Path, *layers: Layer, tag: str = "test:1") -> Path:
    """An archive with one image at `path`."""
    path.write_bytes(image(*layers, tag=tag))
    return path


@pytest.fixture
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An archive of the image whose layers the test's module calls LAYERS."""
    return written(tmp_path / "image.tar", *request.module.LAYERS)


def environment(settings: Settings = NO_SETTINGS) -> dict[str, str]:
    """This process's environment without what changes output, and with `settings`."""
    return {name: value for name, value in os.environ.items() if name not in SETTINGS} | dict(settings)


def process(*arguments: str | Path, stdin: bytes = b"", settings: Settings = NO_SETTINGS) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own, its output in pipes."""
    done = subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, check=False, env=environment(settings))
    assert APOLOGY.encode() not in done.stderr, done.stderr
    return done


def shell(script: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script in which `$layerscope` is the command."""
    env = environment({"layerscope": " ".join(COMMAND)})
    return subprocess.run(["sh", "-c", script], capture_output=True, check=False, env=env)


def on_terminal(
    *arguments: str | Path, columns: int = 80, command: tuple[str, ...] = COMMAND, settings: Settings = NO_SETTINGS
) -> tuple[str, int]:
    """What a terminal of this width gets from both streams, and the exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = environment({"TERM": "xterm", "PYTHONUTF8": "1", **settings})
    with subprocess.Popen([*command, *arguments], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env) as child:
        os.close(theirs)
        shown = _all(ours)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), child.returncode


def _all(terminal: int) -> bytes:
    shown = b""
    try:
        while piece := os.read(terminal, 65536):
            shown += piece
    except OSError:  # Linux: the other side was closed
        pass
    return shown
