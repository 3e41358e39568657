"""`layerscope watch`: an image that is built again and again, each build against the one before."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from layerscope.cli.options import analyse_image, base_option, image_argument, platform_option
from layerscope.cli.output import output_style
from layerscope.cli.report import text_option
from layerscope.cli.screen import can_show_screen, show_screen

if TYPE_CHECKING:
    from layerscope.analysis import Analysis

INTERVAL = 0.5
"""Seconds between two looks; what is seen must stay the same for one of them to count as written to its end."""


@click.command()
@image_argument
@platform_option
@base_option
@text_option
def watch(reference: str, platform: str | None, base: str | None, *, is_text: bool) -> int:
    """Show IMAGE, and show it anew whenever its file or its tag changes: what the new build added, removed and wasted.

    Without a terminal, and with --text, each build is a few lines. Ctrl-C ends it.

    \b
    Examples:
      layerscope watch myimage:latest
      layerscope watch image.tar --text
    """
    from layerscope.errors import UsageError
    from layerscope.sources.fingerprint import fingerprint

    if fingerprint(reference) is None and reference.startswith("-"):
        raise UsageError("standard input cannot be watched; name a file, a directory or an image of an engine")
    if not is_text and can_show_screen(reference):
        return show_screen(reference, platform, base, is_watched=True)
    seen = fingerprint(reference)
    before = analyse_image(reference, platform, base)
    _say_first(before)
    while True:
        seen = _next_build(reference, seen)
        before = _say_next(reference, platform, base, before)


def _next_build(reference: str, seen: object) -> object:
    """Wait for another fingerprint that stays."""
    from layerscope.sources.fingerprint import fingerprint

    before = seen
    while True:
        time.sleep(INTERVAL)
        now = fingerprint(reference)
        if now is not None and now != seen and now == before:
            return now
        before = now


def _say_first(analysis: Analysis) -> None:
    from layerscope.units import percent_text, size_text

    waste = analysis.waste
    click.echo(
        f"{time.strftime('%H:%M:%S')}  {size_text(waste.content_bytes)} on disk, {size_text(waste.wasted_bytes)} wasted, "
        f"{percent_text(waste.efficiency)} efficient; waiting for the next build"
    )
    sys.stdout.flush()


def _say_next(reference: str, platform: str | None, base: str | None, before: Analysis) -> Analysis:
    """Tell of a build, and give it; the one before where the new one cannot be read."""
    from layerscope.compare.comparison import compare
    from layerscope.errors import LayerscopeError
    from layerscope.report.comparison import comparison_lines

    try:
        analysis = analyse_image(reference, platform, base)
    except (LayerscopeError, OSError) as error:
        click.echo(f"layerscope: the new build cannot be read: {error}", err=True)
        return before
    for index, line in enumerate(comparison_lines(compare(before, analysis), output_style())):
        click.echo(f"{time.strftime('%H:%M:%S')}  {line}" if index == 0 else f"{'':10}{line}")
    sys.stdout.flush()
    return analysis
