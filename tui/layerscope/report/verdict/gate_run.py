"""One run of the gate, and the kinds of report it can write; each kind's module is imported when it is asked for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from layerscope.advice.advice import Advice
from layerscope.analysis import Analysis
from layerscope.errors import UsageError
from layerscope.gate.verdict import Verdict
from layerscope.suggestion import suggestion
from layerscope.text import escape


@dataclass(frozen=True, eq=False)
class GateRun:
    """An analyzed image, the verdict of the rules, and what to change."""

    analysis: Analysis
    verdict: Verdict
    advice: Advice


KINDS = {
    "markdown": "layerscope.report.verdict.markdown:markdown_report",
    "comment": "layerscope.report.verdict.markdown:pr_comment",
    "junit": "layerscope.report.verdict.junit:junit_report",
    "sarif": "layerscope.report.verdict.sarif:sarif_report",
    "gitlab": "layerscope.report.verdict.gitlab:gitlab_report",
    "openmetrics": "layerscope.report.verdict.openmetrics:openmetrics_report",
    "html": "layerscope.report.verdict.html:html_report",
    "json": "layerscope.report.verdict.verdict_json:json_report",
    "analysis": "layerscope.report.verdict.verdict_json:analysis_report",
}


def checked_kind(kind: str) -> str:
    """Check a kind of report. Raises UsageError."""
    if kind not in KINDS:
        near = suggestion(kind, KINDS) or f"; allowed: {', '.join(KINDS)}"
        raise UsageError(f"there is no report `{escape(kind[:40])}`{near}")
    return kind


def report_bytes(kind: str, run: GateRun) -> bytes:
    """Write one whole report of a run."""
    module, _, function = KINDS[kind].partition(":")
    written: bytes | str = getattr(importlib.import_module(module), function)(run)
    return written.encode() if isinstance(written, str) else written
