"""What commands share: the IMAGE argument, common options, and opening and reading an image with progress."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from layerscope.cli.completion import complete_image
from layerscope.cli.output import Progress
from layerscope.progress import Progress as Watch
from layerscope.text import NOT_ON

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.cache.cache import Cache
    from layerscope.sources.image import Image
    from layerscope.sources.location import EngineOptions

Command = TypeVar("Command", bound=Callable[..., Any])


def complete_file(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file name."""
    return [CompletionItem(incomplete, type="file")]


NO_REGISTRY_OPTION = "layerscope.no_registry"
PULL, KEEP, SAID = "layerscope.pull", "layerscope.keep", "layerscope.said"
NEEDS_TARS = "layerscope.needs_tars"
"""Set in the context of a command that needs the tars of all layers, which an engine then exports."""


def _note(context: click.Context, parameter: click.Parameter, value: object) -> None:
    context.meta[f"layerscope.{parameter.name}"] = value


def _noted(name: str) -> object:
    """Return the value of an option that `_note` kept, of the command that runs in this thread; None if it was not given."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(f"layerscope.{name}")


no_verify_option = click.option(
    "--no-verify",
    is_flag=True,
    expose_value=False,
    callback=_note,
    help="Skip hashing layers to check their digests; the report says so.",
)


trust_toc_option = click.option(
    "--trust-toc",
    is_flag=True,
    expose_value=False,
    callback=_note,
    help="Judge layers of a registry by their tables of contents, without checking these; the report says so.",
)


compare_contents_option = click.option(
    "--compare-contents",
    is_flag=True,
    expose_value=False,
    callback=_note,
    help="Fetch files of one size from a registry where nothing else tells whether they are the same.",
)


pull_option = click.option(
    "--pull", is_flag=True, expose_value=False, callback=_note, help="Pull the image first if the engine does not have it."
)


def engine_options(command: Command) -> Command:
    """Add --pull and --keep, which every command that takes an IMAGE has; `chosen_engine_options` reads them."""
    keep = click.option(
        "--keep",
        metavar="DIR",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_note,
        help="If the engine has to export the image, keep the archive as DIR/NAME.tar.",
    )
    return pull_option(keep(registry_options(no_registry_option(command))))


def registry_options(command: Command) -> Command:
    """Add --insecure and --limit-rate, which every command that may ask a registry has."""
    insecure = click.option(
        "--insecure",
        metavar="HOST",
        multiple=True,
        expose_value=False,
        callback=_note,
        help="Let this registry answer without TLS, or with any certificate. Repeatable.",
    )
    limit_rate = click.option(
        "--limit-rate", metavar="SIZE", expose_value=False, callback=_note, help="Fetch at most SIZE a second from registries."
    )
    return insecure(limit_rate(command))


no_registry_option = click.option(
    "--no-registry",
    is_flag=True,
    expose_value=False,
    callback=_note,
    help="If no engine has the image, do not look for it in its registry.",
)


def image_argument(command: Command) -> Command:
    """Add the argument IMAGE and the options of engines and registries to a command."""
    return click.argument("reference", metavar="IMAGE", shell_complete=complete_image)(engine_options(command))


def chosen_engine_options(
    *, needs_bytes: bool = False, needs_tars: bool = False, say: Callable[[str], None] | None = None
) -> EngineOptions:
    """Collect --pull, --keep, --no-cache and the options of registries of the command that runs in this thread.

    `say` shows the user a sentence; by default on standard error, each once a command. Raises BadSettings and UsageError.
    """
    from layerscope.settings import read_registry_settings
    from layerscope.sources.location import EngineOptions

    settings = read_registry_settings()
    context = click.get_current_context(silent=True)
    noted: dict[str, Any] = context.meta if context is not None else {}
    return EngineOptions(
        pull=bool(noted.get(PULL)),
        keep=noted.get(KEEP),
        needs_bytes=needs_bytes,
        needs_tars=needs_tars or bool(noted.get(NEEDS_TARS)),
        cache=open_cache(),
        insecure=_insecure_hosts(settings.insecure),
        bytes_per_second=_bytes_per_second(settings.limit_rate),
        keep_windows=_are_windows_kept(are_kept=settings.keep_windows),
        or_registry=not _is_registry_forbidden(is_forbidden=settings.no_registry),
        say=say or partial(_say_once, noted.setdefault(SAID, set())),
        trust_toc=cast("bool | None", _noted("trust_toc")),
        compare_contents=bool(_noted("compare_contents")),
    )


def say_on_stderr(sentence: str) -> None:
    """Print a sentence on standard error, in place of the line of progress if there is one."""
    erased = "\r\x1b[K" if sys.stderr.isatty() else ""
    click.echo(f"{erased}layerscope: {sentence}", err=True)


def _say_once(said: set[str], sentence: str) -> None:
    """Print a sentence on standard error unless it is in `said`: several images of a command may have the same to say."""
    if sentence not in said:
        said.add(sentence)
        say_on_stderr(sentence)


INSECURE, LIMIT_RATE, NO_REGISTRY = "LAYERSCOPE_INSECURE", "LAYERSCOPE_LIMIT_RATE", "LAYERSCOPE_NO_REGISTRY"
KEEP_WINDOWS = "LAYERSCOPE_KEEP_WINDOWS"


def _insecure_hosts(stated: tuple[str, ...]) -> tuple[str, ...]:
    """Return the registries that need no valid TLS, from --insecure, LAYERSCOPE_INSECURE and the config file (`stated`).

    In the variable, commas or spaces separate them.
    """
    named = [*cast(Sequence[str], _noted("insecure") or ()), *re.split(r"[,\s]+", os.environ.get(INSECURE, "")), *stated]
    return tuple(dict.fromkeys(host for each in named if (host := each.partition("://")[2] or each)))


def _bytes_per_second(stated: str) -> int:
    """Return the rate limit from --limit-rate, LAYERSCOPE_LIMIT_RATE or the config file (`stated`), in this order; 0 for none.

    Raises UsageError.
    """
    from layerscope.errors import UsageError
    from layerscope.text import escape
    from layerscope.units import parse_size

    given = {"--limit-rate": cast(str, _noted("limit_rate")), LIMIT_RATE: os.environ.get(LIMIT_RATE), "limit_rate": stated}
    name, text = next(((name, text) for name, text in given.items() if text), ("", ""))
    rate = parse_size(text) if text else 0
    if text and not rate:
        raise UsageError(f"{name} {escape(text[:60])}: give a size above 0, such as 5MB")
    return rate or 0


def _are_windows_kept(*, are_kept: bool) -> bool:
    named = os.environ.get(KEEP_WINDOWS, "").lower()
    return named not in NOT_ON if named else are_kept


def _is_registry_forbidden(*, is_forbidden: bool) -> bool:
    named = os.environ.get(NO_REGISTRY, "").lower()
    return bool(_noted("no_registry")) or (named not in NOT_ON if named else is_forbidden)


MOST_PROBLEMS = 10
NO_CACHE = "LAYERSCOPE_NO_CACHE"


def no_cache_option(command: Command) -> Command:
    """Add --no-cache, which `open_cache` reads."""
    option = click.option(
        "--no-cache",
        is_flag=True,
        expose_value=False,
        callback=_note,
        help="Ignore the cache: read every layer again and store nothing.",
    )
    return option(command)


def platform_option(command: Command) -> Command:
    """Add --platform and --no-cache, which every command that reads layers has."""
    platform = click.option(
        "--platform", metavar="OS/ARCH[/VARIANT]", help="Select a platform of a multi-platform image; default: this machine's."
    )
    return platform(no_cache_option(command))


dockerfile_option = click.option(
    "--dockerfile",
    metavar="FILE",
    type=click.Path(path_type=Path),
    shell_complete=complete_file,
    help="The Dockerfile that made IMAGE; default: the one in the context.",
)
context_option = click.option(
    "--context",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The directory that is built; default: the Dockerfile's, else this one.",
)
base_option = click.option(
    "--base",
    shell_complete=complete_image,
    metavar="N|IMAGE",
    help="The base image, or the number of layers that come from it; its waste is reported separately.",
)
json_lines_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
layer_option = click.option(
    "--layer", type=click.IntRange(min=1), metavar="N", help="The state after layer N; default: the last layer."
)


def open_image(
    reference: str,
    platform: str | None,
    progress: Watch,
    *,
    engine_options: EngineOptions | None = None,
    may_change: bool = False,
) -> Image:
    """Open the image that the user named. Outside of the command's own thread, pass `engine_options`."""
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
    """Open the cache of layers for the command that runs in this thread; None with --no-cache or LAYERSCOPE_NO_CACHE."""
    if os.environ.get(NO_CACHE) or _noted("no_cache"):
        return None
    from layerscope.cache.cache import Cache

    return Cache.open()


