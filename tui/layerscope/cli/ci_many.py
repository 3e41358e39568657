"""`layerscope ci` on several images: one table, one report of each kind, one exit code."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.cli.ci_reports import Told, wanted_reports, write_reports
from layerscope.cli.options import analyze_image
from layerscope.cli.output import STDOUT, output_style
from layerscope.cli.rule_options import read_rules

if TYPE_CHECKING:
    from layerscope.gate.config import GateConfig
    from layerscope.report.verdict.gate_run import GateRun
    from layerscope.report.verdict.many import ManyRuns

MOST_LISTED = 1 << 24
"""Bytes of a list of images."""
OF_ONE = {"is_init": "--init", "dockerfile": "--dockerfile"}
"""Options that are about a single image."""


def judge_many(
    references: tuple[str, ...], listed: str | None, platform: str | None, base: str | None, *, today: date, **options: Any
) -> int:
    """Check the named and the listed images. One that cannot be read is a line, and not the end. Raises UsageError."""
    from layerscope.errors import UsageError
    from layerscope.report.trend.points import append_points, point_of
    from layerscope.report.verdict.many import ManyRuns, checked_kinds

    named = _all_named(references, listed)
    for name, option in OF_ONE.items():
        if options[name]:
            raise UsageError(f"{option} is about one image, and several are named")
    reports = wanted_reports(named, options["reports"], options["json_file"], options["history"])
    checked_kinds([kind for kind, _ in reports])
    config = read_rules()
    if config.limit("baseline"):
        raise UsageError("a baseline is that of one image, and several are named")
    runs = ManyRuns([kind for kind, _ in reports])
    points = []
    for reference in named:
        run = _judged(reference, platform, base, config, runs, today=today)
        if run and options["history"]:
            points.append(point_of(run, datetime.now(UTC)))
    write_reports(_told_of(runs), reports)
    if options["history"]:
        append_points(options["history"], points)
    return runs.exit_code


def _all_named(references: tuple[str, ...], listed: str | None) -> tuple[str, ...]:
    """Return all images, each once, the listed ones last. Raises UsageError, NotFound."""
    from layerscope.errors import UsageError

    if listed == STDOUT and STDOUT in references:
        raise UsageError("standard input is either an image or the list of them")
    named = tuple(dict.fromkeys((*references, *(() if listed is None else listed_names(listed)))))
    if not named:
        raise UsageError("the list names no image")
    return named


def read_list(name: str, *, option: str, most: int) -> bytes:
    """Return at most so many bytes of the file that an option names, or of standard input for `-`. Raises NotFound."""
    from layerscope.errors import NotFound
    from layerscope.text import escape

    try:
        if name == STDOUT:
            return sys.stdin.buffer.read(most)
        with Path(name).open("rb") as file:
            return file.read(most)
    except (OSError, ValueError) as error:
        raise NotFound(f"{option} {escape(name)}: {getattr(error, 'strerror', None) or error}") from error


def listed_names(listed: str) -> list[str]:
    """Return the names in a file, or on standard input, one a line; lines that start with # are comments.

    Raises NotFound, UsageError.
    """
    from layerscope.errors import UsageError
    from layerscope.text import escape

    raw = read_list(listed, option="--from", most=MOST_LISTED + 1)
    if len(raw) > MOST_LISTED or b"\0" in raw:
        raise UsageError(f"--from {escape(listed)}: not a list of images, one a line")
    lines = [line.strip() for line in raw.decode("utf-8", "surrogateescape").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _judged(
    reference: str, platform: str | None, base: str | None, config: GateConfig, runs: ManyRuns, *, today: date
) -> GateRun | None:
    """Judge one image and add it to `runs`; None if it cannot be read."""
    from layerscope.advice.advise import advise
    from layerscope.errors import LayerscopeError
    from layerscope.gate.evaluate import evaluate
    from layerscope.report.verdict.gate_run import GateRun

    try:
        analysis = analyze_image(reference, platform, base, is_judged=True)
    except LayerscopeError as error:
        runs.add_unread(reference, str(error))
        return None
    run = GateRun(analysis, evaluate(analysis, config, today=today), advise(analysis, None))
    runs.add(run)
    return run


def _told_of(runs: ManyRuns) -> Told:
    from layerscope.report.verdict.alerts import commands_of_images

    failed = [(line.name, line.sentence) for line in runs.lines if line.exit_code]
    return Told(runs.report, lambda: runs.text(output_style()), runs.markdown, lambda: commands_of_images(failed), runs.talk)
