"""`layerscope images`: families of images that share layers, and what each costs on a disk that stores a layer once."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from layerscope.cli.completion import complete_image
from layerscope.cli.options import chosen_engine_options, no_registry_option, open_cache, registry_options
from layerscope.cli.output import Progress, output_style
from layerscope.cli.screen import can_show_screen, read_keys_from_terminal, run_screen, tune_textual

if TYPE_CHECKING:
    from layerscope.cache.cache import Cache
    from layerscope.errors import AmbiguousImage
    from layerscope.progress import Progress as Watch
    from layerscope.sources.listing.found import FoundImage, FoundImages


@click.command()
@click.argument("references", nargs=-1, metavar="[IMAGE...]", shell_complete=complete_image)
@click.option("--analyze", "is_analyzed", is_flag=True, help="Read all layers to find what each image wastes.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON: one object.")
@click.option("--text", "is_text", is_flag=True, help="Print the tree instead of opening the screen.")
@registry_options
@no_registry_option
def images(references: tuple[str, ...], *, is_analyzed: bool, is_json: bool, is_text: bool) -> int:
    """Show which images build on which, what they share, and what removing each would free.

    IMAGE is an archive or layout (all images in it), FILE:TAG, an engine's NAME or docker://NAME in a registry (one image),
    or `docker:` or `podman:` (all images of that engine). Default: all images of the engine. An image is listed below the
    one whose layers it starts with. No layer is read without --analyze.

    \b
    Examples:
      layerscope images
      layerscope images base.tar app.tar layout/ --text
      layerscope images --json | jq -r '.images[] | select(.freed_by_removal > 1e9) | .tags[]'
    """
    from layerscope.sources.listing.find_images import find_images
    from layerscope.sources.listing.known_waste import recall_waste

    with Progress() as progress:
        all_images = recall_waste(
            open_cache(),
            find_images(references, stdin=sys.stdin.buffer, engine_options=chosen_engine_options(), progress=progress),
        )
        if is_analyzed:
            all_images = _analyzed(all_images, progress)
    code = 0
    if all_images.found and not is_json and not is_text and can_show_screen(*references):
        code = show_screen(all_images.found, references)
    else:
        _write(all_images, is_json=is_json)
    for problem in all_images.problems:
        click.echo(f"layerscope: {problem}", err=True)
    return code or (2 if all_images.problems else 0)


def choose_on_screen(reference: str, ambiguous: AmbiguousImage) -> int:
    """List the images that `reference` may mean on the screen, to open one. Raises `ambiguous` if they cannot be listed."""
    from layerscope.sources.listing.find_images import find_images
    from layerscope.sources.listing.known_waste import recall_waste
    from layerscope.sources.location import locate

    if locate(reference).is_stdin:  # it was read, and cannot be read again
        raise ambiguous
    with Progress() as progress:
        engine_options = chosen_engine_options()
        all_images = recall_waste(open_cache(), find_images((reference,), engine_options=engine_options, progress=progress))
    if len(all_images.found) < 2:
        raise ambiguous
    return show_screen(all_images.found, (reference,))


def _analyzed(all_images: FoundImages, progress: Watch) -> FoundImages:
    """Return the images with their wasted bytes, after reading every image where these are not known yet.

    The waste of an image that cannot be read stays unknown, and the reason is added to the problems.
    """
    from layerscope.errors import LayerscopeError
    from layerscope.sources.listing.known_waste import remember_waste

    found, problems = [], list(all_images.problems)
    for number, each in enumerate(all_images.found, 1):
        try:
            found.append(_with_waste(each, _Numbered(progress, number, len(all_images.found))))
        except LayerscopeError as error:
            found.append(each)
            problems.append(str(error))
    remember_waste(open_cache(), [each.facts for each in found])
    return replace(all_images, found=found, problems=problems)


class _Numbered:
    """A progress callback for one of several images: it puts `image 2 of 5: ` in front of the stage."""

    def __init__(self, progress: Watch, number: int, count: int) -> None:
        self._progress, self._prefix = progress, f"image {number} of {count}: "

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._progress(self._prefix + stage, done, total)


def _with_waste(each: FoundImage, progress: Watch) -> FoundImage:
    """Return the image with its wasted bytes, reading it unless they are known. They stay unknown if layers are missing."""
    if each.facts.wasted_bytes is not None:
        return each
    return replace(each, facts=each.facts.wasting(_waste_of(each, progress, open_cache())))


def _waste_of(each: FoundImage, progress: Watch, cache: Cache | None) -> int | None:
    """Read an image and return its wasted bytes; None if layers are missing."""
    from layerscope.analysis import analyze, read_image

    contents = read_image(each.open(progress), progress=progress, cache=cache)
    return analyze(contents).waste.wasted_bytes if contents.is_complete else None


def _write(all_images: FoundImages, *, is_json: bool) -> None:
    from layerscope.families.figures import LayerUsage
    from layerscope.report.families import families_json, families_text

    usage = LayerUsage.of(each.facts for each in all_images.found)
    if is_json:
        sys.stdout.buffer.write(families_json(usage, [each.reference for each in all_images.found], all_images.problems))
    elif all_images.found or not all_images.problems:
        sys.stdout.write(families_text(usage, output_style()))
    sys.stdout.flush()


def show_screen(found: list[FoundImage], references: tuple[str, ...]) -> int:
    """List images on the screen, and open those that the user chooses."""
    tune_textual()
    from layerscope.app.images.images_screen import ImageList
    from layerscope.sources.listing.known_waste import remember_waste

    read_keys_from_terminal(*references)
    cache = open_cache()

    def learned(each: FoundImage, wasted_bytes: int) -> None:
        remember_waste(cache, [each.facts.wasting(wasted_bytes)])

    return run_screen(ImageList(found, partial(_waste_of, cache=cache), learned))
