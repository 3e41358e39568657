"""GitLab's code quality report: the fields that a merge request reads, and no others' texts in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from layerscope.report.verdict.alerts import gitlab_report
from layerscope.text import escape
from support import gate_runs
from support.gate_runs import HOSTILE

# What GitLab's documentation says of a report; it publishes no schema.
ISSUES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "pattern": "^layerscope/[a-z-]+$"},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^[^./]"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("make", [gate_runs.ordinary, gate_runs.hostile, gate_runs.empty, gate_runs.many])
def test_every_issue_has_what_a_merge_request_shows(tmp_path: Path, make: object) -> None:
    assert callable(make)
    issues = json.loads(gitlab_report(make(tmp_path)))
    assert [error.message for error in Draft202012Validator(ISSUES).iter_errors(issues)] == []
    prints = [issue["fingerprint"] for issue in issues]
    assert len(set(prints)) == len(prints)


def test_an_issue_stands_at_the_line_that_caused_it(tmp_path: Path) -> None:
    issues: list[Any] = json.loads(gitlab_report(gate_runs.ordinary(tmp_path)))
    assert issues[0] == {
        "type": "issue",
        "description": "max-wasted: 540 kB are wasted, 340 kB more than the limit of 200 kB. "
        "Here: /app/big: 300 kB overwritten, written by layer 1, buried by layer 2; "
        "/app/big: 200 kB metadata, written by layer 2, buried by layer 3; "
        "/etc/motd: 40.0 kB deleted, written by layer 1, buried by layer 2. "
        "What to change: line 14 (copy-chown, 200 kB); and 1 more fix.",
        "check_name": "layerscope/max-wasted",
        "fingerprint": issues[0]["fingerprint"],
        "severity": "critical",
        "categories": ["Performance"],
        "location": {"path": "docker/Dockerfile", "lines": {"begin": 7, "end": 9}},
    }


def test_an_image_with_nothing_to_say_of_gives_an_empty_list(tmp_path: Path) -> None:
    assert gitlab_report(gate_runs.empty(tmp_path)) == b"[]\n"


def test_a_hostile_name_is_only_a_name(tmp_path: Path) -> None:
    report = gitlab_report(gate_runs.hostile(tmp_path)).decode()
    assert report.strip().isprintable()
    told = "\n".join(issue["description"] for issue in json.loads(report))
    assert all(escape(name) in told for name in HOSTILE)
