"""The hook for other repositories: tried by the real pre-commit, from a clone, in a repository with good and bad rules."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from pre_commit.clientlib import load_manifest

from support.commands import environment
from support.documentation import ROOT

pytestmark = pytest.mark.slow

PARTS = (".pre-commit-hooks.yaml", "LICENSE", "README.md", "pyproject.toml", "tui")
PRE_COMMIT = Path(sysconfig.get_path("scripts"), "pre-commit")


def committed(place: Path) -> Path:
    """A repository of what lies at a place."""
    git: list[str | Path] = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", place]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    return place


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, of what the hook needs."""
    place = tmp_path_factory.mktemp("ours")
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    return committed(place)


def tried(ours: Path, theirs: Path, **files: str) -> subprocess.CompletedProcess[str]:
    """Try all hooks on a repository with these files in it.

    The hook gets its own environment, into which pip installs the clone without fetching anything: what it needs, and what
    builds it, is that of the tests.
    """
    for name, text in files.items():
        (theirs / name).write_text(text, "utf-8")
    subprocess.run(["git", "-C", theirs, "add", "-A"], check=True)
    # "false" turns isolation off: pip reads this variable as the value of the option --no-build-isolation.
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "false"}
    kept = {"PRE_COMMIT_HOME": str(ours.parent / "kept"), "PYTHONPATH": sysconfig.get_path("purelib")}
    command: list[str | Path] = [PRE_COMMIT, "try-repo", ours, "--verbose", "--files", *files]
    return subprocess.run(
        command, cwd=theirs, env=environment({**offline, **kept}), capture_output=True, encoding="utf-8", check=False
    )


def test_the_manifest_is_valid_and_each_hook_is_documented() -> None:
    text = (ROOT / "docs/recipes.md").read_text("utf-8")
    assert [hook["id"] for hook in load_manifest(ROOT / ".pre-commit-hooks.yaml") if hook["id"] not in text] == []


def test_rules_that_there_are_pass_and_others_stop_a_commit(ours: Path, tmp_path: Path) -> None:
    theirs = committed(tmp_path)
    done = tried(ours, theirs, **{"layerscope.toml": 'max-size = "500MB"\n'})
    assert (done.returncode, "rules of layerscope" in done.stdout, "Passed" in done.stdout) == (0, True, True), done
    assert 'max-size = "500MB"' in done.stdout
    done = tried(ours, theirs, **{"layerscope.toml": 'max-sise = "500MB"\n'})
    assert (done.returncode, "did you mean `max-size`?" in done.stdout, "Failed" in done.stdout) == (1, True, True), done
    done = tried(ours, theirs, **{"layerscope.toml": "", "pyproject.toml": '[tool.layerscope]\nmax-size = "big"\n'})
    assert (done.returncode, "pyproject.toml: `max-size`" in done.stdout) == (1, True), done


def test_other_files_do_not_run_it(ours: Path, tmp_path: Path) -> None:
    done = tried(ours, committed(tmp_path), **{"other.toml": "max-sise = 1\n"})
    assert (done.returncode, "no files to check" in done.stdout) == (0, True), done
