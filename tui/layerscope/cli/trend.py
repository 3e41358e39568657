"""`layerscope trend`: what `layerscope ci --history` recorded, run by run, as text and as a page."""

from __future__ import annotations

import sys

import click

from layerscope.cli.options import complete_file
from layerscope.cli.output import output_style, write_bytes

USUAL_LAST = 15


@click.command()
@click.argument("history", metavar="FILE", shell_complete=complete_file)
@click.option("--image", "wanted", metavar="TEXT", help="Show only images whose name has TEXT in it.")
@click.option(
    "--last", type=click.IntRange(min=1), metavar="N", default=USUAL_LAST, show_default=True, help="List the newest N runs."
)
@click.option("--html", "html_file", metavar="FILE", shell_complete=complete_file, help="Write a page (`-`: standard output).")
def trend(history: str, wanted: str | None, html_file: str | None, *, last: int) -> int:
    """Show how images grew from run to run, and by which layers and causes.

    FILE is what `layerscope ci IMAGE --history FILE` appends a line to in each run.

    \b
    Examples:
      layerscope trend sizes.jsonl
      layerscope trend sizes.jsonl --html sizes.html
    """
    from layerscope.errors import NotFound
    from layerscope.report.trend.points import read_trends
    from layerscope.text import escape

    trends = [each for each in read_trends(history) if not wanted or wanted in each.image]
    if not trends:
        words = f"no image with {escape(wanted)} in its name" if wanted else "no run"
        raise NotFound(f"{escape(history)} has {words}")
    if html_file is not None:
        from layerscope.report.trend.page import trend_page

        write_bytes(html_file, trend_page(trends))
    else:
        from layerscope.report.trend.text import trend_text

        sys.stdout.write(trend_text(trends, output_style(), last=last))
    sys.stdout.flush()
    return 0
