"""`layerscope manual`: man pages of all commands, made of their help, for those who package layerscope."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from layerscope.cli.completion import completion_script
from layerscope.cli.output import write_bytes

COMPLETIONS = {"bash": "layerscope.bash", "zsh": "_layerscope", "fish": "layerscope.fish"}
"""The names under which shells look for the scripts; bash wants its own without the ending."""


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--completions", "has_completions", is_flag=True, help="Write the completion scripts of all shells, too.")
@click.pass_context
def manual(ctx: click.Context, directory: Path, *, has_completions: bool) -> None:
    """Write the man pages of all commands into DIRECTORY, which is made if it is missing.

    They are dated today, or by SOURCE_DATE_EPOCH, for builds that can be repeated.

    \b
    Examples:
      layerscope manual ~/.local/share/man/man1
      layerscope manual build --completions
    """
    from layerscope.cli.manual_page import all_pages
    from layerscope.errors import CannotWrite
    from layerscope.text import escape

    assert ctx.parent is not None
    files = {f"{page.name}.1": page.text(_date()) for page in all_pages(ctx.parent.command)}
    files |= {file: completion_script(shell) for shell, file in COMPLETIONS.items() if has_completions}
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{escape(str(directory))} cannot be made: {error.strerror}") from error
    for name, text in files.items():
        write_bytes(str(directory / name), text.encode())
    click.echo(f"wrote {len(files)} files to {escape(str(directory))}", err=True)


def _date() -> str:
    """Return the date of the pages. Raises UsageError if SOURCE_DATE_EPOCH is no time."""
    from layerscope.errors import UsageError

    try:
        return datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError("SOURCE_DATE_EPOCH is no time: give seconds since 1970") from error
