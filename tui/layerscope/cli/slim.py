"""`layerscope slim`: the same files in fewer bytes, as a new image that is proved before it is kept."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerscope.cli.completion import complete_image
from layerscope.cli.options import (
    NEEDS_TARS,
    analyze_image,
    base_option,
    complete_file,
    no_registry_option,
    platform_option,
    pull_option,
    registry_options,
)
from layerscope.cli.output import Progress, check_writable, is_stdout, output_style, spare_the_image, write_bytes
from layerscope.cli.slim_layers import LayerWishes, layer_options
from layerscope.cli.slim_load import LoadDestination, LoadOptions, check_load, destination, private_place
from layerscope.cli.slim_push import SlimPush

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.report.slim import SlimOutcome
    from layerscope.slim.output import Format
    from layerscope.slim.plan import Plan, SlimOptions
    from layerscope.slim.write import Slimmed, WriteOptions

FORMATS = ("docker-archive", "oci-archive", "oci")
COMPRESSIONS = ("gzip", "zstd", "none")
ENGINES = ("docker", "podman")
CAUSES = ("overwritten", "metadata", "identical", "deleted", "moved", "shadowed")


@click.command()
@click.argument("reference", metavar="IMAGE", shell_complete=complete_image)
@click.option(
    "-o", "--output", "out", metavar="OUT", shell_complete=complete_file, help="Write the image: FILE, DIR/, or FORMAT:PATH."
)
@click.option("--load", is_flag=True, help="Load the image into the engine that IMAGE is from; default name: NAME:TAG-slimmed.")
@click.option("--engine", type=click.Choice(ENGINES), help="The engine to load into, another than that of IMAGE.")
@click.option("--push", metavar="NAME[:TAG]", help="Push the image to a registry once it is proved.")
@click.option("--dry-run", is_flag=True, help="Only say what can be saved, and with --push what would be sent.")
@click.option("--only", "causes", type=click.Choice(CAUSES), multiple=True, help="Leave out only this cause's. Repeatable.")
@click.option("--drop", metavar="GLOB", multiple=True, help="Leave out paths like this although they are seen. Repeatable.")
@click.option("--keep", metavar="GLOB", multiple=True, help="Leave paths like this as they are. Repeatable.")
@layer_options
@click.option("--base-too", is_flag=True, help="Rewrite layers of the base image, too; they are then no longer shared with it.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="The form of OUT; default: a directory for a directory.")
@click.option(
    "--compression", metavar="gzip|zstd|none[:LEVEL]", help="How rewritten layers are compressed; default: as each was."
)
@click.option("--tag", metavar="NAME", help="The name of the new image; default: in OUT the one it has.")
@click.option("--proof", metavar="FILE", shell_complete=complete_file, help="Write what was compared, as JSON.")
@click.option("--always", is_flag=True, help="Write, load or push it even if there is nothing to save.")
@click.option("--force", is_flag=True, help="Replace OUT, what has the name to load under, or IMAGE by what is pushed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@platform_option
@base_option
@pull_option
@registry_options
@no_registry_option
def slim(  # noqa: PLR0913, PLR0917 - one parameter an option
    reference: str,
    out: str | None,
    causes: tuple[str, ...],
    drop: tuple[str, ...],
    keep: tuple[str, ...],
    form: str | None,
    compression: str | None,
    tag: str | None,
    proof: str | None,
    platform: str | None,
    base: str | None,
    engine: str | None,
    push: str | None,
    *,
    wishes: LayerWishes,
    load: bool,
    dry_run: bool,
    base_too: bool,
    always: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Leave out of IMAGE what no container sees, and write the rest as a new image.

    Layers without waste keep their bytes and digests, so that they stay shared, and so do layers of a known base image.
    OUT gets its name only when it was read back and every file in it proved to be the same.

    \b
    Examples:
      layerscope slim myimage
      layerscope slim myimage --load
      layerscope slim myimage -o slim.tar
      layerscope slim myimage -o oci:slim --compression zstd
      layerscope slim myimage -o slim.tar --drop '/usr/share/doc'
      layerscope slim docker://ghcr.io/team/app:1 --push ghcr.io/team/app:1-slim
    """
    from layerscope.report.slim import SlimOutcome, slim_json, slim_lines
    from layerscope.slim.plan import plan_slim
    from layerscope.slim.unmatched import find_unmatched

    target = None if dry_run or out is None else _target(reference, out, form)
    written_as = _write_options(target, compression, tag)
    if load or engine:
        check_load(target[1] if target else None, is_dry=dry_run, is_load=load)
    pushing = SlimPush(push, reference, tag=None if out or load else tag, is_forced=force) if push else None
    is_made = not dry_run and bool(target or load or pushing)
    if is_made:
        _spare(reference, target[0] if target else None, proof, is_forced=force)
        click.get_current_context().meta[NEEDS_TARS] = True
    wanted = LoadOptions(written_as.name, engine, is_forced=force)
    with destination(reference, wanted) if load else nullcontext() as there:
        analysis = analyze_image(reference, platform, base, is_judged=True)
        options = _options(analysis, causes, keep, drop, base_too=base_too)
        plan = plan_slim(analysis, wishes.applied(options, len(analysis.image.layers)))
        done = SlimOutcome(plan)
        if is_made and (plan.rewritten or always):
            done = _done(plan, target[0] if target else None, (there, pushing), written_as, is_always=always)
        elif pushing and (plan.rewritten or always):
            done = SlimOutcome(plan, pushed=pushing.look(plan))
    done = replace(done, unmatching=find_unmatched(done.plan, [layer.number for layer in done.plan.rewritten]))
    if proof and done.slimmed:
        write_bytes(proof, slim_json(done))
    if as_json:
        sys.stdout.buffer.write(slim_json(done))
    else:
        for line in slim_lines(done, output_style(), place=out):
            click.echo(line)
    sys.stdout.flush()
    return int(done.slimmed is None and done.plan.is_over_budget)


