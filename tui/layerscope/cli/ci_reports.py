"""What `layerscope ci` writes: its text, the requested reports, and annotations and a summary for GitHub Actions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerscope.cli.output import STDOUT, is_stdout, output_style, spare_the_image, write_bytes
from layerscope.errors import CannotWrite

if TYPE_CHECKING:
    from layerscope.report.verdict.gate_run import GateRun

ACTIONS, SUMMARY = "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"
MOST_SUMMARY = 1 << 20
"""Bytes that all summaries of a step may have; GitHub drops longer ones."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the gate tells: each kind of report, the text, GitHub's summary and workflow commands, and on standard error `talk`.

    All but the reports is made when it is asked for, and `talk` is empty if all passed.
    """

    report: Callable[[str], bytes]
    text: Callable[[], str]
    summary: Callable[[], str]
    commands: Callable[[], str]
    talk: Callable[[], str]


def wanted_reports(
    references: tuple[str, ...], written: tuple[str, ...], json_file: str | None, history: str | None
) -> list[tuple[str, str]]:
    """Parse --report and --json into (kind, file) pairs. Raises UsageError, before any work is done.

    None of them, and not the `history`, may be an image or one file with another.
    """
    from layerscope.errors import UsageError
    from layerscope.report.verdict.gate_run import checked_kind
    from layerscope.text import escape

    reports = []
    for each in (*written, *([f"json={json_file}"] if json_file is not None else [])):
        kind, equals, name = each.partition("=")
        if not equals or not name:
            raise UsageError(f"--report {escape(each[:60])} must be written as in --report junit=gate.xml")
        for reference in references:
            spare_the_image(reference, name, option=f"--report {checked_kind(kind)}={name}")
        reports.append((kind, name))
    if is_stdout(history):
        raise UsageError("--history needs a file to append to")
    for reference in references if history else ():
        spare_the_image(reference, history or "", option=f"--history {history}")
    names = [name for _, name in reports] + ([history] if history else [])
    places = [STDOUT if is_stdout(name) else os.path.realpath(name) for name in names]
    if len(set(places)) < len(places):
        raise UsageError("two reports would go to the same file; each needs its own")
    return reports


def told_of(run: GateRun, *, has_edits: bool = False) -> Told:
    """Return what is told of one image; with `has_edits` the text has the edit of each fix."""
    from layerscope.report.verdict.alerts import workflow_commands
    from layerscope.report.verdict.gate_run import report_bytes
    from layerscope.report.verdict.markdown import step_summary
    from layerscope.report.verdict.verdict_text import gate_text

    def text() -> str:
        return gate_text(run, output_style(), is_log=not sys.stdout.isatty(), has_edits=has_edits)

    return Told(
        lambda kind: report_bytes(kind, run),
        text,
        lambda: step_summary(run),
        lambda: workflow_commands(run),
        lambda: _talk(run),
    )


def write_reports(told: Told, reports: list[tuple[str, str]]) -> None:
    """Write every report, GitHub's summary, and the verdict as text unless a report goes to standard output.

    Raises CannotWrite for the first that failed, after all others are written.
    """
    has_text = not any(is_stdout(name) for _, name in reports)
    failures = []
    for kind, name in reports:
        try:
            write_bytes(name, told.report(kind))
        except CannotWrite as error:
            failures.append(error)
    try:
        _append_summary(told)
    except CannotWrite as error:
        failures.append(error)
    if os.environ.get(ACTIONS) == "true":
        _write_for_actions(told, has_text=has_text)
    else:
        sys.stdout.write(told.text() if has_text else "")
        sys.stdout.flush()
        sys.stderr.write(told.talk())
    if failures:
        raise failures[0]


def _write_for_actions(told: Told, *, has_text: bool) -> None:
    """Write the text, then workflow commands for GitHub, to one stream. No name in the text can act as a workflow command."""
    from layerscope.report.verdict.alerts import without_commands

    stream = sys.stdout if has_text else sys.stderr
    stream.write(without_commands(told.text() if has_text else told.talk()))
    stream.write(told.commands())
    stream.flush()


def _talk(run: GateRun) -> str:
    """Return what standard error tells even if all reports go to files: why the image did not pass. Empty if it passed."""
    from layerscope.report.verdict.verdict_text import verdict_sentence
    from layerscope.text import escape

    verdict, name = run.verdict, escape(run.analysis.image.reference)
    if verdict.doubts:
        return "".join(f"layerscope: could not judge {name}: {doubt}\n" for doubt in verdict.doubts)
    return f"layerscope: {name}: {verdict_sentence(verdict)}\n" if verdict.failed else ""


def _append_summary(told: Told) -> None:
    """Append the summary to the file that GITHUB_STEP_SUMMARY names, if there is room. Raises CannotWrite."""
    from layerscope.text import escape

    name = os.environ.get(SUMMARY)
    if not name:
        return
    summary = told.summary().encode()
    try:
        with Path(name).open("ab") as file:
            if file.tell() + len(summary) > MOST_SUMMARY:
                click.echo(f"layerscope: {SUMMARY} is full, so nothing is added to it", err=True)
            else:
                file.write(summary)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotWrite(f"{escape(name)}, which {SUMMARY} names, cannot be written: {reason}") from error
