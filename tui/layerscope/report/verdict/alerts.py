"""Alerts about lines of a Dockerfile, made from the gate's verdict, for code scanning (sarif.py), GitHub and GitLab.

GitHub's runners turn lines on standard output, workflow commands, into annotations. GitLab shows the issues of a code quality
report at the lines of a merge request's files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain, groupby
from typing import Any

from layerscope.advice.advice import Fix
from layerscope.gate.verdict import Finding, Outcome, RuleResult, RuleSeverity
from layerscope.report.encode import json_line
from layerscope.report.fix_lines import more_fixes_text, split_trifles
from layerscope.report.verdict.gate_run import GateRun, finding_text, lasting_name
from layerscope.text import escape, utf8_text
from layerscope.units import count_text, size_text
from layerscope.wording.sentences import step_text
from layerscope.wording.style import cut_end

EXAMPLES = 5
"""Findings or fixes that an alert names."""
MOST_RELATED = 10
TRIFLES = "fix-trifles"
MOST = 1000
"""Alerts of a run; code scanning shows at most 5,000, more would not be read."""
DEFAULT_DOCKERFILE = "Dockerfile"
DOUBT = "unjudged-image"

CHECKSUM = re.compile(r"^(ADD|COPY) [0-9a-f]{8} ")
"""What the history of BuildKit's and Docker's builders says of what is copied: it changes with the content."""

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

    `rule` is the configuration's key or `fix-` and the fix's kind, `title` the rule's own name, `related` other places with
    what they are, such as where the bytes were written, `fix` the id of a fix that has an edit. `fingerprint` (hexadecimal) is
    unique in a run, and the same in the next build as long as the rule and the instruction stay.
    """

    rule: str
    title: str
    level: Level
    message: str
    place: Place
    related: tuple[tuple[Place, str], ...]
    fingerprint: str
    size: int = 0
    fix: str = ""


def alerts(run: GateRun) -> list[Alert]:
    """Return a run's alerts: doubts first, then broken rules (errors before warnings), then fixes, most bytes first.

    One cause is one alert: a broken rule about waste has one, which lists the fixes, and trifles have one together.
    """
    found, told = [*_doubts(run)], dict[tuple[Finding, ...], RuleResult]()
    for outcome in (Outcome.FAILED, Outcome.WARNED):
        for result in run.verdict.results:
            if result.outcome is outcome:
                found += alerts_of_rule(run, result, told.setdefault(result.findings, result))
    fixes, trifles = split_trifles(run.advice.fixes, run.analysis.waste.content_bytes)
    found += (_of_fix(run, fix) for fix in fixes)
    found += _of_trifles(run, trifles)
    return _unique(run, found[:MOST])


def _doubts(run: GateRun) -> Iterator[Alert]:
    for doubt in run.verdict.doubts:
        message = f"the image could not be judged: {escape(doubt)}"
        yield Alert(DOUBT, DOUBT, Level.ERROR, message, _place(run, None), (), escape(doubt))


def unread_alert(name: str, reason: str) -> Alert:
    """Return the alert of an image that could not be read."""
    message = f"the image could not be judged: {escape(reason)}"
    return Alert(DOUBT, DOUBT, Level.ERROR, message, Place(DEFAULT_DOCKERFILE), (), _hashed(f"{name}\0{DOUBT}"))


def distinct(found: Iterable[Alert], image: str, seen: set[str]) -> Iterator[Alert]:
    """Yield alerts of one of several images with fingerprints that `seen` has not yet: two tags of a name have the same."""
    for alert in found:
        unlike = replace(alert, fingerprint=_hashed(f"{alert.fingerprint}\0{image}")) if alert.fingerprint in seen else alert
        seen.add(unlike.fingerprint)
        yield unlike


def is_about_waste(result: RuleResult) -> bool:
    """Tell whether a rule's findings are all waste, so that the fixes are what to do about it."""
    return bool(result.findings) and all(finding.cause is not None for finding in result.findings)


def line_text(run: GateRun, finding: Finding) -> str:
    """Name the line to blame for a finding, to stand behind its text: ` (docker/Dockerfile:14)`; empty if it is not known."""
    place = _place(run, _blamed(run, finding))
    return f" ({escape(place.path)}:{place.line})" if place.is_known else ""


