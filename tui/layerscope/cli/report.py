"""`layerscope IMAGE`, `demo` and `waste`: the screen, a report, or everything as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from click.formatting import HelpFormatter

from layerscope.cli.options import (
    analyze_image,
    base_option,
    compare_contents_option,
    complete_file,
    context_option,
    damage_exit_code,
    dockerfile_option,
    image_argument,
    json_lines_option,
    platform_option,
)
from layerscope.cli.output import is_stdout, output_style, spare_the_image, write_bytes
from layerscope.cli.screen import can_show_screen, named_dockerfile, show_demo, show_screen
from layerscope.errors import AmbiguousImage

if TYPE_CHECKING:
    from pathlib import Path

    from layerscope.analysis import Analysis

json_option = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write everything as JSON to FILE (`-`: standard output).",
)
text_option = click.option("--text", "is_text", is_flag=True, help="Print the report instead of opening the screen.")


class _Nameless(click.Command):
    """The command that runs if the first argument is an image."""

    def format_usage(self, ctx: click.Context, formatter: HelpFormatter) -> None:
        """Show the usage as it is typed: without the command's name."""
        formatter.write_usage("layerscope", " ".join(self.collect_usage_pieces(ctx)))


@click.command(cls=_Nameless, hidden=True)
@image_argument
@platform_option
@compare_contents_option
@base_option
@dockerfile_option
@context_option
@json_option
@text_option
@click.option("--ci", is_flag=True, expose_value=False, help="Check IMAGE against rules instead: see layerscope ci --help.")
def report(  # noqa: PLR0913 - one parameter an option
    reference: str,
    platform: str | None,
    base: str | None,
    dockerfile: Path | None,
    context: Path | None,
    json_file: str | None,
    *,
    is_text: bool,
) -> int:
    """Explore IMAGE on the screen: its layers, their files and what they waste. `?` shows the keys.

    Without a terminal, or with --text, print a report. With --ci, or with CI=true in the environment and neither --text nor
    --json, check it against rules, as `layerscope ci` does. What IMAGE may be: layerscope help references.

    \b
    Examples:
      layerscope image.tar
      layerscope image.tar --base 3 --text
      layerscope image.tar --json - | jq .image.efficiency
    """
    if json_file is not None:
        spare_the_image(reference, json_file, option=f"--json {json_file}")
    elif not is_text and can_show_screen(reference, base):
        return _explore(reference, platform, base, dockerfile, context)
    place = named_dockerfile(dockerfile, context)
    return _show_report(analyze_image(reference, platform, base, dockerfile=place), json_file, place, context)


@click.command()
@json_option
@text_option
@click.option(
    "--save",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write the built-in image to FILE instead, to try other commands on.",
)
def demo(json_file: str | None, save: str | None, *, is_text: bool) -> int:
    """Explore a small built-in image with common mistakes; without a terminal, print its report.

    \b
    Examples:
      layerscope demo --save demo.tar
      layerscope blame demo.tar /srv/app/models/words.bin
    """
    from layerscope.analysis import analyze, read_image
    from layerscope.sources.demo import open_demo

    if save is not None:
        return _save(save)
    if json_file is None and not is_text and can_show_screen():
        return show_demo()
    return _show_report(analyze(read_image(open_demo())), json_file)


def _save(name: str) -> int:
    import io

    from layerscope.sources.demo import write_demo

    archive = io.BytesIO()
    write_demo(archive)
    write_bytes(name, archive.getvalue())
    return 0


def show_image(reference: str) -> int:
    """Explore an image, or without a terminal print its report."""
    if can_show_screen(reference):
        return _explore(reference, None, None)
    return _show_report(analyze_image(reference, None, None), None)


def _explore(
    reference: str, platform: str | None, base: str | None, dockerfile: Path | None = None, context: Path | None = None
) -> int:
    """Explore an image on the screen, or choose one there where the reference names several."""
    try:
        return show_screen(reference, platform, base, dockerfile=dockerfile, build_context=context)
    except AmbiguousImage as ambiguous:
        from layerscope.cli.images import choose_on_screen

        return choose_on_screen(reference, ambiguous)


def _show_report(analysis: Analysis, json_file: str | None, dockerfile: Path | None = None, context: Path | None = None) -> int:
    if json_file is not None:
        from layerscope.report.image_json import analysis_json

        write_bytes(json_file, analysis_json(analysis))
    if not is_stdout(json_file):
        from layerscope.cli.advising import find_advice
        from layerscope.report.image_text import report_text

        advice = find_advice(analysis, dockerfile, context=context)
        sys.stdout.write(report_text(analysis, output_style(), advice))
        sys.stdout.flush()
    return damage_exit_code(analysis.contents)


@click.command()
@image_argument
@click.option("--by", type=click.Choice(["path", "cause", "layer", "directory"]), default="path", help="Group by.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Show only the N biggest.")
@platform_option
@compare_contents_option
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
    from layerscope.report.listings import waste_json_lines, waste_lines

    analysis = analyze_image(reference, platform, base)
    if as_json:
        sys.stdout.buffer.writelines(waste_json_lines(analysis, by, limit))
    else:
        sys.stdout.writelines(line + "\n" for line in waste_lines(analysis, by, limit, output_style()))
    return damage_exit_code(analysis.contents)
