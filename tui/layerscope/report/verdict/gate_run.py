"""One run of the gate, the kinds of report it can write, and the words that all of them share.

Each kind's module is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from layerscope.advice.advice import Advice
from layerscope.analysis import Analysis
from layerscope.errors import UsageError
from layerscope.gate.quantities import margin_text, measured_and_limit
from layerscope.gate.verdict import Finding, Outcome, RuleResult, Verdict
from layerscope.oci.reference import tag_of
from layerscope.sources.image import Image
from layerscope.text import escape, suggestion
from layerscope.units import size_text
from layerscope.wording.style import cut_middle

KINDS = {
    "markdown": "layerscope.report.verdict.markdown:markdown_report",
    "comment": "layerscope.report.verdict.markdown:pr_comment",
    "junit": "layerscope.report.verdict.junit:junit_report",
    "sarif": "layerscope.report.verdict.sarif:sarif_report",
    "gitlab": "layerscope.report.verdict.alerts:gitlab_report",
    "openmetrics": "layerscope.report.verdict.openmetrics:openmetrics_report",
    "html": "layerscope.report.verdict.html:html_report",
    "json": "layerscope.report.verdict.verdict_json:json_report",
    "analysis": "layerscope.report.verdict.verdict_json:analysis_report",
}
LONGEST_NAME = 160
"""Characters of a name that a report shows; what is longer loses its middle. JSON has all of it."""


@dataclass(frozen=True, eq=False)
class GateRun:
    """An analyzed image, the verdict of the rules, and what to change."""

    analysis: Analysis
    verdict: Verdict
    advice: Advice


def checked_kind(kind: str) -> str:
    """Return the kind of report if there is one of that name. Raises UsageError."""
    if kind not in KINDS:
        near = suggestion(kind, KINDS) or f"; allowed: {', '.join(KINDS)}"
        raise UsageError(f"there is no report `{escape(kind[:40])}`{near}")
    return kind


def report_bytes(kind: str, run: GateRun) -> bytes:
    """Encode one report of a run; `kind` is one of KINDS."""
    module, _, function = KINDS[kind].partition(":")
    written: bytes | str = getattr(importlib.import_module(module), function)(run)
    return written.encode() if isinstance(written, str) else written


@dataclass(frozen=True, slots=True)
class OutcomeMark:
    """How reports show an outcome: a word, the text report's first column and its color, Markdown's emoji, and a CSS class."""

    word: str
    column: str
    color: str
    emoji: str
    look: str


OUTCOMES = {
    Outcome.PASSED: OutcomeMark("passed", "ok", "green", "✅", "good"),
    Outcome.FAILED: OutcomeMark("failed", "FAILED", "red", "❌", "bad"),
    Outcome.WARNED: OutcomeMark("warning", "warned", "yellow", "⚠️", "warn"),
    Outcome.WAIVED: OutcomeMark("waived", "waived", "yellow", "⚪", "dim"),
    Outcome.UNJUDGED: OutcomeMark("not judged", "-", "dim", "⚪", "dim"),
}


def verdict_word(verdict: Verdict) -> str:
    """Say `passed`, `failed` or `could not be judged`, to follow the image's name."""
    if verdict.doubts:
        return "could not be judged"
    return "passed" if verdict.has_passed else "failed"


def figures(result: RuleResult) -> tuple[str, str, str]:
    """Format what a rule measured, its limit (`≥ 90.0%` for a floor, `≤ 20.0 MB` for a ceiling) and its margin."""
    measured, limit = measured_and_limit(result)
    return measured, f"{'≥' if result.is_floor else '≤'} {limit}", margin_text(result)


def image_title(image: Image) -> str:
    """Return the image's name, escaped: its tag, else what the user typed."""
    return cut_middle(escape(image.name or image.reference), LONGEST_NAME)


def lasting_name(image: Image) -> str:
    """Return a name for the image that stays the same from build to build, escaped.

    Tag, digest and directory are left out; the platform is part of it.
    """
    name = image.name.partition("@")[0] or image.reference.rpartition("/")[2]
    tag = tag_of(name) if image.name else ""
    return escape(f"{name.removesuffix(':' + tag) if tag else name} {image.platform}")


def path_text(path: bytes) -> str:
    """Return a path from the image's root, escaped and shortened."""
    return cut_middle("/" + escape(path), LONGEST_NAME)


def finding_text(finding: Finding) -> str:
    """Format a finding: `/app/x: 34.5 MB deleted, written by layer 7, buried by layer 9 (the base's)`."""
    start = f"{path_text(finding.path)}: " if finding.path is not None else ""
    cause = f" {finding.cause.word}" if finding.cause is not None else ""
    facts = [f"{size_text(finding.size)}{cause}"]
    if finding.layer is not None:
        facts.append(f"written by layer {finding.layer}")
    if finding.buried_by is not None:
        facts.append(f"buried by layer {finding.buried_by}")
    base = " (the base's)" if finding.is_base else ""
    note = f"; {escape(finding.note)}" if finding.note else ""
    return f"{start}{', '.join(facts)}{base}{note}"