def _options(
    analysis: Analysis, causes: tuple[str, ...], keep: tuple[str, ...], drop: tuple[str, ...], *, base_too: bool
) -> SlimOptions:
    from layerscope.slim.plan import SlimOptions
    from layerscope.waste.find import Cause

    chosen = frozenset(cause for cause in Cause if not causes or cause.word in causes)
    return SlimOptions(chosen, 0 if base_too else analysis.base_layers or 0, keep, drop)


def _target(reference: str, out: str, form: str | None) -> tuple[Path, Format]:
    """Return where to write and in which form: as `out` spells it, else as the option says, else like the original."""
    from layerscope.errors import UsageError
    from layerscope.slim.output import Format
    from layerscope.slim.target import target_of

    prefix, colon, path = out.partition(":")
    if colon and prefix in FORMATS:
        if form not in (None, prefix):
            raise UsageError(f"-o says {prefix}, --format {form}: give one of them")
        form, out = prefix, path
    if not out or is_stdout(out):
        raise UsageError("-o: name a file or a directory; an image is not written to standard output")
    if form is None:
        return target_of(out, reference)
    return Path(out), Format(form)


def _write_options(target: tuple[Path, Format] | None, compression: str | None, tag: str | None) -> WriteOptions:
    from layerscope.errors import UsageError
    from layerscope.layers.compression import Compression
    from layerscope.layers.packing import LEVELS
    from layerscope.slim.output import Format
    from layerscope.slim.write import WriteOptions
    from layerscope.text import escape

    chosen, level = None, None
    if compression is not None:
        name, colon, digits = compression.partition(":")
        chosen = next((each for each in LEVELS if each.value == name), None)
        level = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 2 else None
        if chosen is None or (colon and (level is None or level not in LEVELS[chosen] or chosen is Compression.NONE)):
            raise UsageError(f"--compression {escape(compression[:60])}: give gzip[:1 to 9], zstd[:1 to 19] or none")
    return WriteOptions(target[1] if target else Format.DOCKER_ARCHIVE, _name(tag), chosen, level)


def _name(tag: str | None) -> str | None:
    """Return the name of the new image with its tag, `latest` by default; empty for no name."""
    from layerscope.errors import UsageError
    from layerscope.oci.reference import DEFAULT_TAG, tag_of
    from layerscope.sources.registry.registry_name import parse_image_name

    if not tag:
        return tag
    if parse_image_name(tag).digest:
        raise UsageError("--tag: give a name without a digest")
    return tag if tag_of(tag) else f"{tag}:{DEFAULT_TAG}"


def _spare(reference: str, place: Path | None, proof: str | None, *, is_forced: bool) -> None:
    """Raise UsageError where writing would destroy the image itself, WouldOverwrite where something else is.

    Raises CannotWrite where the proof could not be written in the end.
    """
    from layerscope.errors import UsageError
    from layerscope.slim.target import check_target
    from layerscope.sources.location import locate

    original = locate(reference).path
    for option, name in {"-o": str(place) if place else None, "--proof": proof}.items():
        if name:
            spare_the_image(reference, name, option=option)
            if original and os.path.realpath(original) in map(str, Path(os.path.realpath(name)).parents):
                raise UsageError(f"{option} would write into the image itself")
    if proof and place and os.path.realpath(proof) == os.path.realpath(place):
        raise UsageError("--proof would overwrite what -o writes")
    if proof:
        check_writable(proof)
    if place is not None:
        check_target(place, reference, may_replace=is_forced)


def _done(
    plan: Plan,
    place: Path | None,
    places: tuple[LoadDestination | None, SlimPush | None],
    options: WriteOptions,
    *,
    is_always: bool,
) -> SlimOutcome:
    """Write the image to `place`, or where nobody else sees it, and load and push it where that is wanted."""
    from layerscope.report.slim import SlimOutcome

    there, pushing = places
    options = replace(options, may_grow=is_always)
    if there:
        options = replace(options, name=there.name(plan.analysis.image))
    if pushing:
        pushing.check(plan.analysis.image)
        options = replace(options, packs_all=True)
    with nullcontext(place) if place else private_place() as archive:
        plan, slimmed = _written(plan, archive, options, is_always=is_always)
        if slimmed is None:
            return SlimOutcome(plan)
        loaded = there.load(archive, slimmed) if there else None
        pushed = pushing.push(slimmed, archive, is_kept=place is not None) if pushing else None
        return SlimOutcome(plan, slimmed, loaded, pushed)


def _written(plan: Plan, place: Path, options: WriteOptions, *, is_always: bool) -> tuple[Plan, Slimmed | None]:
    """Write the image; return what was done, which may be less than planned, or even nothing."""
    from layerscope.slim.write import NothingSaved, write_slim

    with Progress() as progress:
        try:
            slimmed = write_slim(plan, place, options, progress=progress)
        except NothingSaved as nothing:
            if not is_always:
                return nothing.plan, None
            slimmed = write_slim(nothing.plan, place, options, progress=progress)
    return slimmed.plan, slimmed
