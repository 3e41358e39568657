"""`layerscope watch`: show an image after every rebuild, compared with the build before."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from layerscope.cli.options import NO_REGISTRY_OPTION, analyze_image, base_option, image_argument, platform_option
from layerscope.cli.output import output_style
from layerscope.cli.report import text_option
from layerscope.cli.screen import can_show_screen, show_screen

if TYPE_CHECKING:
    from layerscope.analysis import Analysis


@click.command()
@image_argument
@platform_option
@base_option
@text_option
def watch(reference: str, platform: str | None, base: str | None, *, is_text: bool) -> int:
    """Show IMAGE, and show it again after every rebuild: what was added, removed and wasted.

    A rebuild is a change of its file or its tag. Without a terminal, or with --text, each build is a few lines of text.
    Ctrl-C stops watching.

    \b
    Examples:
      layerscope watch myimage:latest
      layerscope watch image.tar --text
    """
    from layerscope.errors import UsageError
    from layerscope.sources.location import locate

    click.get_current_context().meta[NO_REGISTRY_OPTION] = True  # where nothing is rebuilt
    place = locate(reference)
    if place.registry is not None:
        raise UsageError("a registry's image cannot be watched; name a file, a directory or an image of an engine")
    if place.path is None and place.engine is None:
        raise UsageError("standard input cannot be watched; name a file, a directory or an image of an engine")
    if not is_text and can_show_screen(reference):
        return show_screen(reference, platform, base, is_watched=True)
    _watch(reference, partial(analyze_image, reference, platform, base, may_change=True))
    return 0


def _watch(reference: str, read: Callable[[], Analysis]) -> None:
    """Print a few lines for each build until interrupted."""
    from layerscope.compare.builds import Builds
    from layerscope.sources.fingerprint import fingerprint

    builds = Builds(partial(fingerprint, reference), read, time.sleep)
    seen, before = builds.first(read)
    _say_first(before)
    for build in builds.after(seen):
        if isinstance(build, Exception):
            click.echo(f"layerscope: the new build cannot be read: {build}", err=True)
        else:
            _say_next(before, build)
            before = build


def _say_first(analysis: Analysis) -> None:
    from layerscope.units import percent_text, size_text

    waste = analysis.waste
    click.echo(
        f"{time.strftime('%H:%M:%S')}  {size_text(waste.content_bytes)} on disk, {size_text(waste.wasted_bytes)} wasted, "
        f"{percent_text(waste.efficiency)} efficient; waiting for the next build"
    )
    sys.stdout.flush()


def _say_next(before: Analysis, build: Analysis) -> None:
    from layerscope.compare.comparison import compare
    from layerscope.report.diff_text import comparison_lines

    for index, line in enumerate(comparison_lines(compare(before, build), output_style())):
        click.echo(f"{time.strftime('%H:%M:%S')}  {line}" if index == 0 else f"{'':10}{line}")
    sys.stdout.flush()
