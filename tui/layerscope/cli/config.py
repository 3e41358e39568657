"""`layerscope config`: where the config file is, and all settings with their defaults."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("--path", "only_path", is_flag=True, help="Print only the path of the config file.")
@click.option("--check", "only_check", is_flag=True, help="Check the config file: `ok`, or what is wrong and exit code 2.")
def config(*, only_path: bool, only_check: bool) -> None:
    """Print where the config file is, and every setting with its default, as TOML.

    The environment variable LAYERSCOPE_CONFIG selects another file. The rules of `layerscope ci` are not set here.

    \b
    Examples:
      layerscope config > config.toml
      layerscope config --path
      layerscope config --check
    """
    from layerscope.errors import UsageError
    from layerscope.settings import settings_path

    if only_path and only_check:
        raise UsageError("--path and --check cannot be combined")
    if only_path:
        click.echo(os.fsencode(settings_path()))
    elif only_check:
        _check(settings_path())
    else:
        _show(settings_path())


def _check(path: Path) -> None:
    from layerscope.app.key_names import textual_keys
    from layerscope.app.keys import KEY_IDS
    from layerscope.settings import read_settings
    from layerscope.text import escape

    read_settings(key_ids=KEY_IDS, name_keys=textual_keys)
    click.echo("ok" if _exists(path) else f"ok: there is no {escape(str(path))}, so the defaults apply")


def _show(path: Path) -> None:
    from layerscope.app.keys import KEYS
    from layerscope.settings import defaults_text
    from layerscope.text import escape

    state = (
        "is read at start; below are the defaults, not its contents"
        if _exists(path)
        else "does not exist; below are the defaults"
    )
    click.echo(f"# {escape(str(path))} {state}.\n")
    click.echo(defaults_text([(key.id, key.keys, key.description) for key in KEYS]), nl=False)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where a directory above cannot be looked into
