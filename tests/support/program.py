"""Layerscope for machines without Python, built once for all tests: the unpacked tree, the single-file program, the package."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import do_without, requires

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class BuiltProgram:
    """What `.ci/program/build` made."""

    directory: Path

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def file(self) -> Path:
        return self.directory / f"layerscope-linux-{os.uname().machine}"

    @property
    def package(self) -> Path:
        (found,) = self.directory.glob("*.deb")
        return found


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> BuiltProgram:
    """Built by the first of the processes that run tests, and compressed in a second instead of a minute."""
    if sys.platform != "linux":
        pytest.skip("the program is for Linux")
    for needed in ("gcc", "patchelf", "strip", "dpkg-deb"):
        requires(needed)
    if not list(Path("/usr/lib").glob("**/libzstd.a")):
        do_without("libzstd-dev is not installed")
    shared = tmp_path_factory.getbasetemp()
    directory = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "program"
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.with_suffix(".built").exists():
            build: list[str | Path] = [ROOT / ".ci/program/build", sys.executable, directory, "1"]
            done = subprocess.run(build, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            directory.with_suffix(".built").touch()
    return BuiltProgram(directory)


@dataclass(frozen=True, slots=True)
class BareMachine:
    """A root directory without Python and without a C library; needs root."""

    root: Path

    def run(self, *command: str, user: int = 0, **settings: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command there with no more than those of `settings` that are not empty in its environment."""
        entered: list[str | Path] = ["chroot", f"--userspec={user}:{user}", self.root, "/bin/env", "-i", "PATH=/bin:/usr/bin"]
        named = [f"{name}={value}" for name, value in settings.items() if value]
        return subprocess.run([*entered, *named, *command], check=False, capture_output=True, timeout=60)


def bare_machine(root: Path) -> BareMachine:
    """Lay one with a static busybox and nothing else: with /dev/null, but without /proc."""
    requires("busybox")
    if os.geteuid() != 0:
        pytest.skip("another root directory needs root")
    for name in ("bin", "dev", "home", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "home").chmod(0o777)
    (root / "tmp").chmod(0o1777)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, root / "bin/busybox")
    for name in ("env", "sh"):
        (root / "bin" / name).symlink_to("busybox")
    os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (root / "dev/null").chmod(0o666)
    return BareMachine(root)
