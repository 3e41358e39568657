"""`layerscope diff`: compare two images, or two builds of one."""

from __future__ import annotations

import sys

import click

from layerscope.cli.completion import complete_image
from layerscope.cli.options import (
    analyze_image,
    damage_exit_code,
    engine_options,
    platform_option,
)
from layerscope.cli.output import output_style

LIMIT = 20


@click.command()
@click.argument("old", metavar="OLD", shell_complete=complete_image)
@click.argument("new", metavar="NEW", shell_complete=complete_image)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", default=LIMIT, show_default=True, help="Show only N paths.")
@platform_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object.")
@engine_options
def diff(old: str, new: str, limit: int, platform: str | None, *, as_json: bool) -> int:
    """Compare two images: layers, sizes, waste and files, and why a layer is not the same.

    \b
    Examples:
      layerscope diff old.tar new.tar
      layerscope diff myimage:1.0 myimage:1.1 --json | jq -r '.paths[] | select(.change == "added") | .path'
    """
    from layerscope.compare.comparison import compare

    analyses = [analyze_image(name, platform, None) for name in (old, new)]
    comparison = compare(*analyses)
    if as_json:
        from layerscope.report.diff_json import diff_json

        sys.stdout.buffer.write(diff_json(comparison))
    else:
        from layerscope.report.diff_text import diff_text

        sys.stdout.write(diff_text(comparison, output_style(), limit=limit))
    sys.stdout.flush()
    return max(damage_exit_code(analysis.contents) for analysis in analyses)
