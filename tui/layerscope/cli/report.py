"""`layerscope IMAGE` and `layerscope demo`: the report, or all of it as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from click.formatting import HelpFormatter

from layerscope.cli.options import analyse_image, base_option, complete_file, damage_exit_code, image_argument, platform_option
from layerscope.cli.output import is_stdout, output_style, write_bytes

if TYPE_CHECKING:
    from layerscope.analysis import Analysis

json_option = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write everything as JSON to FILE (`-`: standard output).",
)


class _Nameless(click.Command):
    """The command that is meant when none is named."""

    def format_usage(self, ctx: click.Context, formatter: HelpFormatter) -> None:
        """As it is typed: without a name."""
        formatter.write_usage("layerscope", " ".join(self.collect_usage_pieces(ctx)))


@click.command(cls=_Nameless, hidden=True)
@image_argument
@platform_option
@base_option
@json_option
def report(reference: str, platform: str | None, base: str | None, json_file: str | None) -> int:
    """Report on IMAGE: its layers, what it wastes, the worst paths.

    \b
    Examples:
      layerscope image.tar --base 3
      layerscope image.tar --json - | jq .image.efficiency
    """
    if json_file is not None:
        _spare_the_image(reference, json_file)
    return _show(analyse_image(reference, platform, base), json_file)


def _spare_the_image(reference: str, json_file: str) -> None:
    """Raises UsageError when the JSON would replace the image that it is about."""
    import os

    from layerscope.errors import UsageError
    from layerscope.sources.location import locate

    path = locate(reference).path
    if path and not is_stdout(json_file) and os.path.exists(json_file) and os.path.samefile(path, json_file):  # noqa: PTH110, PTH121 - these do not raise for odd names
        raise UsageError(f"--json {json_file} would overwrite the image itself")


@click.command()
@json_option
@click.option(
    "--save",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write the sample image to FILE instead, to try the other commands on.",
)
def demo(json_file: str | None, save: str | None) -> int:
    """Report on a small built-in image that makes the mistakes people make.

    \b
    Example:
      layerscope demo --save demo.tar
      layerscope blame demo.tar /srv/app/models/words.bin
    """
    from layerscope.analysis import analyse, read_image
    from layerscope.sources.demo import open_demo

    if save is not None:
        return _save(save)
    return _show(analyse(read_image(open_demo())), json_file)


def _save(name: str) -> int:
    import io

    from layerscope.sources.demo import write_demo

    archive = io.BytesIO()
    write_demo(archive)
    write_bytes(name, archive.getvalue())
    return 0


def _show(analysis: Analysis, json_file: str | None) -> int:
    if json_file is not None:
        from layerscope.report.json import analysis_json

        write_bytes(json_file, analysis_json(analysis))
    if not is_stdout(json_file):
        from layerscope.report.text import report_text

        sys.stdout.write(report_text(analysis, output_style()))
        sys.stdout.flush()
    return damage_exit_code(analysis.contents)
