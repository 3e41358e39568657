"""What several commands share: the IMAGE argument, its options, and opening it with progress."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from layerscope.cli.progress import Progress
from layerscope.progress import Progress as Watch

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.sources.image import Image

Command = TypeVar("Command", bound=Callable[..., Any])


def complete_file(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file name."""
    return [CompletionItem(incomplete, type="file")]


image_argument = click.argument("reference", metavar="IMAGE", shell_complete=complete_file)
MOST_PROBLEMS = 10
platform_option = click.option(
    "--platform", metavar="OS/ARCH[/VARIANT]", help="Which platform of an image that has several; default this machine's."
)
base_option = click.option(
    "--base",
    shell_complete=complete_file,
    metavar="N|IMAGE",
    help="How many of the layers are the base's, or the base image itself; its waste is reported apart from yours.",
)
json_lines_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
layer_option = click.option(
    "--layer", type=click.IntRange(min=1), metavar="N", help="As it is after layer N; default the last."
)


def open_image(reference: str, platform: str | None, progress: Watch) -> Image:
    """Open what the user named."""
    from layerscope.oci.platform import Platform
    from layerscope.sources.open import open_image as open_source

    wanted = Platform.parse(platform) if platform else None
    return open_source(reference, platform=wanted, stdin=sys.stdin.buffer, progress=progress)


def read_image(reference: str, platform: str | None, *, keep_seek_points: bool = False) -> Contents:
    """Open and read an image, with progress. What is damaged is said on standard error."""
    from layerscope.analysis import read_image as read

    with Progress() as progress:
        return read(open_image(reference, platform, progress), progress=progress, keep_seek_points=keep_seek_points)


def analyse_image(reference: str, platform: str | None, base: str | None) -> Analysis:
    """Open, read and analyse an image, with progress."""
    from layerscope.analysis import analyse
    from layerscope.analysis import read_image as read
    from layerscope.sources.base import find_base

    with Progress() as progress:
        image = open_image(reference, platform, progress)
        found = find_base(image, base, open_base=lambda name: open_image(name, str(image.platform), progress))
        contents = read(image, progress=progress)
        progress("looking for waste", 0, 0)
        return analyse(contents, base_layers=found.layers, base_name=found.name)


def damage_exit_code(contents: Contents) -> int:
    """Say on standard error what is damaged; 2 when anything is, for then the figures are not whole."""
    from layerscope.report.problems import problem_text

    fatal = [problem for problem in contents.tree.problems if problem.is_fatal]
    for problem in fatal[:MOST_PROBLEMS]:
        click.echo(f"layerscope: {problem_text(contents.image, problem)}", err=True)
    if len(fatal) > MOST_PROBLEMS:
        click.echo(f"layerscope: and {len(fatal) - MOST_PROBLEMS:,} more (layerscope IMAGE --json - lists all)", err=True)
    return 2 if fatal else 0


def checked_layer(contents: Contents, layer: int | None) -> int:
    """The layer that `--layer` means. Raises UsageError when there is no such layer."""
    from layerscope.errors import UsageError

    count = len(contents.image.layers)
    if layer is not None and layer > count:
        raise UsageError(f"--layer {layer}: the image has {count} layers")
    return layer or count
