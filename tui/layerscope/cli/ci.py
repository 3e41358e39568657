"""`layerscope ci` and `baseline`: check an image against rules, or record what later builds are compared with."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerscope.cli.advising import find_advice
from layerscope.cli.ci_reports import told_of, wanted_reports, write_reports
from layerscope.cli.completion import complete_image
from layerscope.cli.options import (
    analyze_image,
    base_option,
    compare_contents_option,
    complete_file,
    engine_options,
    image_argument,
    no_verify_option,
    platform_option,
    trust_toc_option,
)
from layerscope.cli.output import is_stdout, spare_the_image, write_bytes
from layerscope.cli.rule_options import config_options, given_flags, read_rules, rule_options

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.gate.baseline import Baseline
    from layerscope.gate.config import GateConfig

CONFIG_FILE = "layerscope.toml"

LOCK_FILE = "layerscope.lock.json"


@click.command()
@click.argument("references", metavar="IMAGE...", nargs=-1, shell_complete=complete_image)
@click.option(
    "--from",
    "listed",
    metavar="FILE",
    shell_complete=complete_file,
    help="Check the images that FILE names, too, one a line (`-`: standard input).",
)
@click.option(
    "--report",
    "reports",
    metavar="KIND=FILE",
    multiple=True,
    help="Write a report (`-`: standard output): markdown, comment, junit, sarif, gitlab, openmetrics, html, json, analysis.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write the verdict as JSON: short for --report json=FILE.",
)
@click.option(
    "--dockerfile",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Name the lines of FILE to change; default: a Dockerfile in this directory.",
)
@click.option(
    "--fixes",
    type=click.Choice(["short", "full"]),
    default="short",
    help="Show what to change in a sentence each, or with the edits: full.",
)
@click.option(
    "--history", metavar="FILE", shell_complete=complete_file, help="Append the figures to FILE, for `layerscope trend`."
)
@click.option("--print-config", is_flag=True, help="Print all rules in force and where each is set; check nothing.")
@click.option("--init", "is_init", is_flag=True, help="Write layerscope.toml with limits just above IMAGE's present figures.")
@rule_options
@config_options
@no_verify_option
@compare_contents_option
@trust_toc_option
@base_option
@platform_option
@engine_options
def ci(references: tuple[str, ...], listed: str | None, platform: str | None, base: str | None, **options: Any) -> int:
    """Check IMAGE against rules. Exit code 0: passed, 1: a rule is broken, 2: the image could not be judged
    because it is damaged, contradictory or incomplete.

    Several images are a line each, and one report of each kind; the exit code is the highest of theirs.

    Rules come from layerscope.toml, [tool.layerscope] in pyproject.toml, .dive-ci, variables such as LAYERSCOPE_MAX_SIZE,
    and flags; later ones override earlier ones. `layerscope IMAGE --ci` does the same, and so does `layerscope IMAGE` with
    CI=true in the environment.

    \b
    Examples:
      layerscope ci image.tar
      layerscope ci image.tar --max-size 500MB --forbid 'anywhere:**/.git/**'
      layerscope ci image.tar --report junit=gate.xml --report markdown=gate.md
      docker save myimage | layerscope ci -
      layerscope ci build/*.tar --report junit=gate.xml
    """
    from layerscope.errors import UsageError

    if options["print_config"]:
        from layerscope.report.verdict.config_text import config_text

        sys.stdout.write(config_text(read_rules()))
        return 0
    if listed is not None or len(references) > 1:
        from layerscope.cli.ci_many import judge_many

        return judge_many(references, listed, platform, base, today=today(), **options)
    if not references:
        raise UsageError("name the image to check: layerscope ci IMAGE")
    if options["is_init"]:
        return _init(references[0], platform, base)
    return _judge(references[0], platform, base, **options)


def today() -> date:
    """Return today's date in UTC, so that a waiver expires everywhere at the same time."""
    return datetime.now(UTC).date()


def _init(reference: str, platform: str | None, base: str | None) -> int:
    from layerscope.errors import WouldOverwrite
    from layerscope.report.verdict.config_text import first_config_text
    from layerscope.text import escape

    place = given_flags().config_file or Path(CONFIG_FILE)
    if os.path.lexists(place):
        raise WouldOverwrite(f"{escape(str(place))} already exists; remove it first, or name another file with --config FILE")
    analysis = analyze_image(reference, platform, base, is_judged=True)
    refuse_doubt(analysis)
    write_bytes(str(place), first_config_text(analysis).encode())
    click.echo(f"wrote {escape(str(place))}", err=True)
    return 0


def refuse_doubt(analysis: Analysis) -> None:
    """Raise CorruptLayer if the image is damaged or contradictory: its figures cannot serve as limits for later builds."""
    from layerscope.errors import CorruptLayer
    from layerscope.gate.evaluate import doubt_sentences
    from layerscope.text import escape

    doubts = doubt_sentences(analysis)
    if doubts:
        raise CorruptLayer(f"{escape(analysis.image.reference)}: {doubts[0].rstrip('.')}")


def judge_image(reference: str) -> int:
    """Check an image against the rules that files and the environment state; return the exit code of `layerscope ci`."""
    return _judge(reference, None, None, reports=(), json_file=None, history=None, dockerfile=None, fixes="short")


def _judge(reference: str, platform: str | None, base: str | None, **options: Any) -> int:
    reports = wanted_reports((reference,), options["reports"], options["json_file"], options["history"])
    config = read_rules()  # before the image, so that a mistake in it is reported at once
    baseline = read_baseline_of(config, platform, base)
    analysis = analyze_image(reference, platform, base, dockerfile=options["dockerfile"], is_judged=True)

    from layerscope.gate.evaluate import evaluate
    from layerscope.report.trend.points import append_points, point_of
    from layerscope.report.verdict.gate_run import GateRun

    verdict = evaluate(analysis, config, today=today(), baseline=baseline)
    advice = find_advice(analysis, options["dockerfile"], may_fetch=True)
    # Notes about the Dockerfile are shown once, with the others.
    verdict = replace(verdict, notes=(*verdict.notes, *advice.notes))
    run = GateRun(analysis, verdict, replace(advice, notes=()))
    write_reports(told_of(run, has_edits=options["fixes"] == "full"), reports)
    if options["history"]:
        append_points(options["history"], [point_of(run, datetime.now(UTC))])
    return verdict.exit_code


def read_baseline_of(config: GateConfig, platform: str | None, base: str | None) -> Baseline | None:
    """Read the baseline that the configuration names, None without one. Raises BadSettings, NotFound.

    It is a file that `layerscope baseline` wrote, or an image, which is analyzed.
    """
    name = config.limit("baseline")
    if not isinstance(name, str):
        return None
    from layerscope.gate.baseline import baseline_of, is_baseline, read_baseline
    from layerscope.gate.quantities import named
    from layerscope.gate.subject import Subject
    from layerscope.text import escape

    raw = _baseline_bytes(name)
    if is_baseline(raw):
        with named(escape(name)):
            return read_baseline(raw)
    analysis = analyze_image(name, platform, base, is_judged=True)
    refuse_doubt(analysis)
    return baseline_of(Subject(analysis), named=[each.about for each in config.rows("directory-growth")])


def _baseline_bytes(name: str) -> bytes:
    """Return the bytes of a baseline file; empty for anything else, which the caller opens as an image. Raises BadSettings."""
    from layerscope.errors import BadSettings
    from layerscope.gate.baseline import MAX_FILE, is_baseline
    from layerscope.text import escape

    try:
        with Path(name).open("rb") as file:
            head = file.read(64)
            raw = head + file.read(MAX_FILE) if is_baseline(head) else b""
    except FileNotFoundError as error:
        if name.endswith(".json"):
            words = "there is no such file; `layerscope baseline IMAGE` writes one"
            raise BadSettings(f"the baseline {escape(name)}: {words}") from error
        return b""
    except (OSError, ValueError):
        return b""
    if len(raw) > MAX_FILE:
        raise BadSettings(f"{escape(name)}: not a baseline: it is longer than {MAX_FILE >> 20} MiB")
    return raw


@click.command()
@image_argument
@click.option(
    "-o",
    "--output",
    "place",
    metavar="FILE",
    default=LOCK_FILE,
    show_default=True,
    shell_complete=complete_file,
    help="Write to FILE (`-`: standard output).",
)
@compare_contents_option
@platform_option
@base_option
def baseline(reference: str, place: str, platform: str | None, base: str | None) -> int:
    """Record IMAGE's sizes and waste by layer, cause and directory in a small JSON file to commit.

    `layerscope ci --baseline FILE --max-growth 5%` then fails if a later build has grown more.

    \b
    Examples:
      layerscope baseline image.tar
      layerscope baseline myimage:latest -o deploy/layerscope.lock.json
    """
    from layerscope.gate.baseline import baseline_of, baseline_text
    from layerscope.gate.subject import Subject
    from layerscope.text import escape

    spare_the_image(reference, place, option=f"-o {place}")
    named = [each.about for each in read_rules().rows("directory-growth")]
    analysis = analyze_image(reference, platform, base, is_judged=True)
    refuse_doubt(analysis)
    write_bytes(place, baseline_text(baseline_of(Subject(analysis), named=named)).encode())
    if not is_stdout(place):
        click.echo(f"wrote {escape(place)}", err=True)
    return 0
