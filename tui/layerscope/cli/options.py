"""What several commands share: the IMAGE argument, its options, and opening it with progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from layerscope.cli.image_completion import complete_image
from layerscope.cli.progress import Progress
from layerscope.progress import Progress as Watch

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.cache.cache import Cache
    from layerscope.sources.engine.options import EngineOptions
    from layerscope.sources.image import Image

Command = TypeVar("Command", bound=Callable[..., Any])


def complete_file(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file name."""
    return [CompletionItem(incomplete, type="file")]


PULL, KEEP = "layerscope.pull", "layerscope.keep"


def _note(context: click.Context, parameter: click.Parameter, value: object) -> None:
    context.meta[f"layerscope.{parameter.name}"] = value


def _noted(name: str) -> object:
    """What an option was given to the command that runs in this thread; None where it was not."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(f"layerscope.{name}")


no_verify_option = click.option(
    "--no-verify",
    is_flag=True,
    expose_value=False,
    callback=_note,
    help="Do not hash layers to check their digests; the report then says so.",
)


def engine_options(command: Command) -> Command:
    """What every command that takes an IMAGE has, for it may be an engine's; `chosen_engine_options` looks them up."""
    pull = click.option(
        "--pull", is_flag=True, expose_value=False, callback=_note, help="Have the engine pull an image that it has not."
    )
    keep = click.option(
        "--keep",
        metavar="DIR",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_note,
        help="Keep the archive that an engine exports, as DIR/NAME.tar.",
    )
    return pull(keep(command))


def image_argument(command: Command) -> Command:
    """IMAGE, and the options that go with it."""
    return click.argument("reference", metavar="IMAGE", shell_complete=complete_image)(engine_options(command))


def chosen_engine_options(*, needs_bytes: bool = False, needs_tars: bool = False) -> EngineOptions:
    """What --pull, --keep and --no-cache ask for, for the command that runs in this thread."""
    from layerscope.sources.engine.options import EngineOptions

    context = click.get_current_context(silent=True)
    noted = context.meta if context is not None else {}
    return EngineOptions(
        pull=bool(noted.get(PULL)),
        keep=noted.get(KEEP),
        needs_bytes=needs_bytes,
        needs_tars=needs_tars,
        cache=open_cache(),
    )


MOST_PROBLEMS = 10
NO_CACHE = "LAYERSCOPE_NO_CACHE"


def platform_option(command: Command) -> Command:
    """`--platform`; and, for every command that takes it reads layers, `--no-cache`, which `open_cache` looks up."""
    no_cache = click.option(
        "--no-cache",
        is_flag=True,
        expose_value=False,
        callback=_note,
        help="Read every layer, though it was read before, and keep nothing of it.",
    )
    platform = click.option(
        "--platform", metavar="OS/ARCH[/VARIANT]", help="Which platform of an image that has several; default this machine's."
    )
    return platform(no_cache(command))


base_option = click.option(
    "--base",
    shell_complete=complete_image,
    metavar="N|IMAGE",
    help="How many of the layers are the base's, or the base image itself; its waste is reported apart from yours.",
)
json_lines_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
layer_option = click.option(
    "--layer", type=click.IntRange(min=1), metavar="N", help="As it is after layer N; default the last."
)


def open_image(
    reference: str,
    platform: str | None,
    progress: Watch,
    *,
    engine_options: EngineOptions | None = None,
    may_change: bool = False,
) -> Image:
    """Open what the user named. `engine_options` are needed outside of the command's own thread."""
    from layerscope.oci.platform import Platform
    from layerscope.sources.open import open_image as open_source

    wanted = Platform.parse(platform) if platform else None
    engine_options = chosen_engine_options() if engine_options is None else engine_options
    return open_source(
        reference,
        platform=wanted,
        stdin=sys.stdin.buffer,
        progress=progress,
        engine_options=engine_options,
        may_change=may_change,
    )


def open_cache() -> Cache | None:
    """The cache of layers, for the command that runs in this thread; None where --no-cache or LAYERSCOPE_NO_CACHE says so."""
    if os.environ.get(NO_CACHE) or _noted("no_cache"):
        return None
    from layerscope.cache.cache import Cache

    return Cache.open()


def read_image(reference: str, platform: str | None, *, keep_seek_points: bool = False) -> Contents:
    """Open and read an image, with progress. What is damaged is said on standard error."""
    from layerscope.analysis import read_image as read

    with Progress() as progress:
        image = open_image(reference, platform, progress, engine_options=chosen_engine_options(needs_bytes=keep_seek_points))
        return read(image, progress=progress, keep_seek_points=keep_seek_points, cache=open_cache())


def analyze_image(
    reference: str, platform: str | None, base: str | None, *, may_change: bool = False, is_judged: bool = False
) -> Analysis:
    """Open, read and analyze an image, with progress; one whose file `may_change` meanwhile, from a copy.

    Where it `is_judged`, digests are checked unless --no-verify says otherwise; raises NotAnImage then for what is none and was
    not said to be a layer.
    """
    from layerscope.analysis import analyze
    from layerscope.analysis import read_image as read
    from layerscope.errors import NotAnImage
    from layerscope.sources.base import find_base

    with Progress() as progress:
        image = open_image(reference, platform, progress, may_change=may_change)
        if is_judged and image.is_guessed:
            raise NotAnImage(_not_judged(image))
        found = find_base(image, base, open_base=lambda name: open_image(name, str(image.platform), progress))
        contents = read(image, progress=progress, cache=open_cache(), verify=is_judged and not _noted("no_verify"))
        progress("looking for waste", 0, 0)
        analysis = analyze(contents, base_layers=found.layers, base_name=found.name)
    remember_waste(analysis, open_cache())
    return analysis


def _not_judged(image: Image) -> str:
    from layerscope.text import escape

    name = escape(image.reference)
    return f"{name} is not a container image but {image.noun}; to judge it as an image of one layer, name it layer:{name}"


def remember_waste(analysis: Analysis, cache: Cache | None) -> None:
    """Keep what an engine's image wastes for `layerscope images`, where reading it again would be too dear."""
    from layerscope.families.remembered import remember_layers
    from layerscope.sources.location import locate

    chain_id = next((layer.chain_id for layer in reversed(analysis.image.layers)), None)
    if chain_id is not None and analysis.contents.is_complete and locate(analysis.image.reference).engine is not None:
        remember_layers(cache, chain_id, analysis.waste.wasted_bytes)


def damage_exit_code(contents: Contents) -> int:
    """Say on standard error what is damaged; 2 when anything is, for then the figures are not whole."""
    from layerscope.wording.problems import problem_text

    fatal = [problem for problem in contents.problems if problem.is_fatal]
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
