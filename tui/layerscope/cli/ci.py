"""`layerscope ci`: an image held to rules, one verdict, and any number of reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from layerscope.cli.options import analyse_image, base_option, complete_file, engine_options, platform_option
from layerscope.cli.output import STDOUT, is_stdout, output_style, spare_the_image, write_bytes

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.gate.advice import Advice
    from layerscope.gate.baseline import Baseline
    from layerscope.gate.config import Config
    from layerscope.gate.config_sources import Flags
    from layerscope.gate.run import GateRun

Command = TypeVar("Command", bound=Callable[..., Any])
FLAGS = "layerscope.gate"
CONFIG_FILE = "layerscope.toml"
# Not imported from the gate's tables: `--help` would have to load numpy for them. A test holds the two together.
RULES = {
    "min-efficiency": "The share of all content bytes that a container sees: at least this.",
    "max-wasted": "Bytes that no container sees.",
    "max-wasted-percent": "The same as a share of your own layers' bytes.",
    "wasted-floor": "Below it max-wasted-percent is not judged (5MB).",
    "max-size": "Content bytes of all layers.",
    "max-wire-size": "Bytes of all layers as they are stored.",
    "max-own-size": "Content bytes without the base's layers.",
    "max-layers": "How many layers there are.",
    "max-layer-size": "Content bytes of each of your own layers.",
    "max-file-size": "Each file that your own layers carry.",
    "max-growth": "How much bigger than the baseline: 5MB, 2%, or '5MB or 2%'.",
    "max-own-growth": "The same without the base's layers.",
    "max-waste-growth": "How much more waste than the baseline.",
    "baseline": "What `layerscope baseline` wrote, or an image.",
}
TABLES = {
    "forbid": ("[anywhere:]GLOB", "Paths that must not be there; anywhere: in no layer."),
    "budget": ("GLOB=SIZE", "How much a directory or glob may take."),
    "max-cause": ("CAUSE=SIZE", "How much may be wasted for one cause."),
}
DIVE_RULES = ("lowestEfficiency", "highestWastedBytes", "highestUserWastedPercent")


def _note_flag(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value:
        context.meta.setdefault(FLAGS, {})[parameter.opts[0].removeprefix("--")] = value


def rule_options(command: Command) -> Command:
    """A flag for each key, and dive's; `given_flags` looks them up."""
    for name in reversed(DIVE_RULES):
        option = click.option(f"--{name}", metavar="LIMIT", expose_value=False, callback=_note_flag, help="dive's rule.")
        command = option(command)
    for name, (metavar, words) in reversed(TABLES.items()):
        repeatable = click.option(
            f"--{name}", metavar=metavar, multiple=True, expose_value=False, callback=_note_flag, help=f"{words} Repeatable."
        )
        command = repeatable(command)
    for name, words in reversed(RULES.items()):
        metavar = "FILE|IMAGE" if name == "baseline" else "LIMIT"
        command = click.option(f"--{name}", metavar=metavar, expose_value=False, callback=_note_flag, help=words)(command)
    return command


def config_options(command: Command) -> Command:
    """Where the rules are read from."""
    for flag, words in (("--ci-config", ".dive-ci, dive's rules."), ("--config", "layerscope.toml and pyproject.toml.")):
        option = click.option(
            flag,
            metavar="FILE",
            shell_complete=complete_file,
            expose_value=False,
            callback=_note_flag,
            help=f"A file in the place of {words}",
        )
        command = option(command)
    return command


@click.command()
@click.argument("reference", metavar="IMAGE", required=False, shell_complete=complete_file)
@click.option(
    "--report",
    "reports",
    metavar="KIND=FILE",
    multiple=True,
    help="Write a report (`-`: standard output): markdown, junit, sarif, gitlab, openmetrics, html, json, analysis.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write the verdict as JSON: short for --report json=FILE.",
)
@click.option(
    "--dockerfile", metavar="FILE", type=click.Path(path_type=Path), help="Say which lines of this Dockerfile to change."
)
@click.option("--print-config", is_flag=True, help="Print every rule that holds and where it was stated, and judge nothing.")
@click.option("--init", "is_init", is_flag=True, help="Write layerscope.toml: IMAGE's figures of today with a little room.")
@rule_options
@config_options
@base_option
@platform_option
@engine_options
def ci(reference: str | None, platform: str | None, base: str | None, **options: Any) -> int:
    """Hold IMAGE to rules: exit code 0 passed, 1 a rule is broken, 2 could not judge. Never 0 on doubt.

    Rules come from layerscope.toml, [tool.layerscope] in pyproject.toml, .dive-ci, variables such as LAYERSCOPE_MAX_SIZE,
    and flags; what comes later is stronger. `layerscope IMAGE --ci` and CI=true in the environment mean this command, too.

    \b
    Examples:
      layerscope ci image.tar
      layerscope ci image.tar --max-size 500MB --forbid 'anywhere:**/.git/**'
      layerscope ci image.tar --report junit=gate.xml --report markdown=gate.md
      docker save myimage | layerscope ci -
    """
    from layerscope.errors import UsageError

    if options["print_config"]:
        return _print_config()
    if reference is None:
        raise UsageError("name the image to judge: layerscope ci IMAGE")
    if options["is_init"]:
        return _init(reference, platform, base)
    return _judge(reference, platform, base, **options)


def today() -> date:
    """The day that waivers are held against: everywhere the same, so in UTC."""
    return datetime.now(UTC).date()


