"""The proof itself: it finds every kind of wrong fix, and the fixes of a few cases pass it with a real builder."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import requires
from layerscope.advice.dockerfile.stages import parse_dockerfile
from prove.builders import NAMES, Builder, started
from prove.cases import BASE, Case, our_cases, prepare, tricky_cases, write_context
from prove.filesystems import Difference, Seen, differences
from prove.grammar import random_dockerfile, write_random
from prove.proof import Prover, Row, is_announced, is_close, malformed, offered_again
from prove.small_base import write_small_base

FILE = Seen("file", 0o644, (0, 0), size=3, content="abc")


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    requires("dockerd")
    requires("docker")
    requires("git")
    requires("useradd")
    with tempfile.TemporaryDirectory(prefix="ls-", dir="/tmp", ignore_cleanup_errors=True) as place:
        base = Path(place) / "base.tar"
        write_small_base(Path(place) / "base", base)
        with started("docker", Path(place)) as running:
            prepare(running, base)
            yield running


def fix(**changes: Any) -> dict[str, Any]:
    known = {"id": "a", "saves_bytes": 5, "line": 2, "layers": [2], "paths": ["/x"], "why": "why", "edit": "+", "by_hand": None}
    return known | changes


@pytest.mark.parametrize(
    ("after", "paths", "edit", "announced"),
    [
        (None, ["/a"], "", True),
        (None, ["/a/b"], "", True),
        (None, ["/a/bc", "/b"], "", False),
        (Seen("symlink", 0, (0, 0), "../same"), ["/a/b"], "", True),
        (Seen("symlink", 0, (0, 0), "/other"), ["/a/b"], "", False),
        (Seen("file", 0o600, (0, 0), size=3, content="abc"), ["/a"], "", False),
        (Seen("file", 0o600, (0, 0), size=3, content="abc"), ["/a"], "+++ b/.dockerignore\n", True),
    ],
)
def test_a_difference_has_to_be_one_that_a_fix_announces(
    after: Seen | None, paths: list[str], edit: str, announced: bool
) -> None:
    files = {"/same": FILE, "/other": Seen("file", 0o644, (0, 0), size=3, content="xyz")}
    files |= {"/a/b": after} if after else {}
    found = is_announced(Difference("/a/b", FILE, after), [fix(paths=paths, edit=edit)], files)
    assert found is announced


def test_what_is_new_is_never_announced() -> None:
    assert not is_announced(Difference("/x", None, FILE), [fix()], {"/x": FILE})


def test_parts_that_are_not_repeatable_are_not_compared() -> None:
    left_open = Seen("file", 0o644, (0, 0), size=3, content=None)
    assert differences({"/a": left_open}, {"/a": FILE}) == []
    assert [each.path for each in differences({"/a": left_open}, {"/a": Seen("file", 0o600, (0, 0), size=3)})] == ["/a"]


@pytest.mark.parametrize(
    ("claimed", "saved", "close"),
    [(0, 20_000, True), (0, 20_001, False), (10_000_000, 9_900_000, True), (10_000_000, 9_890_000, False), (30_000, -1, False)],
)
def test_bytes_may_be_off_by_a_hundredth_or_20_kb(claimed: int, saved: int, close: bool) -> None:
    assert is_close(claimed, saved) is close


def test_a_fix_is_offered_again_under_its_name_or_for_its_paths() -> None:
    assert offered_again([fix()], [fix(paths=["/y"]), fix(id="b"), fix(id="c", paths=["/y"]), fix(edit=None)]) == ["a", "b"]


@pytest.mark.parametrize(
    "told",
    [
        {"schema": "x", "saves_bytes": 5, "fixes": [fix()]},
        {"schema": "layerscope.fixes/1", "saves_bytes": 6, "fixes": [fix()]},
        {"schema": "layerscope.fixes/1", "saves_bytes": 5, "fixes": [fix(by_hand="by hand")]},
        {"schema": "layerscope.fixes/1", "saves_bytes": 5, "fixes": [fix(paths=["x"])]},
        {"schema": "layerscope.fixes/1", "saves_bytes": 10, "fixes": [fix(), fix()]},
        {"schema": "layerscope.fixes/1", "saves_bytes": 5, "fixes": [{k: v for k, v in fix().items() if k != "why"}]},
    ],
)
def test_an_object_of_another_form_is_told(told: dict[str, Any]) -> None:
    assert len(malformed(told)) == 1
    assert (
        malformed({"schema": "layerscope.fixes/1", "saves_bytes": 5, "fixes": [fix(), fix(id="b", edit=None, by_hand="x")]})
        == []
    )


def test_a_seed_always_makes_the_same_dockerfile() -> None:
    assert random_dockerfile(7) == random_dockerfile(7)
    assert len({random_dockerfile(seed) for seed in range(20)}) == 20


BEFORE = f"FROM {BASE}\nRUN mkdir /app && yes a | head -c 300000 > /app/a\nRUN chmod 600 /app/a\n"
AFTER = f"FROM {BASE}\nRUN mkdir /app && yes a | head -c 300000 > /app/a && chmod 600 /app/a\n"
FIXER = """
import difflib, json, pathlib, sys
told = json.loads({told!r})
before = pathlib.Path("Dockerfile").read_text()
after = told["after"] if told["again"] or before == told["before"] else before
lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), "a/Dockerfile", "b/Dockerfile")
edit = "".join(lines) or ("+" if told["again"] else None)
fix = {{"id": "join", "saves_bytes": told["saves"], "line": 2, "layers": [2, 3], "paths": ["/app/b"], "why": "twice"}}
fixes = [fix | {{"edit": edit, "by_hand": None}}] if edit else []
if "--json" in sys.argv:
    print(json.dumps({{"schema": "layerscope.fixes/1", "saves_bytes": told["saves"] * len(fixes), "fixes": fixes}}))
