"""The single-file program: what it needs (nothing), where it unpacks itself, and what disturbs it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import requires
from support.commands import COMMAND
from support.program import BareMachine, BuiltProgram, bare_machine

pytestmark = pytest.mark.slow

MONTH = 31 * 24 * 3600
USER = 4321


@pytest.fixture
def machine(tmp_path: Path, program: BuiltProgram) -> BareMachine:
    """A machine without Python, C library and /proc, with the program on its path."""
    bare = bare_machine(tmp_path / "machine")
    shutil.copy(program.file, bare.root / "bin/layerscope")
    tmp_path.chmod(0o755)
    return bare


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The directory for the cache of the program when the tests start it here, with `started`; missing as yet."""
    return tmp_path / "place"


def started(program: Path, place: Path, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
    env = {"PATH": os.environ["PATH"], "LAYERSCOPE_CACHE": str(place), "TMPDIR": str(place.parent), **settings}
    command = [str(program), *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """The exit code, and all that was written."""
    out, err = process.communicate(timeout=60)
    return process.returncode, (out + err).decode()


def kept(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob("program-*"))


def unfinished(place: Path) -> list[Path]:
    return list(place.glob(".program-*"))


def test_it_runs_where_there_is_neither_python_nor_a_c_library(machine: BareMachine) -> None:
    """A regular expression is matched in a Python of its own, which it has to start by itself."""
    saved = machine.run("layerscope", "demo", "--save", "demo.tar", HOME="/home")
    assert saved.returncode == 0, saved.stderr.decode()
    for arguments in (["demo.tar", "--text"], ["find", "demo.tar", "/\\.env$/"], ["ci", "demo.tar"]):
        expected = subprocess.run([*COMMAND, *arguments], cwd=machine.root, check=False, capture_output=True)
        found = machine.run("layerscope", *arguments, HOME="/home")
        assert (found.returncode, found.stdout) == (expected.returncode, expected.stdout), found.stderr.decode()
        assert found.stdout
    assert kept(machine.root / "home/.cache/layerscope") != []


def test_without_a_home_it_leaves_nothing_behind(machine: BareMachine) -> None:
    found = machine.run("layerscope", "demo", "--text", user=USER)
    assert found.returncode == 0, found.stderr.decode()
    assert b"efficient" in found.stdout
    assert list((machine.root / "tmp").iterdir()) == []


def test_where_it_can_unpack_nowhere_it_says_what_to_set(machine: BareMachine) -> None:
    (machine.root / "tmp").chmod(0o755)
    (machine.root / "home").chmod(0o755)
    found = machine.run("layerscope", "--version", user=USER, HOME="/home")
    assert (found.returncode, found.stdout) == (2, b"")
    assert b"let LAYERSCOPE_CACHE name a directory of your own" in found.stderr


@pytest.mark.parametrize("owner, mode", [(USER + 1, 0o777), (USER, 0o770), (0, 0o755)], ids=["foreign", "shared", "root's"])
def test_a_cache_that_others_may_change_is_not_used(machine: BareMachine, owner: int, mode: int) -> None:
    cache = machine.root / "home/cache"
    cache.mkdir()
    cache.chmod(mode)
    os.chown(cache, owner, owner)
    found = machine.run("layerscope", "--version", user=USER, LAYERSCOPE_CACHE="/home/cache")
    assert found.stdout.startswith(b"layerscope "), found.stderr.decode()
    assert list(cache.iterdir()) == []
    assert list((machine.root / "tmp").iterdir()) == []


def test_a_tree_that_another_user_put_there_is_not_run(machine: BareMachine) -> None:
    assert machine.run("layerscope", "--version", user=USER, LAYERSCOPE_CACHE="/home/cache").returncode == 0
    (tree,) = (machine.root / "home/cache").glob("program-*")
    os.chown(tree, USER + 1, USER + 1)
    (tree / "bin/layerscope").unlink()
    found = machine.run("layerscope", "--version", user=USER, LAYERSCOPE_CACHE="/home/cache")
    assert found.stdout.startswith(b"layerscope "), found.stderr.decode()


def test_root_creates_nothing_in_the_home_of_another(machine: BareMachine) -> None:
    os.chown(machine.root / "home", USER, USER)
    assert machine.run("layerscope", "--version", HOME="/home").returncode == 0
    assert list((machine.root / "home").iterdir()) == []


def test_of_several_that_start_at_once_each_runs_and_one_tree_is_kept(program: BuiltProgram, place: Path) -> None:
    several = [started(program.file, place, "--version") for _ in range(4)]
    assert {code for code, _ in map(ended, several)} == {0}
    assert len(kept(place)) == 1
    assert unfinished(place) == []


def test_one_that_is_killed_while_it_unpacks_does_not_disturb_the_next(program: BuiltProgram, place: Path) -> None:
    killed = started(program.file, place, "--version")
    while not unfinished(place) and killed.poll() is None:
        time.sleep(0.001)
    killed.kill()
    ended(killed)
    (left,) = unfinished(place)
    assert kept(place) == []
    assert ended(started(program.file, place, "--version"))[0] == 0
    assert unfinished(place) == [left]
    # An hour later it is no other process's that unpacks right now.
    os.utime(left, (0, 0))
    shutil.rmtree(place / kept(place)[0])
    assert ended(started(program.file, place, "--version"))[0] == 0
    assert unfinished(place) == []


def test_a_file_that_is_cut_off_or_damaged_says_so_and_unpacks_nothing(
    program: BuiltProgram, place: Path, tmp_path: Path
) -> None:
    content = program.file.read_bytes()
    middle = len(content) // 2
    damaged = bytearray(content)
    damaged[middle] ^= 1
    for wrong in (content[:middle], content[:-1], bytes(damaged), content[:middle] + content[middle + 4096 :]):
        copy = tmp_path / "copy"
        copy.unlink(missing_ok=True)
        copy.write_bytes(wrong)
        copy.chmod(0o755)
        assert ended(started(copy, place, "--version")) == (
            2,
            "layerscope: this program's file is damaged or incomplete: get it again\n",
        )
        assert kept(place) == []
        assert unfinished(place) == []


def test_other_versions_go_after_a_month_unless_one_runs(program: BuiltProgram, place: Path) -> None:
    for name in ("program-new", "program-old", "program-old-running"):
        (place / name / "lib").mkdir(parents=True)
        if "old" in name:
            os.utime(place / name, (time.time() - MONTH,) * 2)
    place.chmod(0o700)
    handle = os.open(place / "program-old-running", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert ended(started(program.file, place, "--version"))[0] == 0
    finally:
        os.close(handle)
    assert set(kept(place)) >= {"program-new", "program-old-running"}
    assert len(kept(place)) == 3


def test_a_running_program_holds_its_tree(program: BuiltProgram, place: Path) -> None:
    held = started(program.file, place, "-", "--text")
    deadline = time.monotonic() + 60
    while not kept(place) and time.monotonic() < deadline:
        time.sleep(0.01)
    handle = os.open(place / kept(place)[0], os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(handle)
        held.kill()
        ended(held)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_temporary_tree_goes_whatever_ends_the_program(program: BuiltProgram, tmp_path: Path, number: signal.Signals) -> None:
    place = tmp_path / "file"
    place.touch()
    held = subprocess.Popen(
        [program.file, "-", "--text"],
        env={"LAYERSCOPE_CACHE": str(place), "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    child = _only_child(held)
    # The terminal sends Ctrl-C to both; who waits leaves it to layerscope.
    os.killpg(held.pid, number) if number == signal.SIGINT else held.send_signal(number)
    assert held.wait(30) != 0
    assert not Path(f"/proc/{child}").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert held.stdin is not None
    held.stdin.close()


def _only_child(process: subprocess.Popen[bytes]) -> int:
    """Its number, when it runs Python: it handles signals from then on."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children and _waits_for_input(int(children[0])):
            return int(children[0])
        time.sleep(0.01)
    raise AssertionError("it starts nothing")


def _waits_for_input(pid: int) -> bool:
    return "pipe" in Path(f"/proc/{pid}/wchan").read_text()


def test_the_authorities_of_the_system_are_found_wherever_they_lie(machine: BareMachine) -> None:
    def stated(file: str = "") -> list[str]:
        found = machine.run("layerscope", "registry", "check", "127.0.0.1:1", "--json", HOME="/home", SSL_CERT_FILE=file)
        authorities: list[str] = json.loads(found.stdout)["endpoints"][0]["authorities"]
        return authorities

    (mozillas,) = stated()
    assert mozillas.endswith("/lib/cacert.pem")
    for path in ("etc/ssl/cert.pem", "etc/pki/tls/certs/ca-bundle.crt"):  # Alpine's, Red Hat's
        (machine.root / path).parent.mkdir(parents=True)
        (machine.root / path).touch()
        assert stated() == [f"SSL_CERT_FILE=/{path}"]
    assert stated("/mine") == ["SSL_CERT_FILE=/mine"]


def test_it_says_of_itself_no_path_of_the_machine_that_built_it(program: BuiltProgram) -> None:
    own = {str(Path(sys.prefix)).encode(), str(program.directory).encode()}
    for path in (program.tree / "lib").rglob("*.pyc"):
        assert not any(place in path.read_bytes() for place in own), path


def test_every_library_of_debians_has_its_license(program: BuiltProgram) -> None:
    requires("dpkg-query")
    licenses = {path.name for path in (program.tree / "share/licenses").iterdir()}
    assert {"libc6", "libssl3"} & licenses
    assert all((program.tree / "share/licenses" / name).stat().st_size for name in licenses)
