"""JUnit XML: one test suite per image, one test case per rule, for tools that show tests (Jenkins, GitLab, Azure; schema of
Jenkins' xUnit plugin).
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from layerscope.gate.verdict import Outcome, RuleResult
from layerscope.report.fix_lines import edit_lines, more_fixes_text, split_trifles
from layerscope.report.verdict.alerts import DEFAULT_DOCKERFILE, alerts_of_rule, is_about_waste, line_text
from layerscope.report.verdict.gate_run import GateRun, figures, finding_text, image_title
from layerscope.text import escape
from layerscope.units import size_text

SHOWN = 50
"""Findings that a case lists."""


@dataclass(frozen=True, slots=True)
class Suite:
    """The test suite of one image: how many of its cases there are, fail and have errors, and its lines of XML."""

    tests: int
    failures: int
    errors: int
    lines: tuple[str, ...]


def junit_report(run: GateRun) -> bytes:
    """Encode the verdict as XML. Doubts are one test case with an error; a warning passes and says so in its output."""
    return junit_of([suite_of(run)])


def junit_of(suites: Iterable[Suite]) -> bytes:
    """Encode the suites of several images."""
    suites = tuple(suites)
    counts = _counts(*(sum(getattr(suite, name) for suite in suites) for name in ("tests", "failures", "errors")))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="layerscope" {counts}>',
        *(line for suite in suites for line in suite.lines),
        "</testsuites>",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def suite_of(run: GateRun) -> Suite:
    """Return the suite of a judged image."""
    results, doubts = run.verdict.results, run.verdict.doubts
    cases = (*_doubt_case(doubts), *(line for result in results for line in _case(run, result)), *_edits(run))
    skipped = sum(result.outcome in (Outcome.WAIVED, Outcome.UNJUDGED) for result in results)
    tests, failed = len(results) + bool(doubts), len(run.verdict.failed)
    return _suite(image_title(run.analysis.image), tests, failed, int(bool(doubts)), skipped, cases)


def unread_suite(name: str, reason: str) -> Suite:
    """Return the suite of an image that could not be read."""
    return _suite(name, 1, 0, 1, 0, tuple(_doubt_case((reason,))))


def _suite(name: str, tests: int, failures: int, errors: int, skipped: int, cases: tuple[str, ...]) -> Suite:
    head = f'  <testsuite name="layerscope: {_xml(name)}" {_counts(tests, failures, errors)} skipped="{skipped}">'
    return Suite(tests, failures, errors, (head, *cases, "  </testsuite>"))


def _counts(tests: int, failures: int, errors: int) -> str:
    return f'tests="{tests}" failures="{failures}" errors="{errors}"'


def _doubt_case(doubts: tuple[str, ...]) -> Iterator[str]:
    if doubts:
        yield '    <testcase classname="layerscope" name="the image can be judged">'
        yield f'      <error type="doubt" message="{_xml(doubts[0])}">{_lines(doubts)}</error>'
        yield "    </testcase>"


def _case(run: GateRun, result: RuleResult) -> Iterator[str]:
    place = _place(run, result) if result.outcome in (Outcome.FAILED, Outcome.WARNED) else ""
    yield f'    <testcase classname="layerscope.{_xml(result.key)}" name="{_xml(result.name)}"{place}>'
    message, details = _xml(result.sentence), _lines(_details(run, result))
    if result.outcome is Outcome.FAILED:
        yield f'      <failure type="{_xml(result.key)}" message="{message}">{details}</failure>'
    elif result.outcome is Outcome.PASSED:
        yield f"      <system-out>{details}</system-out>"
    elif result.outcome is Outcome.WARNED:
        yield f"      <system-out>warning: {details}</system-out>"
    else:
        yield f'      <skipped type="{result.outcome}" message="{message}">{details}</skipped>'
    yield "    </testcase>"


def _place(run: GateRun, result: RuleResult) -> str:
    """Return the attributes of a case that say where in the Dockerfile its rule is broken."""
    place = next((alert.place for alert in alerts_of_rule(run, result) if alert.place.is_known), None)
    return f' file="{_xml(place.path)}" line="{place.line}"' if place else ""


def _details(run: GateRun, result: RuleResult) -> Iterator[str]:
    yield result.sentence
    measured, limit, margin = figures(result)
    yield f"measured {measured}, limit {limit}, margin {margin}; stated by {result.origin}"
    yield from result.waivers
    if result.outcome is not Outcome.PASSED:
        yield from (f"{finding_text(each)}{line_text(run, each)}" for each in result.findings[:SHOWN])
        if len(result.findings) > SHOWN:
            yield f"and {len(result.findings) - SHOWN:,} more"
    if is_about_waste(result) and result.outcome in (Outcome.FAILED, Outcome.WARNED):
        yield from _fixes(run)


def _fixes(run: GateRun) -> Iterator[str]:
    """Yield what to change, a line a fix: `Dockerfile:14: ... Saves 200 kB.`"""
    told, trifles = split_trifles(run.advice.fixes, run.analysis.waste.content_bytes)
    for fix in told[:SHOWN]:
        where = f"{run.advice.dockerfile or DEFAULT_DOCKERFILE}:{fix.line}: " if fix.line is not None else ""
        yield f"What to change: {where}{fix.sentence} Saves {size_text(fix.size)}."
    if rest := (*told[SHOWN:], *trifles):
        yield f"{size_text(sum(fix.size for fix in rest))} in {more_fixes_text(len(rest))}"


def _edits(run: GateRun) -> Iterator[str]:
    """Yield the output of the whole suite: the edits of the fixes, to be read; `layerscope fix` has them as one patch."""
    edits = [line for fix in run.advice.fixes[:SHOWN] for line in edit_lines(fix)]
    if edits:
        yield f"    <system-out>{_lines(tuple(edits))}</system-out>"


def _lines(lines: tuple[str, ...] | Iterator[str]) -> str:
    return "\n".join(map(_xml, lines))


def _xml(text: str) -> str:
    """Escape text for content and attributes, including the characters that XML 1.0 does not allow (section 2.2)."""
    return html.escape(escape(text))
