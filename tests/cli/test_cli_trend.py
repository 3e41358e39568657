"""`layerscope ci --history` and `layerscope trend`: the figures of images from run to run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.commands import ran, written
from support.image_builder import file, layer, whiteout


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with two builds of one image; the second is bigger, and wasteful."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    written(directory / "first.tar", layer(file("a", bytes(5000)), "d/b"))
    written(directory / "second.tar", layer(file("a", bytes(5000)), "d/b"), layer(file("c", bytes(9000)), whiteout("a")))
    return directory


@pytest.fixture
def history(here: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    for build in ("first.tar", "second.tar"):
        ran(capsys, "ci", build, "--history", "sizes.jsonl")
    return here / "sizes.jsonl"


def test_each_run_appends_a_line(history: Path) -> None:
    first, second = map(json.loads, history.read_bytes().splitlines())
    assert (first["schema"], first["outcome"], first["content_bytes"]) == ("layerscope.trend/1", "passed", 5015)
    assert (second["wasted_bytes"], second["causes"]["deleted"], len(second["layers"])) == (5000, 5000, 2)


def test_runs_are_listed_with_growth_and_what_grew(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "trend", history)
    assert done.code == 0
    runs = [line for line in done.lines if "passed" in line or "failed" in line]
    assert ["+" in run for run in runs] == [False, True]
    assert "+9.00 kB" in runs[1]
    assert "By layer, since the first run" in done.lines
    assert any(line.split()[0] == "+5.00" and line.endswith("deleted") for line in done.lines)


def test_many_images_append_a_line_each_and_are_told_by_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(capsys, "ci", "first.tar", "second.tar", "none.tar", "--history", "h")
    assert len((here / "h").read_bytes().splitlines()) == 2
    assert ran(capsys, "trend", "h", "--image", "nothing").err == "layerscope: h has no image with nothing in its name\n"


def test_a_page_has_a_chart_and_no_script(history: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(capsys, "trend", history, "--html", "page.html")
    page = (here / "page.html").read_text()
    assert page.count("<g><title>") == 2
    assert "<script" not in page


def test_a_line_that_was_cut_short_is_told_and_does_not_spoil_the_next(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history.write_bytes(history.read_bytes()[:-20])
    ran(capsys, "ci", "first.tar", "--history", "sizes.jsonl")
    assert len(history.read_bytes().splitlines()) == 3
    done = ran(capsys, "trend", history)
    assert done.code == 2
    assert done.err.startswith(f"layerscope: {history}, line 2: ")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("-", "--history needs a file to append to"),
        ("first.tar", "--history first.tar would overwrite the image itself"),
        ("none/h", "none/h cannot be written: No such file or directory"),
    ],
)
def test_a_history_that_cannot_be_is_told(name: str, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ci", "first.tar", "--history", name)
    assert done.code == 2
    assert problem in done.err
