"""Patches: git applies them, and says the same as the file that was edited."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from conftest import requires
from layerscope.advice.editing.patch import ChangedFile, replacements, unified_diff

LINES = st.lists(st.sampled_from(["a", "b", "", " c", "\u2028", "-- x"]), max_size=12)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


@given(st.none() | TEXTS, TEXTS)
def test_git_applies_what_is_told(tmp_path_factory: object, before: str | None, after: str) -> None:
    requires("git")
    place = Path(tmp_path_factory.mktemp("patch"))  # type: ignore[attr-defined]
    if before is not None:
        (place / "F").write_bytes(before.encode())
    patch = unified_diff(ChangedFile("F", before, after), lambda *_: "saves 5 MB: why")
    if not patch or (before is None and not after):
        assert before == after or not after
        return
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=str(place.parent))
    told = f"# a comment\n{patch}".encode()
    done = subprocess.run(
        ["git", "apply", "--unidiff-zero", "-"], input=told, cwd=place, capture_output=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr.decode()
    assert (place / "F").read_bytes() == after.encode()


@given(TEXTS, TEXTS)
def test_lines_replaced_are_the_file_after_it(before: str, after: str) -> None:
    lines = [f"{line}\n" for line in before.split("\n")]
    lines[-1] = lines[-1][:-1]
    for each in reversed(replacements(ChangedFile("F", before, after))):
        lines[each.line - 1 : each.end_line - 1] = [each.text]
    assert "".join(lines) == after
