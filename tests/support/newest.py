"""A Debian 13 in a folder, with engines newer than this machine's: Docker on containerd's store with BuildKit, Podman 5."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import do_without
from support.engines import _environment, _require_root

PREPARE = Path(__file__).parents[2] / ".ci" / "newest"
NO_SETTINGS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class NewestEngines:
    """`script` enters the folder `root`, where this checkout is installed, too: an engine there tells paths of its own root."""

    script: Path
    root: Path

    @property
    def address(self) -> str:
        """Where its Docker is reached from outside."""
        return f"unix://{self.root}/engine/s"

    def run(self, *command: str, stdin: bytes = b"", settings: Mapping[str, str] = NO_SETTINGS) -> bytes:
        """What a command in the folder prints; it has to succeed."""
        own = {"DOCKER_HOST": "unix:///engine/s", "CONTAINERS_CONF_OVERRIDE": "/src/tests/containers.conf", **settings}
        entered: list[str | Path] = [
            self.script,
            "run",
            self.root,
            "env",
            *(f"{name}={value}" for name, value in own.items()),
            *command,
        ]
        done = subprocess.run(entered, input=stdin, capture_output=True, check=False, env=_outer_environment())
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        return done.stdout

    def layerscope(self, *arguments: str, settings: Mapping[str, str] = NO_SETTINGS) -> str:
        """What our command prints there, where it may read what the engines keep."""
        return self.run("/venv/bin/layerscope", *arguments, settings=settings).decode()


def _outer_environment() -> dict[str, str]:
    """Without the places of this machine that a test's own settings name."""
    return {name: value for name, value in _environment().items() if not name.startswith(("XDG_", "LAYERSCOPE_"))}


@pytest.fixture(scope="session")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewestEngines]:
    """Made with the script that LAYERSCOPE_ENGINES names; 'none' says that there is knowingly none.

    LAYERSCOPE_ENGINES_ROOT names a folder that is up already, and stays; otherwise one is made, for all workers, and removed.
    """
    named = os.environ.get("LAYERSCOPE_ENGINES", "")
    if named == "none":
        pytest.skip("LAYERSCOPE_ENGINES=none")
    if not named:
        do_without("LAYERSCOPE_ENGINES names no script")
    _require_root()
    given = os.environ.get("LAYERSCOPE_ENGINES_ROOT")
    if given:
        yield NewestEngines(Path(named), Path(given))
        return
    place = tmp_path_factory.getbasetemp()
    with _shared(Path(named), place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) as engines:
        yield engines


@contextmanager
def _shared(script: Path, place: Path) -> Iterator[NewestEngines]:
    """The first worker that asks makes the folder, the last one that lets go removes it; `place` is known to all of them."""
    note, own = place / "newest.root", place / f"newest.user.{os.getpid()}"
    try:
        with _locked(place):
            own.touch()
            if not note.exists():
                note.write_text(tempfile.mkdtemp(prefix="ls13-", dir="/var/tmp"))  # on a disk, where /tmp may be memory
                subprocess.run([PREPARE, script, note.read_text()], check=True, stdin=subprocess.DEVNULL)
        yield NewestEngines(script, Path(note.read_text()))
    finally:
        with _locked(place):
            own.unlink()
            if not any(Path("/proc", user.suffix[1:]).exists() for user in place.glob("newest.user.*")):
                subprocess.run([script, "clean", note.read_text()], check=True, stdin=subprocess.DEVNULL)
                note.unlink()


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    with (place / "newest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
