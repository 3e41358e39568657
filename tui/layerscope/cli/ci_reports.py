"""What `layerscope ci` writes: its text, the requested reports, and annotations and a summary for GitHub Actions."""

from __future__ import annotations

import os
import sys
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


def wanted_reports(reference: str, written: tuple[str, ...], json_file: str | None) -> list[tuple[str, str]]:
    """Parse --report and --json into (kind, file) pairs. Raises UsageError, before any work is done."""
    from layerscope.errors import UsageError
    from layerscope.report.verdict.gate_run import checked_kind
    from layerscope.text import escape

    reports = []
    for each in (*written, *([f"json={json_file}"] if json_file is not None else [])):
        kind, equals, name = each.partition("=")
        if not equals or not name:
            raise UsageError(f"--report {escape(each[:60])} must be written as in --report junit=gate.xml")
        spare_the_image(reference, name, option=f"--report {checked_kind(kind)}={name}")
        reports.append((kind, name))
    places = [STDOUT if is_stdout(name) else os.path.realpath(name) for _, name in reports]
    if len(set(places)) < len(places):
        raise UsageError("two reports would go to the same file; each needs its own")
    return reports


def write_reports(run: GateRun, reports: list[tuple[str, str]], *, has_edits: bool = False) -> None:
    """Write every report, GitHub's summary, and the verdict as text unless a report goes to standard output.

    With `has_edits` the text has the edit of each fix. Raises CannotWrite for the first that failed, after all others are
    written.
    """
    from layerscope.report.verdict.gate_run import report_bytes

    has_text = not any(is_stdout(name) for _, name in reports)
    failures = []
    for kind, name in reports:
        try:
            write_bytes(name, report_bytes(kind, run))
        except CannotWrite as error:
            failures.append(error)
    try:
        _append_summary(run)
    except CannotWrite as error:
        failures.append(error)
    if os.environ.get(ACTIONS) == "true":
        _write_for_actions(run, has_text=has_text, has_edits=has_edits)
    else:
        sys.stdout.write(_text(run, has_edits=has_edits) if has_text else "")
        sys.stdout.flush()
        sys.stderr.write(_talk(run))
    if failures:
        raise failures[0]


def _write_for_actions(run: GateRun, *, has_text: bool, has_edits: bool) -> None:
    """Write the text, then workflow commands for GitHub, to one stream. No name in the text can act as a workflow command."""
    from layerscope.report.verdict.alerts import without_commands, workflow_commands

    stream = sys.stdout if has_text else sys.stderr
    stream.write(without_commands(_text(run, has_edits=has_edits) if has_text else _talk(run)))
    stream.write(workflow_commands(run))
    stream.flush()


def _text(run: GateRun, *, has_edits: bool) -> str:
    from layerscope.report.verdict.verdict_text import gate_text

    return gate_text(run, output_style(), is_log=not sys.stdout.isatty(), has_edits=has_edits)


def _talk(run: GateRun) -> str:
    """Return what standard error tells even if all reports go to files: why the image did not pass. Empty if it passed."""
    from layerscope.report.verdict.verdict_text import verdict_sentence
    from layerscope.text import escape

    verdict, name = run.verdict, escape(run.analysis.image.reference)
    if verdict.doubts:
        return "".join(f"layerscope: could not judge {name}: {doubt}\n" for doubt in verdict.doubts)
    return f"layerscope: {name}: {verdict_sentence(verdict)}\n" if verdict.failed else ""


def _append_summary(run: GateRun) -> None:
    """Append the summary to the file that GITHUB_STEP_SUMMARY names, if there is room. Raises CannotWrite."""
    from layerscope.text import escape

    name = os.environ.get(SUMMARY)
    if not name:
        return
    from layerscope.report.verdict.markdown import step_summary

    summary = step_summary(run).encode()
    try:
        with Path(name).open("ab") as file:
            if file.tell() + len(summary) > MOST_SUMMARY:
                click.echo(f"layerscope: {SUMMARY} is full, so nothing is added to it", err=True)
            else:
                file.write(summary)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotWrite(f"{escape(name)}, which {SUMMARY} names, cannot be written: {reason}") from error