def alerts_of_rule(run: GateRun, result: RuleResult, first: RuleResult | None = None) -> Iterator[Alert]:
    """Yield an alert for each layer whose instruction a broken rule's findings blame, and one for findings without a line.

    A rule about waste has a single one, at the line to blame for most, and so has a rule without findings. `first` is the
    first rule with these findings, to which another one refers.
    """
    groups: dict[int | None, list[Finding]] = {}
    for finding in result.findings:
        groups.setdefault(_blamed(run, finding), []).append(finding)
    if is_about_waste(result):
        yield _of_waste(run, result, groups) if first is None or first is result else _again(run, result, first)
        return
    for layer, findings in groups.items() or [(None, [])]:
        mark = f"{result.name}\0{_instruction(run, layer)}"
        yield _broken(run, result, layer, findings, mark=mark, related=_written_at(run, layer, findings))


def _of_waste(run: GateRun, result: RuleResult, groups: dict[int | None, list[Finding]]) -> Alert:
    """Return the alert of a broken rule about waste, which refers to the fixes and to all lines that are to blame."""
    order = sorted(groups, key=lambda layer: (layer is None, -sum(finding.size for finding in groups[layer])))
    worst, others = order[0], [layer for layer in order[1:] if layer is not None]
    related = ((_place(run, layer), "wastes bytes, too") for layer in others)
    written_at = _written_at(run, worst, groups[worst])
    places = [each for each in (*written_at, *related) if each[0].line != _place(run, worst).line]
    alert = _broken(run, result, worst, list(result.findings), mark=result.name, related=tuple(places[:MOST_RELATED]))
    return replace(alert, message=f"{alert.message}{_fixes_text(run)}")


def _again(run: GateRun, result: RuleResult, first: RuleResult) -> Alert:
    """Return the alert of a rule that the same waste breaks as an earlier one."""
    alert = _broken(run, result, None, [], mark=result.name, related=())
    return replace(alert, message=f"{alert.message} The waste is that of {escape(first.name)}.")


def _broken(
    run: GateRun,
    result: RuleResult,
    layer: int | None,
    findings: list[Finding],
    *,
    mark: str,
    related: tuple[tuple[Place, str], ...],
) -> Alert:
    level = Level.ERROR if result.severity is RuleSeverity.ERROR else Level.WARNING
    sentence = _ended(escape(result.sentence))
    message = f"{sentence} {_examples(findings)}" if findings else sentence
    size = sum(finding.size for finding in findings)
    return Alert(result.key, escape(result.name), level, message, _place(run, layer), related, mark, size)


def _fixes_text(run: GateRun) -> str:
    """Name the biggest fixes behind an alert's message: ` What to change: line 14 (copy-chown, 200 kB).`"""
    fixes = run.advice.fixes
    named = [f"line {fix.line} ({fix.kind}, {size_text(fix.size)})" for fix in fixes if fix.line is not None][:EXAMPLES]
    if not named:
        return ""
    rest = f"; and {more_fixes_text(len(fixes) - len(named))}" if len(fixes) > len(named) else ""
    return f" What to change: {escape('; '.join(named))}{rest}."


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


def _written_at(run: GateRun, layer: int | None, findings: list[Finding]) -> tuple[tuple[Place, str], ...]:
    wrote = next((finding.layer for finding in findings if finding.layer is not None), None)
    if wrote is None or wrote == layer or wrote not in run.advice.lines:
        return ()
    return ((_place(run, wrote), "written here"),)


def _of_fix(run: GateRun, fix: Fix) -> Alert:
    layer = next((layer for layer in fix.layers if layer in run.advice.lines), None)
    place = _place(run, layer)
    if fix.line is not None and fix.line != place.line:
        place = replace(place, line=fix.line, end_line=fix.line, is_known=True)
    message = f"{_ended(escape(fix.sentence))} Saves {size_text(fix.size)}."
    mark = f"{fix.kind}\0{_instruction(run, layer)}"
    return Alert(f"fix-{fix.kind}", fix.kind, Level.NOTE, message, place, (), mark, fix.size, fix.id if fix.patch else "")


