"""Layers that engines read in several ways, loaded into real engines: what each shows, and what we show and say of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conftest import requires
from layerscope.layers.table import Severity
from support.engines import RunningEngine, docker_engine
from support.exported import load_and_export
from support.image_builder import Layer, file, hardlink, layer, opaque, symlink, whiteout
from support.kept_images import KeptImages, podman_storage
from support.seen import state_of, tree_of
from support.unpacked import OnDisk, Refused, Shown, umoci_attempt

USR = layer("usr/", "usr/lib/", "usr/lib/a", symlink("lib", "usr/lib"))
NOTE, DIFFERS, REFUSED = Severity.NOTE, Severity.DIFFERS, Severity.REFUSED


@dataclass(frozen=True, slots=True)
class Case:
    """Layers, the worst that we say of them, and which of overlay2, vfs and umoci have what we show (`-`: it refuses)."""

    stack: tuple[Layer, ...]
    severity: Severity | None
    overlay2: str
    vfs: str
    umoci: str


def case(*stack: Layer, says: Severity | None, engines: str) -> Case:
    return Case(stack, says, *engines.split())


CASES = {
    "files below a directory named like a marker": case(
        layer("a/", "a/.wh..wh.x/", "a/.wh..wh.x/.git/", "a/.wh..wh.x/.git/secret"), says=None, engines="same same same"
    ),
    "files below a directory named like a whiteout": case(
        layer("x"), layer("d/", "d/.wh.x/y"), says=None, engines="same same same"
    ),
    "files of aufs at the root": case(layer(".wh..wh.plnk/", ".wh..wh.plnk/1.2", "x"), says=DIFFERS, engines="same other same"),
    "a hard link to a file of aufs": case(
        layer(".wh..wh.plnk/1.2", hardlink("x", ".wh..wh.plnk/1.2")), says=DIFFERS, engines="same other same"
    ),
    "a hard link with a header of its own": case(
        layer(file("f", b"abc"), hardlink("g", "f", mode=0o600, uid=5, gid=6)), says=DIFFERS, engines="same same other"
    ),
    "a link to a link, and then a header for all three": case(
        layer(file("f", b"abc"), hardlink("g", "f", mode=0o600), hardlink("h", "g", mode=0o700)),
        says=DIFFERS,
        engines="same same other",
    ),
    "a hard link to a symlink": case(
        layer(symlink("l", "f"), hardlink("g", "l", uid=5, gid=6, mode=0o600)), says=DIFFERS, engines="same same other"
    ),
    "a hard link before its target": case(layer(hardlink("g", "f"), "f"), says=REFUSED, engines="- - -"),
    "a hard link to nothing": case(layer("a", hardlink("g", "f")), says=REFUSED, engines="- - -"),
    "a hard link to itself": case(layer("f", hardlink("f", "f")), says=REFUSED, engines="- - -"),
    "a hard link to a directory": case(layer("d/", hardlink("g", "d")), says=REFUSED, engines="- - -"),
    "a hard link to a parent without an entry": case(layer("d/x", hardlink("g", "d")), says=REFUSED, engines="- - -"),
    "a hard link to aufs's own": case(layer(".wh..wh.foo", hardlink("q", ".wh..wh.foo")), says=REFUSED, engines="- - -"),
    "a hard link to a file of a lower layer": case(layer("f"), layer(hardlink("g", "f")), says=DIFFERS, engines="- same same"),
    "a hard link through a symlink of a lower layer": case(
        USR, layer(hardlink("h", "lib/a")), says=DIFFERS, engines="- same same"
    ),
    "a hard link before a target that a lower layer has, too": case(
        layer(file("f", b"1")), layer(hardlink("g", "f"), file("f", b"22")), says=DIFFERS, engines="- same same"
    ),
    "an entry below a symlink of a lower layer": case(USR, layer("lib/x86/ld.so"), says=DIFFERS, engines="same other other"),
    "a whiteout below a symlink of a lower layer": case(USR, layer("lib/.wh.a"), says=DIFFERS, engines="same other other"),
    "a whiteout deep below a symlink of a lower layer": case(
        layer("usr/lib/d/a", symlink("lib", "usr/lib")), layer("lib/d/.wh.a"), says=DIFFERS, engines="same other other"
    ),
    "an opaque marker below a symlink of a lower layer": case(
        USR, layer(opaque("lib")), says=DIFFERS, engines="same other other"
    ),
    "a directory over a symlink of a lower layer": case(USR, layer("lib/", "lib/b"), says=NOTE, engines="same same same"),
    "a directory over a symlink to nowhere": case(
        layer(symlink("lib", "usr/lib")), layer("lib/", "lib/b"), says=None, engines="same same same"
    ),
    "an entry below a symlink of its layer": case(
        layer("usr/", "usr/lib/", symlink("lib", "usr/lib"), "lib/b"), says=None, engines="same same same"
    ),
    "an entry deep below a symlink of its layer": case(
        layer("usr/", "usr/lib/", symlink("lib", "/usr/lib"), "lib/x/", "lib/x/y"), says=None, engines="same same same"
    ),
    "a symlink to a directory of a lower layer, and an entry below": case(
        layer("usr/", "usr/lib/", "usr/lib/a"), layer(symlink("lib", "usr/lib"), "lib/b"), says=DIFFERS, engines="- same same"
    ),
    "a symlink to nowhere, and an entry below": case(layer(symlink("lib", "usr/"), "lib/b"), says=DIFFERS, engines="- - same"),
    "a symlink to itself, and an entry below": case(layer(symlink("l", "l"), "l/x"), says=REFUSED, engines="- - -"),
    "a whiteout below a symlink of its layer": case(
        USR, layer("usr/", "usr/lib/", symlink("k", "usr/lib"), "k/.wh.a"), says=None, engines="same same same"
    ),
    "a whiteout below what becomes a symlink": case(
        USR, layer("usr/", "usr/lib/", "k/.wh.a", symlink("k", "usr/lib")), says=None, engines="same same same"
    ),
    "a whiteout where there is nothing": case(layer("a"), layer("n/m/.wh.x"), says=DIFFERS, engines="same same other"),
    "an entry below a file of a lower layer": case(layer("d"), layer("d/x"), says=DIFFERS, engines="same - -"),
    "an entry below a file of its layer": case(layer("d", "d/x"), says=REFUSED, engines="- - -"),
    "a file after its own whiteout": case(layer("a"), layer(whiteout("a"), "a"), says=None, engines="same same same"),
    "a file before its own whiteout": case(layer("a"), layer("a", whiteout("a")), says=DIFFERS, engines="- other same"),
    "a directory before its own whiteout": case(
        layer("d/", "d/x"), layer("d/", "d/y", whiteout("d")), says=DIFFERS, engines="- - same"
    ),
    "a directory after its own whiteout": case(
        layer("d/", "d/x"), layer(whiteout("d"), "d/", "d/y"), says=DIFFERS, engines="other same same"
    ),
    "an entry below a whiteout of its layer": case(
        layer("d/", "d/x"), layer(whiteout("d"), "d/y"), says=DIFFERS, engines="- same same"
    ),
    "a whiteout of an entry's directory, later": case(
        layer("d/", "d/x"), layer("d/y", whiteout("d")), says=DIFFERS, engines="- other same"
    ),
    "one whiteout twice": case(layer("a", "b"), layer(whiteout("a"), whiteout("a")), says=DIFFERS, engines="- - same"),
    "a path twice": case(layer("f", file("f", b"33", mode=0o600)), says=DIFFERS, engines="- - same"),
    "a file over its own directory": case(layer("d/", "d/x", "d"), says=DIFFERS, engines="- - same"),
    "a directory over its own file": case(layer("d", "d/", "d/x"), says=DIFFERS, engines="- - same"),
    "a file over a parent without an entry": case(layer("d/y"), layer("d/x", "d"), says=None, engines="same same same"),
    "a whiteout of nothing at the root": case(layer("a", ".wh."), says=REFUSED, engines="- - -"),
    "a whiteout of `..`": case(layer("a/", "a/b"), layer("a/.wh..."), says=REFUSED, engines="- - -"),
    "a whiteout of nothing in a directory": case(layer("a/b", "a/.wh."), says=DIFFERS, engines="- other same"),
    "a whiteout of `.` in a directory": case(layer("a/", "a/b"), layer("a/.wh.."), says=DIFFERS, engines="- other -"),
    "an opaque root": case(layer("a"), layer(opaque(), "b"), says=DIFFERS, engines="other same same"),
    "a root that is a file": case(layer(file(".", b"x"), "a"), says=DIFFERS, engines="same - -"),
    "an opaque directory between its files": case(
        layer("d/x"), layer("d/", "d/y", opaque("d"), "d/z"), says=None, engines="same same same"
    ),
}


def ours(stack: tuple[Layer, ...] | list[Layer]) -> Shown:
    """What we say that a container sees."""
    visible = state_of(tree_of(stack), len(stack)).visible
    return {
        path: OnDisk(
            node.kind, 0o755 if node.mode is None else node.mode, node.uid or 0, node.gid or 0, node.size, node.linkname
        )
        for path, node in visible.items()
    }


def verdict(found: Shown | Refused, expected: Shown) -> str:
    """How an engine's word compares with ours. Docker's vfs driver makes parents with odd modes; those are not compared."""
    if isinstance(found, Refused):
        return "-"
    return "same" if _but_implied(found, expected) == _but_implied(expected, expected) else "other"


def _but_implied(found: Shown, expected: Shown) -> Shown:
    return {
        path: replace(node, mode=0) if path in expected and expected[path].kind == "directory" else node
        for path, node in found.items()
    }


@contextmanager
def _engine(name: str) -> Iterator[RunningEngine | KeptImages]:
    kind, _, driver = name.partition("-")
    with docker_engine(f"--storage-driver={driver}") if kind == "docker" else podman_storage(driver) as engine:
        yield engine


@pytest.fixture(scope="module", params=["docker-overlay2", "docker-vfs", "podman-overlay", "podman-vfs"])
def loading(request: pytest.FixtureRequest) -> Iterator[tuple[str, RunningEngine | KeptImages]]:
    with _engine(request.param) as engine:
        yield request.param.partition("-")[2], engine


@pytest.mark.parametrize("name", CASES)
def test_engines_show_what_we_say_they_show(loading: tuple[str, RunningEngine | KeptImages], name: str) -> None:
    driver, engine = loading
    wanted = CASES[name].vfs if driver == "vfs" else CASES[name].overlay2
    found = load_and_export(engine, list(CASES[name].stack))
    assert verdict(found, ours(CASES[name].stack)) == wanted, found


@pytest.mark.parametrize("name", CASES)
def test_umoci_unpacks_what_we_say_it_unpacks(name: str, tmp_path: Path) -> None:
    requires("umoci")
    if os.geteuid() != 0:
        pytest.skip("owners and devices need root")
    found = umoci_attempt(list(CASES[name].stack), tmp_path)
    assert verdict(found, ours(CASES[name].stack)) == CASES[name].umoci, found


@pytest.mark.parametrize("name", CASES)
def test_the_worst_that_is_said_is_what_engines_make_of_it(name: str) -> None:
    problems = tree_of(CASES[name].stack).problems
    assert max((problem.severity for problem in problems), default=None) == CASES[name].severity, problems


@pytest.mark.parametrize("name", CASES)
def test_what_no_engine_unpacks_is_refused_and_what_some_read_otherwise_differs(name: str) -> None:
    words = {CASES[name].overlay2, CASES[name].vfs, CASES[name].umoci}
    if words == {"-"}:
        assert CASES[name].severity is REFUSED
    elif words == {"same"}:
        assert CASES[name].severity in (None, NOTE)
    else:
        assert CASES[name].severity is DIFFERS


def test_a_directory_in_a_symlinks_place_is_told_in_words() -> None:
    (problem,) = tree_of([USR, layer("lib/x86/ld.so")]).problems
    assert (problem.layer, problem.path) == (2, b"lib")
    assert problem.text.startswith("turns the symlink /lib into a directory: files reached through it are gone")
    assert "umoci and the vfs driver of Docker and Podman follow the symlink, to /usr/lib" in problem.text


def test_many_symlinks_that_a_layer_turns_into_directories_are_one_problem_a_layer_and_kind() -> None:
    names = [f"l{number}" for number in range(5)]
    base = layer("usr/", "usr/lib/", *(symlink(name, "usr/lib") for name in (*names, "m0", "m1")))
    (followed, replaced) = tree_of([base, layer("m0/", "m1/", *(f"{name}/x" for name in names))]).problems
    assert (followed.layer, followed.path, followed.severity) == (2, b"l0", DIFFERS)
    assert followed.text.startswith("turns 5 symlinks into directories: files reached through them are gone (so do")
    assert followed.text.endswith(": /l0 to /usr/lib, /l1 to /usr/lib, /l2 to /usr/lib and 2 more")
    assert (replaced.layer, replaced.path, replaced.severity) == (2, b"m0", NOTE)
    assert replaced.text == "turns 2 symlinks into directories: files reached through them are gone: /m0, /m1"


def test_a_problem_of_many_paths_names_three_of_them() -> None:
    twice = [f"f{number}\x1b" for number in range(6)]
    (problem,) = tree_of([layer(*twice, *twice)]).problems
    assert problem.path == b"f0\x1b"
    assert problem.text.endswith(r" (5 more like it, such as /f1\x1b and /f2\x1b)")
