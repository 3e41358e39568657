"""`layerscope ci` on several images: one table, one exit code, and one report of each kind."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from layerscope.report.verdict.many import PARTS, WRITTEN
from support.commands import Ran, ran, written
from support.image_builder import file, layer, whiteout

GOOD = (layer(file("a", bytes(5000)), "d/b"),)
WASTEFUL = (layer(file("a", bytes(5000)), "keep"), layer(whiteout("a")))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a good image, a wasteful one of the same name, and a damaged one."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    written(directory / "good.tar", *GOOD)
    written(directory / "wasteful.tar", *WASTEFUL)
    (directory / "cut.tar").write_bytes((directory / "good.tar").read_bytes()[:3000])
    return directory


def judged(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    return ran(capsys, "ci", *arguments)


@pytest.mark.parametrize(
    ("images", "code", "sentence"),
    [
        (["good.tar", "./good.tar"], 0, "2 images: 2 passed"),
        (["good.tar", "wasteful.tar"], 1, "2 images: 1 passed, 1 FAILED"),
        (["cut.tar", "wasteful.tar", "good.tar", "none.tar"], 2, "4 images: 1 passed, 1 FAILED, 2 could not be judged"),
    ],
)
def test_several_images_are_a_line_each_and_the_worst_decides(
    images: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = judged(capsys, *images)
    assert done.code == code
    assert sentence in done.lines
    assert [line.split()[-1] for line in done.lines if line.startswith(("passed", "FAILED", "- "))] == images


def test_why_an_image_did_not_pass_is_said_below_it_and_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    done = judged(capsys, "good.tar", "wasteful.tar")
    below = done.lines.index(next(line for line in done.lines if line.endswith("wasteful.tar"))) + 1
    assert done.lines[below] == "        1 of 2 rules is broken (min-efficiency)"
    assert done.err == "layerscope: wasteful.tar: 1 of 2 rules is broken (min-efficiency)\n"


def test_a_list_names_images_once_and_comments_none(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "list").write_text("# ours\ngood.tar\n\n  wasteful.tar\ngood.tar\n")
    done = judged(capsys, "good.tar", "--from", "list", "--min-efficiency", "0")
    assert (done.code, "2 images: 2 passed" in done.lines) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["good.tar", "wasteful.tar", "--report", "html=x.html"], "--report html is of one image, and several are named"),
        (["good.tar", "wasteful.tar", "--init"], "--init is about one image, and several are named"),
        (["good.tar", "wasteful.tar", "--baseline", "good.tar"], "a baseline is that of one image, and several are named"),
        (["-", "--from", "-"], "standard input is either an image or the list of them"),
        (["--from", "empty"], "the list names no image"),
        (["--from", "none"], "--from none: No such file or directory"),
        (["--from", "good.tar"], "--from good.tar: not a list of images, one a line"),
        (["good.tar", "wasteful.tar", "--json", "wasteful.tar"], "would overwrite the image itself"),
    ],
)
def test_what_is_of_one_image_is_refused(
    arguments: list[str], problem: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "empty").write_text("# none\n")
    done = judged(capsys, *arguments)
    assert done.code == 2
    assert problem in done.err


def test_each_kind_of_report_tells_of_all(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, kinds = ["cut.tar", "wasteful.tar", "good.tar"], [*PARTS, *WRITTEN]
    assert judged(capsys, *images, *(each for kind in kinds for each in ("--report", f"{kind}={kind}"))).code == 2

    suites = ElementTree.parse(here / "junit").getroot()
    assert (suites.attrib["tests"], suites.attrib["failures"], suites.attrib["errors"], len(suites)) == ("5", "1", "1", 3)

    verdicts = json.loads((here / "json").read_bytes())
    assert (verdicts["schema"], verdicts["exit_code"]) == ("layerscope.gates/1", 2)
    assert [(each["image"]["reference"], each["outcome"]) for each in verdicts["images"]] == [
        ("cut.tar", "unjudged"),
        ("wasteful.tar", "failed"),
        ("good.tar", "passed"),
    ]

    (run,) = json.loads((here / "sarif").read_bytes())["runs"]
    rules = [each["id"] for each in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert [each["exitCode"] for each in run["invocations"]] == [2, 1, 0]
    assert run["results"][0]["message"]["text"].startswith("cut.tar: unjudged-image: ")

    issues = json.loads((here / "gitlab").read_bytes())
    assert {issue["description"].split(":")[0] for issue in issues} == {"cut.tar", "wasteful.tar"}

    metrics = (here / "openmetrics").read_text().splitlines()
    assert metrics[-1] == "# EOF"
    types = [line for line in metrics if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    passed = [line.rpartition(" ")[2] for line in metrics if line.startswith("layerscope_gate_passed{")]
    assert passed == ["0", "0", "1"]

    for kind in WRITTEN:
        assert "3 images: 1 passed, 1 FAILED, 1 could not be judged" in (here / kind).read_text()


def test_alerts_of_two_images_of_one_name_are_told_apart(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "twice.tar").write_bytes((here / "wasteful.tar").read_bytes())
    judged(capsys, "wasteful.tar", "twice.tar", "--report", "gitlab=found")
    issues = json.loads((here / "found").read_bytes())
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) >= 2
