"""`layerscope diff` and `watch`: compare two images, or each new build with the one before."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from layerscope.cli.completion import complete_image
from layerscope.cli.options import (
    NO_REGISTRY_OPTION,
    analyze_image,
    analyze_images,
    base_option,
    compare_contents_option,
    damage_exit_code,
    engine_options,
    image_argument,
    no_cache_option,
    platform_option,
)
from layerscope.cli.output import output_style
from layerscope.cli.report import text_option
from layerscope.cli.screen import can_show_screen, show_pair, show_screen

if TYPE_CHECKING:
    from layerscope.analysis import Analysis

MOST_PATHS = 20


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


@click.command()
@click.argument("old", metavar="OLD", shell_complete=complete_image)
@click.argument("new", metavar="[NEW]", required=False, shell_complete=complete_image)
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", default=MOST_PATHS, show_default=True, help="Show only N paths."
)
@click.option(
    "--platform",
    metavar="OS/ARCH[/VARIANT][,OS/ARCH]",
    help="Select a platform of multi-platform images, or the two to compare; default: this machine's.",
)
@compare_contents_option
@no_cache_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object.")
@text_option
@engine_options
def diff(old: str, new: str | None, limit: int, platform: str | None, *, as_json: bool, is_text: bool) -> int:
    """Compare two images: layers, sizes, waste and files, and why a layer is not the same.

    Or compare two platforms of one image: what only one has, and what is much bigger on one. Paths that differ in their
    architecture's name alone (x86_64-linux-gnu, linux-arm64) are compared with each other.

    \b
    Examples:
      layerscope diff old.tar new.tar
      layerscope diff myimage:1.0 myimage:1.1 --json | jq -r '.paths[] | select(.change == "added") | .path'
      layerscope diff myimage:1.1 --platform linux/amd64,linux/arm64
    """
    if not (as_json or is_text) and can_show_screen(old, new):
        return show_pair(_sides(old, new, platform))
    from layerscope.compare.comparison import compare

    analyses = analyze_images(_sides(old, new, platform))
    comparison = compare(*analyses)
    if as_json:
        from layerscope.report.diff_json import diff_json

        sys.stdout.buffer.write(diff_json(comparison))
    else:
        from layerscope.report.diff_text import diff_text

        sys.stdout.write(diff_text(comparison, output_style(), limit=limit))
    sys.stdout.flush()
    return max(damage_exit_code(analysis.contents) for analysis in analyses)


def _sides(old: str, new: str | None, platform: str | None) -> list[tuple[str, str | None]]:
    """Return the two references to compare, each with its platform. Raises UsageError."""
    from layerscope.errors import UsageError
    from layerscope.sources.location import locate

    platforms = platform.split(",") if platform else []
    if len(platforms) > 2 or not all(platforms):
        raise UsageError("--platform takes one platform, or two with a comma between them")
    if new is None:
        if len(platforms) != 2:
            raise UsageError("name a second image, or two platforms of this one: --platform linux/amd64,linux/arm64")
        place = locate(old)
        if place.path is None and place.engine is None and place.registry is None:
            raise UsageError("standard input can be read only once: store the image in a file to compare two of its platforms")
    first, second = (*platforms, platforms[0])[:2] if platforms else (None, None)
    return [(old, first), (new or old, second)]
