"""Workflow commands: lines on standard output that GitHub's runners turn into annotations."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from layerscope.report.verdict.alerts import Alert, Level, alerts, more_sentence
from layerscope.report.verdict.gate_run import GateRun
from layerscope.text import escape
from layerscope.wording.style import cut_end

SHOWN = 10
"""Annotations of each kind that GitHub shows for a step; it drops those that follow."""
LONGEST = 1000
_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = str.maketrans({**_DATA, ":": "%3A", ",": "%2C"})
_MESSAGE = str.maketrans(_DATA)


def workflow_commands(run: GateRun) -> str:
    """Return one command per line: `::error file=Dockerfile,line=14,title=max-wasted::...`; empty when there is nothing to
    say.
    """
    lines = (line for level, group in groupby(alerts(run), lambda alert: alert.level) for line in _commands(level, list(group)))
    return "".join(f"{line}\n" for line in lines)


def _commands(level: Level, found: list[Alert]) -> Iterator[str]:
    shown = found if len(found) <= SHOWN else found[: SHOWN - 1]
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
    """Wrap `text` so that a runner finds no commands in it.

    The older form, `##[error]`, is found anywhere in a line, so a file's name could hold one. The mark that ends the wrapped
    part cannot be guessed.
    """
    import secrets

    mark = secrets.token_hex(16)
    end = "" if text.endswith("\n") or not text else "\n"
    return f"::stop-commands::{mark}\n{text}{end}::{mark}::\n"
