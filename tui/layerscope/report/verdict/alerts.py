"""Alerts about lines of a Dockerfile, made from the gate's verdict, for code scanning (sarif.py), GitHub and GitLab.

GitHub's runners turn lines on standard output, workflow commands, into annotations. GitLab shows the issues of a code quality
report at the lines of a merge request's files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from layerscope.advice.advice import Fix
from layerscope.gate.verdict import Finding, Outcome, RuleResult, RuleSeverity
from layerscope.report.encode import json_line
from layerscope.report.verdict.gate_run import GateRun, finding_text, lasting_name
from layerscope.text import escape, utf8_text
from layerscope.units import count_text, size_text
from layerscope.wording.sentences import step_text
from layerscope.wording.style import cut_end

EXAMPLES = 5
"""Findings that an alert names."""
MOST = 1000
"""Alerts of a run; code scanning shows at most 5,000, more would not be read."""
DEFAULT_DOCKERFILE = "Dockerfile"
DOUBT = "unjudged-image"

_CHECKSUM = re.compile(r"^(ADD|COPY) [0-9a-f]{8} ")

ANNOTATIONS_SHOWN = 10
"""Annotations of each kind that GitHub shows for a step; it drops those that follow."""
LONGEST = 1000
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = str.maketrans({**_DATA, ":": "%3A", ",": "%2C"})
_MESSAGE = str.maketrans(_DATA)


class Level(StrEnum):
    """How serious an alert is: a broken rule of severity error, a broken rule of severity warn, or an available fix."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Place:
    """Lines of a Dockerfile, counted from 1. Where `is_known` is false, no line is known and line 1 stands for it."""

    path: str
    line: int = 1
    end_line: int = 1
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """A doubt, broken rule or fix, with its place in the Dockerfile. All texts are escaped and on one line.

    `rule` is the configuration's key or `fix-` and the fix's kind, `title` the rule's own name, `written_at` where
    the bytes come from if that is another line, `fix` the id of a fix that has an edit. `fingerprint` (hexadecimal) is unique
    in a run, and the same in the next build as long as the rule and the instruction stay.
    """

    rule: str
    title: str
    level: Level
    message: str
    place: Place
    written_at: Place | None
    fingerprint: str
    size: int = 0
    fix: str = ""


def alerts(run: GateRun) -> list[Alert]:
    """Return a run's alerts: doubts first, then broken rules (errors before warnings), then fixes, most bytes first."""
    found = [*_doubts(run)]
    for outcome in (Outcome.FAILED, Outcome.WARNED):
        for result in run.verdict.results:
            if result.outcome is outcome:
                found += _of_rule(run, result)
    found += (_of_fix(run, fix) for fix in run.advice.fixes)
    return _unique(run, found[:MOST])


def _doubts(run: GateRun) -> Iterator[Alert]:
    for doubt in run.verdict.doubts:
        message = f"the image could not be judged: {escape(doubt)}"
        yield Alert(DOUBT, DOUBT, Level.ERROR, message, _place(run, None), None, escape(doubt))


def _of_rule(run: GateRun, result: RuleResult) -> Iterator[Alert]:
    """Yield an alert for each layer whose instruction a broken rule's findings blame, and one for findings without a line.

    A rule without findings has one alert without a line.
    """
    level = Level.ERROR if result.severity is RuleSeverity.ERROR else Level.WARNING
    sentence = _ended(escape(result.sentence))
    groups: dict[int | None, list[Finding]] = {}
    for finding in result.findings:
        groups.setdefault(_blamed(run, finding), []).append(finding)
    for layer, findings in groups.items() or [(None, [])]:
        message = f"{sentence} {_examples(findings)}" if findings else sentence
        written_at = _written_at(run, layer, findings)
        size = sum(finding.size for finding in findings)
        mark = f"{result.name}\0{_instruction(run, layer)}"
        yield Alert(result.key, escape(result.name), level, message, _place(run, layer), written_at, mark, size)


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _blamed(run: GateRun, finding: Finding) -> int | None:
    """Return the layer whose instruction is to blame for a finding, if its line in the Dockerfile is known.

    That is the layer that buried (removed or replaced) the bytes, else the one that wrote them.
    """
    layers = (finding.buried_by, finding.layer)
    return next((layer for layer in layers if layer is not None and layer in run.advice.lines), None)


def _examples(findings: list[Finding]) -> str:
    named = "; ".join(finding_text(finding) for finding in findings[:EXAMPLES])
    rest = len(findings) - EXAMPLES
    return f"Here: {named}; and {rest:,} more." if rest > 0 else f"Here: {named}."


