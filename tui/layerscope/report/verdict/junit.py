"""JUnit XML: one test case per rule, for tools that show tests (Jenkins, GitLab, Azure; schema of Jenkins' xUnit plugin)."""

from __future__ import annotations

import html
from collections.abc import Iterator

from layerscope.gate.verdict import Outcome, RuleResult
from layerscope.report.verdict.gate_run import GateRun, figures, finding_text, image_title
from layerscope.text import escape

SHOWN = 50
"""Findings that a case lists."""


def junit_report(run: GateRun) -> bytes:
    """Encode the verdict as XML. Doubts are one test case with an error; a warning passes and says so in its output."""
    results, doubts = run.verdict.results, run.verdict.doubts
    skipped = sum(result.outcome in (Outcome.WAIVED, Outcome.UNJUDGED) for result in results)
    counts = f'tests="{len(results) + bool(doubts)}" failures="{len(run.verdict.failed)}" errors="{int(bool(doubts))}"'
    name = f"layerscope: {_xml(image_title(run.analysis.image))}"
    doubt_case = (
        (
            '    <testcase classname="layerscope" name="the image can be judged">',
            f'      <error type="doubt" message="{_xml(doubts[0])}">{_lines(doubts)}</error>',
            "    </testcase>",
        )
        if doubts
        else ()
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="layerscope" {counts}>',
        f'  <testsuite name="{name}" {counts} skipped="{skipped}">',
        *doubt_case,
        *(line for result in results for line in _case(result)),
        "  </testsuite>",
        "</testsuites>",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _case(result: RuleResult) -> Iterator[str]:
    yield f'    <testcase classname="layerscope.{_xml(result.key)}" name="{_xml(result.name)}">'
    message, details = _xml(result.sentence), _lines(_details(result))
    if result.outcome is Outcome.FAILED:
        yield f'      <failure type="{_xml(result.key)}" message="{message}">{details}</failure>'
    elif result.outcome is Outcome.PASSED:
        yield f"      <system-out>{details}</system-out>"
    elif result.outcome is Outcome.WARNED:
        yield f"      <system-out>warning: {details}</system-out>"
    else:
        yield f'      <skipped type="{result.outcome}" message="{message}">{details}</skipped>'
    yield "    </testcase>"


def _details(result: RuleResult) -> Iterator[str]:
    yield result.sentence
    measured, limit, margin = figures(result)
    yield f"measured {measured}, limit {limit}, margin {margin}; stated by {result.origin}"
    yield from result.waivers
    if result.outcome is not Outcome.PASSED:
        yield from (finding_text(finding) for finding in result.findings[:SHOWN])
        if len(result.findings) > SHOWN:
            yield f"and {len(result.findings) - SHOWN:,} more"


def _lines(lines: tuple[str, ...] | Iterator[str]) -> str:
    return "\n".join(map(_xml, lines))


def _xml(text: str) -> str:
    """Escape text for content and attributes, including the characters that XML 1.0 does not allow (section 2.2)."""
    return html.escape(escape(text))
