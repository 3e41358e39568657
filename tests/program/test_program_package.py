"""Debian's package of the program, installed and removed by dpkg on a machine that has nothing else."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from conftest import requires
from support.program import BuiltProgram, bare_machine

pytestmark = pytest.mark.slow

BESIDE = {
    "usr/share/man/man1/layerscope.1.gz",
    "usr/share/man/man1/layerscope-ci.1.gz",
    "usr/share/doc/layerscope/changelog.gz",
    "usr/share/doc/layerscope/copyright",
    "usr/share/bash-completion/completions/layerscope",
    "usr/share/zsh/vendor-completions/_layerscope",
    "usr/share/fish/vendor_completions.d/layerscope.fish",
}


def dpkg(root: Path, *arguments: str | Path) -> str:
    command = ["dpkg", f"--root={root}", "--force-not-root", "--log=/dev/null", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_installed_runs_and_is_removed_without_a_trace(program: BuiltProgram, tmp_path: Path) -> None:
    requires("dpkg")
    machine = bare_machine(tmp_path / "machine")
    state = machine.root / "var/lib/dpkg"
    for name in ("info", "updates", "triggers"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (machine.root / "etc").mkdir()
    before = {path for path in machine.root.rglob("*") if state not in path.parents}

    dpkg(machine.root, "--install", program.package)
    assert {str(path.relative_to(machine.root)) for path in machine.root.glob("usr/share/**/*")} >= BESIDE
    found = machine.run("layerscope", "demo", "--text", user=4321)
    assert b"efficient" in found.stdout, found.stderr.decode()
    assert machine.run("layerscope", "find", "--help").returncode == 0
    assert "/etc" not in dpkg(machine.root, "--listfiles", "layerscope")
    assert dpkg(machine.root, "--verify", "layerscope") == ""

    dpkg(machine.root, "--remove", "layerscope")
    assert "deinstall" not in (state / "status").read_text()
    assert {path for path in machine.root.rglob("*") if state not in path.parents} == before


def test_its_checksums_are_those_of_all_its_files(program: BuiltProgram, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--raw-extract", program.package, tmp_path / "raw"], check=True)
    lines = (tmp_path / "raw/DEBIAN/md5sums").read_text().splitlines()
    stated = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = [path for path in (tmp_path / "raw/usr").rglob("*") if path.is_file() and not path.is_symlink()]
    assert stated == {
        str(path.relative_to(tmp_path / "raw")): hashlib.md5(path.read_bytes()).hexdigest()  # dpkg's form
        for path in files
    }
    assert {path.name for path in (tmp_path / "raw/DEBIAN").iterdir()} == {"control", "md5sums"}
