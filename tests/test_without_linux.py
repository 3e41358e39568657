"""Python as macOS has it: what exists on Linux alone is taken away before anything is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import written
from support.image_builder import layer

HIDE = """
import errno, importlib, mmap, os, pkgutil, select, signal, socket, sys, time
for module, names in {
    os: "O_PATH O_TMPFILE O_DIRECT O_NOATIME listxattr getxattr setxattr removexattr sched_getaffinity memfd_create "
        "pidfd_open posix_fadvise posix_fallocate copy_file_range splice eventfd getrandom unshare setns XATTR_CREATE",
    mmap: "MADV_HUGEPAGE MADV_POPULATE_READ MAP_POPULATE",
    select: "epoll", signal: "pidfd_send_signal SIGRTMIN", errno: "EMEDIUMTYPE", socket: "SO_PEERCRED AF_NETLINK",
    time: "CLOCK_BOOTTIME",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "darwin"
"""
IMPORT_ALL = """
import layerscope
failed = {}
for found in pkgutil.walk_packages(layerscope.__path__, "layerscope."):
    if found.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(found.name)
    except (ImportError, AttributeError) as error:
        failed[found.name] = repr(error)
assert not failed, failed
"""
RUN = """
from layerscope.__main__ import main
main()
"""


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HIDE + script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
def test_every_module_is_imported() -> None:
    done = run(IMPORT_ALL)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_demo_is_reported() -> None:
    done = run(RUN, "demo", "--text")
    assert (done.returncode, done.stderr) == (0, "")
    assert "efficient" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "shown"), [(("ls",), "/a\n"), (("cat", "/a"), "content of a\n"), (("ci",), "PASSED"), (("verify",), "ok")]
)
def test_a_file_is_read(tmp_path: Path, command: tuple[str, ...], shown: str) -> None:
    archive = written(tmp_path / "image.tar", layer("a", "d/b"))
    done = run(RUN, command[0], archive, *command[1:])
    assert "Traceback" not in done.stderr
    assert (done.returncode, shown in done.stdout.replace("OK", "ok")) == (0, True), done


@pytest.mark.slow
def test_files_are_extracted(tmp_path: Path) -> None:
    archive = written(tmp_path / "image.tar", layer("a", "d/b"))
    done = run(RUN, "extract", archive, "/", tmp_path / "out")
    assert done.returncode == 0, done
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == ["a", "b"]
