"""The gate's flags: one for each key of its configuration, and where that is read from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from layerscope.cli.options import complete_file

if TYPE_CHECKING:
    from layerscope.gate.config import GateConfig
    from layerscope.gate.config_sources import Flags

Command = TypeVar("Command", bound=Callable[..., Any])
FLAGS = "layerscope.gate"
# Not imported from the gate's tables: `--help` would have to load numpy for them. A test holds the two together.
RULES = {
    "min-efficiency": "The share of all content bytes that a container sees: at least this.",
    "max-wasted": "Bytes that no container sees.",
    "max-wasted-percent": "The same as a share of your own layers' bytes.",
    "wasted-floor": "Below it max-wasted-percent is not judged (5MB).",
    "max-size": "Content bytes of all layers.",
    "max-wire-size": "Bytes that a pull moves; estimated for layers that are stored uncompressed.",
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


def read_rules() -> GateConfig:
    """The rules that hold here and now. Raises BadSettings."""
    from layerscope.gate.config_sources import read_config

    return read_config(given_flags(), directory=Path(), environment=os.environ)


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)