def read_image(reference: str, platform: str | None, *, keep_seek_points: bool = False) -> Contents:
    """Open and read an image, with progress."""
    from layerscope.analysis import read_image as read

    with Progress() as progress:
        image = open_image(reference, platform, progress, engine_options=chosen_engine_options(needs_bytes=keep_seek_points))
        return read(image, progress=progress, keep_seek_points=keep_seek_points, cache=open_cache())


def analyze_image(
    reference: str,
    platform: str | None,
    base: str | None,
    *,
    dockerfile: Path | None = None,
    may_change: bool = False,
    is_judged: bool = False,
) -> Analysis:
    """Open, read and analyze an image, with progress. A file that `may_change` meanwhile is copied first.

    Without a `base` that is named or stated, it is what `dockerfile` tells, or else the Dockerfile of this directory.

    If the image `is_judged`, check digests (unless --no-verify is given), believe no layer's table of contents (unless
    --trust-toc is), and raise NotAnImage for a root filesystem or layer that was not named as layer:FILE.
    """
    from layerscope.analysis import analyze
    from layerscope.analysis import read_image as read
    from layerscope.cli.advising import known_base
    from layerscope.gate.evaluate import refuse_guessed

    with Progress() as progress:
        chosen = chosen_engine_options()
        options = replace(chosen, trust_toc=bool(chosen.trust_toc)) if is_judged else chosen
        image = open_image(reference, platform, progress, engine_options=options, may_change=may_change)
        if is_judged:
            refuse_guessed(image)
        found = known_base(
            image, base, open_base=lambda name: open_image(name, str(image.platform), progress), dockerfile=dockerfile
        )
        contents = read(image, progress=progress, cache=open_cache(), verify=is_judged and not _noted("no_verify"))
        progress("looking for waste", 0, 0)
        analysis = analyze(contents, base_layers=found.layers, base_name=found.name, base_known_by=found.known_by)
    remember_waste(analysis, open_cache())
    return analysis


