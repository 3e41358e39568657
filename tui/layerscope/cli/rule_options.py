"""The flags of `layerscope ci`: one for each rule, and those that select config files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from layerscope.cli.options import complete_file
from layerscope.dive.rule_limits import DIVE_KEYS

if TYPE_CHECKING:
    from layerscope.gate.config import GateConfig
    from layerscope.gate.config_sources import Flags

Command = TypeVar("Command", bound=Callable[..., Any])
FLAGS = "layerscope.gate"
# Not imported from the gate's tables: `--help` would have to load numpy for them. A test holds the two together.
RULES = {
    "min-efficiency": "At least this share of all content bytes is seen by a container (90% or 0.9).",
    "max-wasted": "Bytes that the layers carry and no container sees.",
    "max-wasted-percent": "The same as a share of the bytes in your own layers.",
    "wasted-floor": "Skip max-wasted-percent if less than this is wasted; default: 5MB.",
    "max-size": "Content bytes of all layers.",
    "max-wire-size": "Bytes that a pull transfers; estimated for layers that are stored uncompressed.",
    "max-own-size": "Content bytes without the layers of the base image.",
    "max-layers": "Number of layers.",
    "max-layer-size": "Content bytes of each of your own layers.",
    "max-file-size": "Size of each file in your own layers, removed ones too.",
    "max-growth": "Growth over the baseline: 5MB, 2%, or '5MB or 2%' (the greater).",
    "max-own-growth": "The same without the layers of the base image.",
    "max-waste-growth": "Growth of the waste over the baseline.",
    "baseline": "A file of `layerscope baseline`, or an image.",
}
TABLES = {
    "forbid": ("[anywhere:]GLOB", "Paths that must not be visible; with anywhere: not in any layer."),
    "budget": ("GLOB=SIZE", "Size limit of a directory or glob."),
    "max-cause": ("CAUSE=SIZE", "Limit on the waste of one cause."),
}


def _note_flag(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value:
        context.meta.setdefault(FLAGS, {})[parameter.opts[0].removeprefix("--")] = value


def rule_options(command: Command) -> Command:
    """Add a flag for each rule, and one for each of dive's three rules, to a command; `given_flags` reads them."""
    for name in reversed(DIVE_KEYS):
        option = click.option(
            f"--{name}", metavar="LIMIT", expose_value=False, callback=_note_flag, help="The rule of that name in dive."
        )
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
    """Add --config and --ci-config to a command; `given_flags` reads them."""
    for flag, words in (("--ci-config", ".dive-ci (rules of dive)."), ("--config", "layerscope.toml and pyproject.toml.")):
        option = click.option(
            flag,
            metavar="FILE",
            shell_complete=complete_file,
            expose_value=False,
            callback=_note_flag,
            help=f"Read FILE instead of {words}",
        )
        command = option(command)
    return command


def given_flags() -> Flags:
    """Collect the rules given as flags to the command that runs in this thread."""
    from layerscope.gate.config_sources import Flags

    context = click.get_current_context(silent=True)
    given: dict[str, Any] = context.meta.get(FLAGS, {}) if context is not None else {}
    return Flags(
        limits={name: given[name] for name in RULES if name in given},
        dive={name: given[name] for name in DIVE_KEYS if name in given},
        forbid=given.get("forbid", ()),
        budget=given.get("budget", ()),
        max_cause=given.get("max-cause", ()),
        config_file=_path(given.get("config")),
        dive_file=_path(given.get("ci-config")),
    )


def read_rules() -> GateConfig:
    """Read the rules in force from flags, files and the environment. Raises BadSettings."""
    from layerscope.gate.config_sources import read_config

    return read_config(given_flags(), directory=Path(), environment=os.environ)


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)
