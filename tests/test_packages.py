"""What is released: the sdist holds all that its own checks need, and the single-file program runs by itself."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.commands import environment

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and the sdist of this checkout."""
    place = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", place], cwd=ROOT, check=True, capture_output=True)
    return place


def test_the_sdist_holds_all_that_its_checks_need(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"action.yml", "ARCHITECTURE.md", "CONTRIBUTING.md", "Makefile", ".ci/run", ".github/workflows/test.yml"}
    assert (wanted | {"templates/layerscope.yml", ".pre-commit-hooks.yaml"}) - names == set()
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")} - names == set()


def test_the_sdist_holds_nothing_that_was_made_by_running(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        made = [
            name
            for name in sdist.getnames()
            if "__pycache__" in name or "/.venv/" in name or "cache/" in name.partition("/")[2][:7]
        ]
    assert made == []


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        tops = {name.partition("/")[0].partition("-")[0] for name in wheel.namelist()}
    assert tops == {"layerscope"}


@pytest.mark.slow
def test_the_single_file_runs_without_a_virtual_environment(tmp_path: Path) -> None:
    """A regular expression is matched in a process of its own, which a packed program must be able to start."""
    subprocess.run([ROOT / ".ci/dist", sys.executable, tmp_path / "dist"], check=True, capture_output=True)
    (program,) = (tmp_path / "dist").glob("*.pyz")
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    env = environment({"HOME": str(tmp_path), "SHIV_ROOT": str(tmp_path / "shiv")})

    def run(*arguments: str | Path) -> str:
        command: list[str | Path] = [base, "-I", program, *arguments]
        return subprocess.run(command, env=env, check=True, capture_output=True, encoding="utf-8").stdout

    assert "efficient" in run("demo", "--text")
    run("demo", "--save", tmp_path / "demo.tar")
    assert "layer" in run("find", tmp_path / "demo.tar", "/.*/")


def refused(site_packages: Path) -> subprocess.CompletedProcess[str]:
    """The single-file program's first script, run as shiv runs it."""
    script = (
        "import runpy, sys, pathlib; runpy.run_path(sys.argv[1], init_globals={'site_packages': pathlib.Path(sys.argv[2])})"
    )
    command: list[str | Path] = [sys.executable, "-c", script, ROOT / ".ci/single_file.py", site_packages]
    return subprocess.run(command, check=False, capture_output=True, encoding="utf-8")


def with_numpy_for(suffix: str, place: Path) -> Path:
    core = place / "numpy/_core"
    core.mkdir(parents=True)
    (core / f"_multiarray_umath{suffix}").touch()
    return place


def test_the_single_file_is_silent_with_the_python_it_is_made_for(tmp_path: Path) -> None:
    done = refused(with_numpy_for(sysconfig.get_config_var("EXT_SUFFIX"), tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_single_file_says_which_python_it_is_made_for(tmp_path: Path) -> None:
    done = refused(with_numpy_for(".cpython-399-riscv-linux.so", tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("layerscope: this file is made for cpython-399-riscv-linux, and this Python is cpython-3")
    assert len(done.stderr.splitlines()) == 1
