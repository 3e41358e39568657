"""GitLab's code quality report: issues that a merge request shows at the lines of its files."""

from __future__ import annotations

from typing import Any

from layerscope.report.encode import json_line
from layerscope.report.verdict.alerts import DOUBT, Alert, Level, alerts
from layerscope.report.verdict.gate_run import GateRun
from layerscope.text import utf8_text

_SEVERITIES = {Level.ERROR: "critical", Level.WARNING: "minor", Level.NOTE: "info"}


def gitlab_report(run: GateRun) -> bytes:
    """Encode a JSON array, `[]` when there is nothing to say. Paths are relative to the repository."""
    return json_line([_issue(alert) for alert in alerts(run)])


def _issue(alert: Alert) -> dict[str, Any]:
    return {
        "type": "issue",
        "description": f"{alert.title}: {alert.message}",
        "check_name": f"layerscope/{alert.rule}",
        "fingerprint": alert.fingerprint,
        "severity": "blocker" if alert.rule == DOUBT else _SEVERITIES[alert.level],
        "categories": ["Performance"],
        "location": {
            "path": utf8_text(alert.place.path),
            "lines": {"begin": alert.place.line, "end": alert.place.end_line},
        },
    }