def _of_trifles(run: GateRun, fixes: tuple[Fix, ...]) -> Iterator[Alert]:
    """Yield one alert for all fixes that save little, without a line: each would say more than it saves."""
    if fixes:
        kinds = ", ".join(dict.fromkeys(fix.kind for fix in fixes))
        saved = sum(fix.size for fix in fixes)
        message = f"{more_fixes_text(len(fixes))} of little weight ({escape(kinds)}). Saves {size_text(saved)}."
        yield Alert(TRIFLES, "trifles", Level.NOTE, message, _place(run, None), (), "", saved)


def _place(run: GateRun, layer: int | None) -> Place:
    path = run.advice.dockerfile or DEFAULT_DOCKERFILE
    line = run.advice.lines.get(layer) if layer is not None else None
    return Place(path, line.line, max(line.end_line, line.line), is_known=True) if line else Place(path)


def _instruction(run: GateRun, layer: int | None) -> str:
    """Return a layer's instruction without the checksum of what it copies: it stays the same when only contents change."""
    if layer is None:
        return ""
    line = run.advice.lines.get(layer)
    return line.text if line else CHECKSUM.sub(r"\1 ", step_text(run.analysis.image.layers[layer - 1].history))


def _unique(run: GateRun, found: list[Alert]) -> list[Alert]:
    """Replace the marks of the alerts by hashes (fingerprints). Alerts with equal marks are numbered, so that theirs differ."""
    image, seen = lasting_name(run.analysis.image), dict[str, int]()
    unique = []
    for alert in found:
        mark = f"{image}\0{alert.rule}\0{alert.fingerprint}"
        count = seen[mark] = seen.get(mark, 0) + 1
        unique.append(replace(alert, fingerprint=_hashed(f"{mark}\0{count}")))
    return unique


def _hashed(mark: str) -> str:
    return hashlib.sha256(mark.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def more_sentence(count: int) -> str:
    """Return the sentence that replaces alerts for which there is no room."""
    return f"{count_text(count, 'more alert')}: see the other reports."


_SEVERITIES = {Level.ERROR: "critical", Level.WARNING: "minor", Level.NOTE: "info"}


def gitlab_report(run: GateRun) -> bytes:
    """Encode the alerts as a code quality report for GitLab: a JSON array, `[]` without alerts.

    Paths are relative to the repository.
    """
    return gitlab_of([gitlab_issues(alerts(run))])


def gitlab_of(issues: Iterable[list[dict[str, Any]]]) -> bytes:
    """Encode the issues of several images."""
    return json_line(list(chain.from_iterable(issues)))


def gitlab_issues(found: Iterable[Alert], image: str = "") -> list[dict[str, Any]]:
    """Return an issue for each alert; with `image` each description begins with its name."""
    return [
        {
            "type": "issue",
            "description": f"{image}: {alert.title}: {alert.message}" if image else f"{alert.title}: {alert.message}",
            "check_name": f"layerscope/{alert.rule}",
            "fingerprint": alert.fingerprint,
            "severity": "blocker" if alert.rule == DOUBT else _SEVERITIES[alert.level],
            "categories": ["Performance"],
            "location": {
                "path": utf8_text(alert.place.path),
                "lines": {"begin": alert.place.line, "end": alert.place.end_line},
            },
        }
        for alert in found
    ]


_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def workflow_commands(run: GateRun) -> str:
    """Format the alerts as GitHub's workflow commands, one a line, or as an empty text if there are none.

    A line is `::error file=Dockerfile,line=14,title=max-wasted::...`.
    """
    lines = (line for level, group in groupby(alerts(run), lambda alert: alert.level) for line in _commands(level, list(group)))
    return "".join(f"{line}\n" for line in lines)


def commands_of_images(images: Iterable[tuple[str, str]]) -> str:
    """Format a workflow command for each image, given by its name, escaped, with a sentence why it did not pass."""
    told = list(images)
    shown = told if len(told) <= ANNOTATIONS_SHOWN else told[: ANNOTATIONS_SHOWN - 1]
    lines = [_command(Level.ERROR, sentence, title=f"layerscope: {name}") for name, sentence in shown]
    if len(told) > len(shown):
        lines.append(
            _command(Level.ERROR, f"{count_text(len(told) - len(shown), 'more image')} did not pass", title="layerscope")
        )
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