def given_flags() -> Flags:
    """What the command line says of rules, for the command that runs in this thread."""
    from layerscope.gate.config_sources import Flags

    context = click.get_current_context(silent=True)
    given: dict[str, Any] = context.meta.get(FLAGS, {}) if context is not None else {}
    return Flags(
        limits={name: given[name] for name in RULES if name in given},
        dive={name: given[name] for name in DIVE_RULES if name in given},
        forbid=given.get("forbid", ()),
        budget=given.get("budget", ()),
        max_cause=given.get("max-cause", ()),
        config_file=_path(given.get("config")),
        dive_file=_path(given.get("ci-config")),
    )


def read_rules() -> Config:
    """The rules that hold here and now. Raises BadSettings."""
    from layerscope.gate.config_sources import read_config

    return read_config(given_flags(), directory=Path(), environment=os.environ)


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def _print_config() -> int:
    from layerscope.report.gate_config import config_text

    sys.stdout.write(config_text(read_rules()))
    return 0


def _init(reference: str, platform: str | None, base: str | None) -> int:
    from layerscope.errors import WouldOverwrite
    from layerscope.report.first_config import first_config_text
    from layerscope.text import escape

    place = given_flags().config_file or Path(CONFIG_FILE)
    if os.path.lexists(place):
        raise WouldOverwrite(f"{escape(str(place))} is there already; remove it first, or name another with --config FILE")
    analysis = analyse_image(reference, platform, base)
    refuse_doubt(analysis)
    write_bytes(str(place), first_config_text(analysis).encode())
    click.echo(f"wrote {escape(str(place))}", err=True)
    return 0


def refuse_doubt(analysis: Analysis) -> None:
    """Raises CorruptLayer for an image that is not whole: its figures are no limits for others."""
    from layerscope.errors import CorruptLayer
    from layerscope.gate.evaluate import damage
    from layerscope.text import escape

    doubts = damage(analysis)
    if doubts:
        raise CorruptLayer(f"{escape(analysis.image.reference)}: {doubts[0].rstrip('.')}")


def _judge(reference: str, platform: str | None, base: str | None, **options: Any) -> int:
    reports = _wanted_reports(reference, options["reports"], options["json_file"])
    config = read_rules()  # before the image: a mistake in it is told at once
    baseline = read_baseline_of(config, platform, base)
    analysis = analyse_image(reference, platform, base)

    from layerscope.gate.evaluate import evaluate
    from layerscope.gate.run import GateRun

    verdict = evaluate(analysis, config, today=today(), baseline=baseline)
    run = GateRun(analysis, verdict, _advice(analysis, options["dockerfile"]))
    _write(run, reports)
    _tell(run)
    return verdict.exit_code


def _advice(_analysis: Analysis, _dockerfile: Path | None) -> Advice:
    from layerscope.gate.advice import Advice

    return Advice("", {}, ())


def _wanted_reports(reference: str, written: tuple[str, ...], json_file: str | None) -> list[tuple[str, str]]:
    """(kind, file) of each report. Raises UsageError, before any work is done."""
    from layerscope.errors import UsageError
    from layerscope.report.kinds import checked_kind
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


def read_baseline_of(config: Config, platform: str | None, base: str | None) -> Baseline | None:
    """The baseline that the configuration names: a file of `layerscope baseline`, or an image. Raises BadSettings, NotFound."""
    name = config.limit("baseline")
    if not isinstance(name, str):
        return None
    from layerscope.gate.baseline import baseline_of, is_baseline, read_baseline
    from layerscope.gate.naming import named
    from layerscope.gate.subject import Subject
    from layerscope.text import escape

    raw = _baseline_bytes(name)
    if is_baseline(raw):
        with named(escape(name)):
            return read_baseline(raw)
    analysis = analyse_image(name, platform, base)
    refuse_doubt(analysis)
    return baseline_of(Subject(analysis), named=[each.path for each in config.directory_growth])


def _baseline_bytes(name: str) -> bytes:
    """The file's bytes where it begins as a baseline does; empty for all else, which must be an image then."""
    from layerscope.errors import BadSettings
    from layerscope.gate.baseline import MAX_FILE, is_baseline
    from layerscope.text import escape

    try:
        with Path(name).open("rb") as file:
            head = file.read(64)
            raw = head + file.read(MAX_FILE) if is_baseline(head) else b""
    except (OSError, ValueError):
        return b""
    if len(raw) > MAX_FILE:
        raise BadSettings(f"{escape(name)}: longer than {MAX_FILE >> 20} MiB, which no baseline is")
    return raw


def _write(run: GateRun, reports: list[tuple[str, str]]) -> None:
    """The text, unless a report takes its place, then every report; raises what the first that could not be written did."""
    from layerscope.errors import CannotWrite
    from layerscope.report.gate_text import gate_text
    from layerscope.report.kinds import report_bytes

    if not any(is_stdout(name) for _, name in reports):
        sys.stdout.write(gate_text(run, output_style()))
        sys.stdout.flush()
    failed = None
    for kind, name in reports:
        try:
            write_bytes(name, report_bytes(kind, run))
        except CannotWrite as error:
            failed = failed or error
    if failed is not None:
        raise failed


def _tell(run: GateRun) -> None:
    """On standard error why this is no pass, for those who sent the report elsewhere."""
    from layerscope.report.gate_text import verdict_sentence
    from layerscope.text import escape

    verdict = run.verdict
    for doubt in verdict.doubts:
        click.echo(f"layerscope: could not judge {escape(run.analysis.image.reference)}: {doubt}", err=True)
    if verdict.failed and not verdict.doubts:
        click.echo(f"layerscope: {escape(run.analysis.image.reference)}: {verdict_sentence(verdict)}", err=True)
