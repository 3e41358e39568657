"""`layerscope baseline`: record the sizes and waste of an image for later builds to be compared with."""

from __future__ import annotations

import click

from layerscope.cli.ci import refuse_doubt
from layerscope.cli.options import analyze_image, base_option, complete_file, image_argument, platform_option
from layerscope.cli.output import is_stdout, spare_the_image, write_bytes
from layerscope.cli.rule_options import read_rules

LOCK_FILE = "layerscope.lock.json"


@click.command()
@image_argument
@click.option(
    "-o",
    "--output",
    "place",
    metavar="FILE",
    default=LOCK_FILE,
    show_default=True,
    shell_complete=complete_file,
    help="Write to FILE (`-`: standard output).",
)
@platform_option
@base_option
def baseline(reference: str, place: str, platform: str | None, base: str | None) -> int:
    """Record IMAGE's sizes and waste by layer, cause and directory in a small JSON file to commit.

    `layerscope ci --baseline FILE --max-growth 5%` then fails if a later build has grown more.

    \b
    Examples:
      layerscope baseline image.tar
      layerscope baseline myimage:latest -o deploy/layerscope.lock.json
    """
    from layerscope.gate.baseline import baseline_of, baseline_text
    from layerscope.gate.subject import Subject
    from layerscope.text import escape

    spare_the_image(reference, place, option=f"-o {place}")
    named = [each.about for each in read_rules().rows("directory-growth")]
    analysis = analyze_image(reference, platform, base, is_judged=True)
    refuse_doubt(analysis)
    write_bytes(place, baseline_text(baseline_of(Subject(analysis), named=named)).encode())
    if not is_stdout(place):
        click.echo(f"wrote {escape(place)}", err=True)
    return 0
