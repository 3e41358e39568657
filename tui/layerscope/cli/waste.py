"""`layerscope waste`: list wasted bytes, grouped by path, cause, layer or directory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from layerscope.cli.options import (
    analyze_image,
    base_option,
    damage_exit_code,
    image_argument,
    json_lines_option,
    platform_option,
)
from layerscope.cli.output import output_style

if TYPE_CHECKING:
    from layerscope.analysis import Analysis


@click.command()
@image_argument
@click.option("--by", type=click.Choice(["path", "cause", "layer", "directory"]), default="path", help="Group by.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Show only the N biggest.")
@platform_option
@base_option
@json_lines_option
def waste(reference: str, by: str, limit: int | None, platform: str | None, base: str | None, as_json: bool) -> int:  # noqa: FBT001
    """List what IMAGE wastes, biggest first.

    Waste is every byte that the layers carry and no container sees.

    \b
    Examples:
      layerscope waste image.tar --by layer
      layerscope waste image.tar --json | jq -r 'select(.cause == "deleted") | .path'
    """
    analysis = analyze_image(reference, platform, base)
    _write(analysis, by, limit, as_json=as_json)
    return damage_exit_code(analysis.contents)


def _write(analysis: Analysis, by: str, limit: int | None, *, as_json: bool) -> None:
    from layerscope.report.waste_listing import waste_json_lines, waste_lines

    if as_json:
        sys.stdout.buffer.writelines(waste_json_lines(analysis, by, limit))
    else:
        sys.stdout.writelines(line + "\n" for line in waste_lines(analysis, by, limit, output_style()))