def _written_at(run: GateRun, layer: int | None, findings: list[Finding]) -> Place | None:
    wrote = next((finding.layer for finding in findings if finding.layer is not None), None)
    if wrote is None or wrote == layer or wrote not in run.advice.lines:
        return None
    return _place(run, wrote)


def _of_fix(run: GateRun, fix: Fix) -> Alert:
    layer = next((layer for layer in fix.layers if layer in run.advice.lines), None)
    place = _place(run, layer)
    if fix.line is not None and fix.line != place.line:
        place = replace(place, line=fix.line, end_line=fix.line, is_known=True)
    message = f"{_ended(escape(fix.sentence))} Saves {size_text(fix.size)}."
    mark = f"{fix.kind}\0{_instruction(run, layer)}"
    return Alert(f"fix-{fix.kind}", fix.kind, Level.NOTE, message, place, None, mark, fix.size, fix.id if fix.patch else "")


def _place(run: GateRun, layer: int | None) -> Place:
    path = run.advice.dockerfile or DEFAULT_DOCKERFILE
    line = run.advice.lines.get(layer) if layer is not None else None
    return Place(path, line.line, max(line.end_line, line.line), is_known=True) if line else Place(path)


def _instruction(run: GateRun, layer: int | None) -> str:
    """Return a layer's instruction without the checksum of what it copies: it stays the same when only contents change."""
    if layer is None:
        return ""
    line = run.advice.lines.get(layer)
    return line.text if line else _CHECKSUM.sub(r"\1 ", step_text(run.analysis.image.layers[layer - 1].history))


def _unique(run: GateRun, found: list[Alert]) -> list[Alert]:
    """Replace the marks of the alerts by hashes (fingerprints). Alerts with equal marks are numbered, so that theirs differ."""
    image, seen = lasting_name(run.analysis.image), dict[str, int]()
    unique = []
    for alert in found:
        mark = f"{image}\0{alert.rule}\0{alert.fingerprint}"
        count = seen[mark] = seen.get(mark, 0) + 1
        digest = hashlib.sha256(f"{mark}\0{count}".encode("utf-8", "surrogateescape")).hexdigest()
        unique.append(replace(alert, fingerprint=digest[:32]))
    return unique


def more_sentence(count: int) -> str:
    """Return the sentence that replaces alerts for which there is no room."""
    return f"{count_text(count, 'more alert')}: see the other reports."


_SEVERITIES = {Level.ERROR: "critical", Level.WARNING: "minor", Level.NOTE: "info"}


def gitlab_report(run: GateRun) -> bytes:
    """Encode the alerts as a code quality report for GitLab: a JSON array, `[]` without alerts.

    Paths are relative to the repository.
    """
    issues = [
        {
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
        for alert in alerts(run)
    ]
    return json_line(issues)


_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def workflow_commands(run: GateRun) -> str:
    """Format the alerts as GitHub's workflow commands, one a line, or as an empty text if there are none.

    A line is `::error file=Dockerfile,line=14,title=max-wasted::...`.
    """
    lines = (line for level, group in groupby(alerts(run), lambda alert: alert.level) for line in _commands(level, list(group)))
    return "".join(f"{line}\n" for line in lines)


def _commands(level: Level, found: list[Alert]) -> Iterator[str]:
    shown = found if len(found) <= ANNOTATIONS_SHOWN else found[: ANNOTATIONS_SHOWN - 1]
    for alert in shown:
        yield _command(level, alert.message, **_properties(alert))
    if len(found) > len(shown):
        yield _command(level, more_sentence(len(found) - len(shown)), title="layerscope")


def _properties(alert: Alert) -> dict[str, str]:
    title = {"title": f"layerscope: {alert.title}"}
    if not alert.place.is_known:
        return title
    lines = {"line": str(alert.place.line), "endLine": str(alert.place.end_line)}
    return {"file": escape(alert.place.path), **lines, **title}


def _command(level: Level, message: str, **properties: str) -> str:
    stated = ",".join(f"{name}={value.translate(_PROPERTY)}" for name, value in properties.items())
    return f"::{_COMMANDS[level]} {stated}::{cut_end(message, LONGEST).translate(_MESSAGE)}"


def without_commands(text: str) -> str:
    """Wrap `text` so that GitHub's runner finds no workflow commands in it.

    The older form, `##[error]`, is found anywhere in a line, so a file's name could hold one. The mark that ends the wrapped
    part cannot be guessed.
    """
    import secrets

    mark = secrets.token_hex(16)
    end = "" if text.endswith("\n") or not text else "\n"
    return f"::stop-commands::{mark}\n{text}{end}::{mark}::\n"