elif "--write" in sys.argv:
    pathlib.Path("Dockerfile").write_text(told["written"])
else:
    print(edit or "", end="")
"""
"""A command with the options of `layerscope fix` that knows one Dockerfile, and what to make of it."""


def proven(builder: Builder, place: Path, **changes: Any) -> Row:
    """The proof of a hand-made fix."""
    told = {"before": BEFORE, "after": AFTER, "saves": 300_000, "again": False} | changes
    told.setdefault("written", told["after"])
    program = place / "fixer.py"
    program.write_text(FIXER.format(told=json.dumps(told)))
    write_context(place / "case", {"Dockerfile": BEFORE})
    (row,) = Prover(builder, place / "kept", fix=(sys.executable, str(program))).prove(Case("by-hand", place / "case"))
    return row


def test_a_right_fix_passes(builder: Builder, tmp_path: Path) -> None:
    row = proven(builder, tmp_path)
    assert row == Row("by-hand", "docker", "", 1, 0, 300_000, 300_000, 0, files_equal=True)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"saves": 330_000}, "claimed 330,000 bytes, saved 300,000"),
        ({"after": AFTER.replace(" && chmod 600 /app/a", "")}, "files differ: /app/a: mode 0o600 -> 0o644"),
        ({"after": AFTER.replace("head", "false | head")}, "files differ: /app/a: size 300000 -> 0"),
        ({"after": AFTER.replace("yes a", "yes b")}, "files differ: /app/a: content"),
        ({"after": AFTER.replace("mkdir /app", "mkdir /app /b")}, "files differ: /b: new"),
        ({"after": AFTER.replace("mkdir", "false")}, "the build fails"),
        ({"written": BEFORE}, "--write leads elsewhere than the patch"),
        ({"again": True}, "offered again: join"),
    ],
)
def test_a_wrong_fix_is_found_and_kept(builder: Builder, tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    row = proven(builder, tmp_path, **changes)
    assert any(each.startswith(problem) for each in row.problems), row.problems
    (kept,) = (tmp_path / "kept").iterdir()
    assert problem in (kept / "problems.txt").read_text()
    assert (kept / "before/Dockerfile").read_text() == BEFORE


FEW = (
    "dotnet-publish",
    "exec-forms",
    "ignored-in-part",
    "through-a-link",
    "hard-link",
    "setuid",
    "moved-into-place",
    "continued",
)
"""Cases for every run of the tests; `make prove` has all."""
SEEDS = (108, 226, 1001)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_the_fixes_of_a_case_keep_their_word(builder: Builder, tmp_path: Path, name: str) -> None:
    cases = {case.name: case for case in (*our_cases(tmp_path / "ours"), *tricky_cases(tmp_path / "tricky"))}
    (row,) = Prover(builder, tmp_path / "kept").prove(cases[name])
    assert row.problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_fixes_of_a_random_dockerfile_keep_their_word(builder: Builder, tmp_path: Path, seed: int) -> None:
    (row,) = Prover(builder, tmp_path / "kept").prove(write_random(tmp_path, seed))
    assert row.problems == ()


def test_every_case_has_a_dockerfile_that_is_read(tmp_path: Path) -> None:
    cases = [*our_cases(tmp_path / "ours"), *tricky_cases(tmp_path / "tricky")]
    assert len(cases) > 50
    for case in cases:
        assert parse_dockerfile(case.text).stages, case.name
        assert set(case.builders) <= set(NAMES)
