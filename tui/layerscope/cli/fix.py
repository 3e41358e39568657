"""`layerscope fix`: changes to a Dockerfile that make its image smaller, as a patch, as JSON, or made in place."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerscope.cli.options import (
    analyze_image,
    base_option,
    context_option,
    dockerfile_option,
    image_argument,
    platform_option,
)

if TYPE_CHECKING:
    from layerscope.advice.advice import Advice
    from layerscope.analysis import Analysis


@click.command()
@image_argument
@dockerfile_option
@context_option
@click.option("--only", "only", metavar="FIX", multiple=True, help="Take only this fix, and those that it needs. Repeatable.")
@click.option("--list", "is_list", is_flag=True, help="List the fixes, one a line, without their edits.")
@click.option("--write", "is_written", is_flag=True, help="Edit the files in place.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: every fix with its edit.")
@platform_option
@base_option
def fix(  # noqa: PLR0913 - one parameter an option
    reference: str,
    dockerfile: Path | None,
    context: Path | None,
    only: tuple[str, ...],
    platform: str | None,
    base: str | None,
    *,
    is_list: bool,
    is_written: bool,
    as_json: bool,
) -> int:
    """Print what to change in the Dockerfile of IMAGE so that it gets smaller, as a patch for `git apply`.

    Each fix says what it saves, computed from IMAGE, and all together save the sum. What cannot be edited safely is told as a
    comment. Paths in the patch are from the root of the repository, else from the directory of the context.

    \b
    Examples:
      layerscope fix myimage --dockerfile Dockerfile
      layerscope fix myimage | git apply
      layerscope fix myimage --list
      layerscope fix myimage --only join-runs-7 --write
    """
    from layerscope.advice.advise import taken_alone
    from layerscope.report.fixes import fix_list, fixes_json, fixes_patch

    place = _dockerfile(dockerfile, context)
    analysis = analyze_image(reference, platform, base, dockerfile=place)
    advice = _advice(analysis, place, context)
    chosen = _chosen(advice, only)
    if only:
        advice, chosen = taken_alone(advice, chosen, partial(_advice, analysis, place, context))
    if is_written:
        _write(advice, chosen)
    if as_json:
        sys.stdout.buffer.write(fixes_json(advice, chosen))
    elif is_list:
        sys.stdout.write(fix_list(advice, chosen))
    elif not is_written:
        sys.stdout.write(fixes_patch(advice, chosen))
    sys.stdout.flush()
    return 0


def _dockerfile(dockerfile: Path | None, context: Path | None) -> Path:
    """Return the Dockerfile that was named, or else the one in the context. Raises BadDockerfile if there is none."""
    from layerscope.advice.advise import find_dockerfile
    from layerscope.errors import BadDockerfile
    from layerscope.text import escape

    place = dockerfile or find_dockerfile(context or Path())
    if place is None:
        raise BadDockerfile(f"{escape(str(context or 'this directory'))} has no Dockerfile; name it with --dockerfile FILE")
    return place


def _advice(analysis: Analysis, dockerfile: Path, context: Path | None, only: tuple[str, ...] = ()) -> Advice:
    from layerscope.advice.advise import advise

    return advise(analysis, dockerfile, context=context, only=only)


def _chosen(advice: Advice, only: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids of the fixes that --only names, with those that they need; by default of all. Raises UsageError."""
    from layerscope.errors import UsageError
    from layerscope.text import escape, suggestion

    known = {fix.id: fix for fix in advice.fixes}
    if not only:
        return tuple(known)
    for name in only:
        if name not in known:
            words = suggestion(name, known) or "; layerscope fix IMAGE --list shows all"
            raise UsageError(f"there is no fix {escape(name[:60])}{words}")
    needed = {need for name in only for need in known[name].needs}
    return tuple(name for name in known if name in only or name in needed)


def _write(advice: Advice, chosen: tuple[str, ...]) -> None:
    """Edit the files in place, each whole or not at all. Raises CannotWrite."""
    from layerscope.atomic import replace_file
    from layerscope.errors import CannotWrite
    from layerscope.text import escape

    plan = advice.plan
    for file in plan.changed([each for each in chosen if each in plan.steps]) if plan else ():
        assert plan is not None
        path = (plan.root / file.path).resolve()
        try:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o666
            replace_file(path, file.after.encode(), mode=mode)
        except OSError as error:
            raise CannotWrite(f"{escape(str(path))} cannot be written: {error.strerror}") from error
        click.echo(f"wrote {escape(file.path)}", err=True)
