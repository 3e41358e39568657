"""The house itself: what a command loads before it has done anything, and what the package says of itself."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

import layerscope

SLOW = {"docker", "numpy", "textual"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, telling on stderr every module it imports."""
    command = [sys.executable, "-X", "importtime", "-m", "layerscope", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


def packages_loaded_by(*arguments: str) -> set[str]:
    lines = [line for line in run(*arguments).stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_needs_no_image_loads_no_slow_package(option: str) -> None:
    loaded = packages_loaded_by(option)
    assert "layerscope" in loaded
    assert loaded & SLOW == set()


@pytest.mark.slow
def test_a_report_loads_neither_the_screen_nor_an_engine() -> None:
    assert packages_loaded_by("demo") & SLOW == {"numpy"}


@pytest.mark.slow
def test_the_first_frame_of_the_screen_does_not_wait_for_numpy() -> None:
    loads = "import sys, layerscope.app.app; print('numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", loads], check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout == "False\n"


def test_the_version_is_the_same_everywhere() -> None:
    assert layerscope.__version__ == version("layerscope")
    assert layerscope.__version__ in run("--version").stdout


def test_every_path_in_the_architecture_is_there() -> None:
    root = Path(__file__).parents[1]
    named = re.findall(r"`(tui/[^`]+)`", (root / "ARCHITECTURE.md").read_text("utf-8"))
    assert len(named) > 5
    assert [path for path in named if not (root / path).exists()] == []


def test_no_class_name_stands_twice_and_no_file_name_three_times() -> None:
    files = sorted(Path(layerscope.__file__).parent.rglob("*.py"))
    classes = Counter(name for path in files for name in re.findall(r"^class (\w+)", path.read_text("utf-8"), re.MULTILINE))
    names = Counter(path.name for path in files if path.name != "__init__.py")
    assert len(files) > 100
    assert [name for name, count in classes.items() if count > 1] == []
    assert [name for name, count in names.items() if count > 2] == []