def analyze_images(named: Sequence[tuple[str, str | None]]) -> list[Analysis]:
    """Open, read and analyze images, each a reference and a platform. Layers of registries that several have are read once."""
    from layerscope.analysis import analyze
    from layerscope.analysis import read_image as read
    from layerscope.sources.location import locate

    with Progress() as progress:
        options = chosen_engine_options()
        if any(locate(name).path is None for name, _ in named):
            from layerscope.sources.registry.visit import RegistryVisit  # takes 50 ms

            options = replace(options, visit=RegistryVisit())
        images = [open_image(name, platform, progress, engine_options=options) for name, platform in named]
        analyses = [analyze(read(image, progress=progress, cache=open_cache())) for image in images]
    for analysis in analyses:
        remember_waste(analysis, open_cache())
    return analyses


def remember_waste(analysis: Analysis, cache: Cache | None) -> None:
    """Cache the waste of an engine's image for `layerscope images`, which reads no layers."""
    from layerscope.sources.listing.known_waste import remember_layers
    from layerscope.sources.location import locate

    chain_id = next((layer.chain_id for layer in reversed(analysis.image.layers)), None)
    if chain_id is not None and analysis.contents.is_complete and locate(analysis.image.reference).engine is not None:
        remember_layers(cache, chain_id, analysis.waste.wasted_bytes)


def damage_exit_code(contents: Contents) -> int:
    """Print damage to standard error and return the exit code: 2 if anything is damaged, for then figures are incomplete."""
    from layerscope.wording.findings import problem_text

    fatal = [problem for problem in contents.problems if problem.is_fatal]
    for problem in fatal[:MOST_PROBLEMS]:
        click.echo(f"layerscope: {problem_text(contents.image, problem)}", err=True)
    if len(fatal) > MOST_PROBLEMS:
        click.echo(f"layerscope: and {len(fatal) - MOST_PROBLEMS:,} more (layerscope IMAGE --json - lists all)", err=True)
    return 2 if fatal else 0


def checked_layer(contents: Contents, layer: int | None) -> int:
    """Return the layer that --layer selects, by default the last. Raises UsageError if there is no such layer."""
    from layerscope.errors import UsageError

    count = len(contents.image.layers)
    if layer is not None and layer > count:
        raise UsageError(f"--layer {layer}: the image has {count} layers")
    return layer or count
