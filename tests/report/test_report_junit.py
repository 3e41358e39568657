"""The JUnit report, read by junitparser and by an XML parser that forgives nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from lxml import etree

from layerscope.report.verdict.gate_run import GateRun
from layerscope.report.verdict.junit import junit_report
from layerscope.text import escape
from support import gate_runs
from support.gate_runs import HOSTILE


def suite_of(run: GateRun) -> TestSuite:
    found = JUnitXml.fromstring(junit_report(run))
    suites = list(found)
    assert len(suites) == 1
    assert isinstance(suites[0], TestSuite)
    return suites[0]


def cases_of(run: GateRun) -> dict[str, TestCase]:
    return {str(case.name): case for case in suite_of(run)}


def test_each_rule_is_one_case(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    assert list(cases_of(run)) == [result.name for result in run.verdict.results]


def test_a_case_says_what_became_of_its_rule(tmp_path: Path) -> None:
    cases = cases_of(gate_runs.ordinary(tmp_path))
    assert cases["min-efficiency"].is_passed
    assert [type(each) for each in cases["max-wasted"].result] == [Failure]
    assert cases["max-layers"].is_passed
    assert "warning" in str(cases["max-layers"].system_out)
    assert [type(each) for each in cases["forbid **/.git/** anywhere"].result] == [Skipped]
    assert [type(each) for each in cases["budget /opt"].result] == [Skipped]


def test_a_failure_names_figures_and_findings(tmp_path: Path) -> None:
    failure = cases_of(gate_runs.ordinary(tmp_path))["max-wasted"].result[0]
    assert failure.message == "540 kB are wasted, 340 kB more than the limit of 200 kB."
    assert "measured 2.50 MB, limit ≤ 2.00 MB, margin -500 kB; stated by layerscope.toml" in str(failure.text)
    assert "/app/big: 300 kB overwritten, written by layer 1, buried by layer 2" in str(failure.text)


def test_a_failure_about_waste_has_lines_and_fixes(tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    text = str(cases_of(run)["max-wasted"].result[0].text)
    assert "buried by layer 2 (docker/Dockerfile:7)" in text
    assert "What to change: docker/Dockerfile:14: line 14 `RUN chmod 755 /app/big` copies 200 kB" in text
    assert "What to change: Two files hold the same. Saves 90.0 kB." in text
    raw = junit_report(run).decode()
    assert '<testcase classname="layerscope.max-wasted" name="max-wasted" file="docker/Dockerfile" line="7">' in raw


def test_the_suite_has_the_edits_without_secrets(tmp_path: Path) -> None:
    document = etree.fromstring(junit_report(gate_runs.ordinary(tmp_path)))
    assert document.findtext("testsuite/system-out") == (
        "--- a/docker/Dockerfile\n+++ b/docker/Dockerfile\n@@ -14 +13,0 @@\n-RUN chmod 755 /app/big && make DEPLOY_TOKEN=***"
    )


def test_the_counts_are_those_of_the_cases(tmp_path: Path) -> None:
    suite = suite_of(gate_runs.hostile(tmp_path))
    counted = (suite.tests, suite.failures, suite.errors, suite.skipped)
    suite.update_statistics()  # type: ignore[no-untyped-call]
    assert counted == (suite.tests, suite.failures, suite.errors, suite.skipped)


def test_a_doubt_is_an_error(tmp_path: Path) -> None:
    case = cases_of(gate_runs.hostile(tmp_path))["the image can be judged"]
    assert [type(each) for each in case.result] == [Error]


def test_an_image_without_rules_is_an_empty_suite(tmp_path: Path) -> None:
    assert list(suite_of(gate_runs.empty(tmp_path))) == []


@pytest.mark.slow
@pytest.mark.parametrize("make", [gate_runs.ordinary, gate_runs.hostile, gate_runs.empty, gate_runs.many])
def test_an_exact_parser_reads_it(tmp_path: Path, make: object) -> None:
    assert callable(make)
    document = etree.fromstring(junit_report(make(tmp_path)), etree.XMLParser(resolve_entities=False, recover=False))
    names = {element.tag for element in document.iter()}
    assert names <= {"testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out"}


def test_a_hostile_name_is_only_a_name(tmp_path: Path) -> None:
    cases = cases_of(gate_runs.hostile(tmp_path))
    for name in HOSTILE:
        assert escape(f"forbid {name}") in cases
        assert escape(name) in str(cases[escape(f"forbid {name}")].result[0].message)
