"""`layerscope build`: the engine builds, with its own output, and what it built is shown."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import click

from layerscope.errors import NotFound

BUILDERS = ("docker", "podman")
CHOSEN_BY = "LAYERSCOPE_BUILDER"


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[BUILD ARGUMENTS]...")
def build(arguments: tuple[str, ...]) -> int:
    """Build an image with docker or podman, then explore it.

    All arguments are the engine's own, and so is the output; the exit code of a build that fails is passed on. Docker is taken
    where it is installed, else Podman; LAYERSCOPE_BUILDER=podman chooses.

    \b
    Examples:
      layerscope build -t myimage .
      LAYERSCOPE_BUILDER=podman layerscope build -f Containerfile .
    """
    from layerscope.cli.report import show_image

    builder = _builder()
    with tempfile.TemporaryDirectory(prefix="layerscope-") as directory:
        given = _given_file(arguments)
        file = given or Path(directory, "image-id")
        added = [] if given else [f"--iidfile={file}"]
        code = _run([builder, "build", *added, *arguments])
        if code:
            return code
        identity = _identity(file)
    return show_image(f"{Path(builder).name}:{identity}")


def _builder() -> str:
    chosen = os.environ.get(CHOSEN_BY)
    for name in (chosen,) if chosen else BUILDERS:
        found = shutil.which(name)
        if found:
            return found
    if chosen:
        raise NotFound(f"there is no program {chosen!r}, which {CHOSEN_BY} names")
    raise NotFound("there is neither docker nor podman to build with")


def _run(command: list[str]) -> int:
    """Run it on our own streams; Ctrl-C is for it, and its exit code then is what counts."""
    process = subprocess.Popen(command)  # noqa: S603 - what the user asked for
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else 128 - code


def _given_file(arguments: tuple[str, ...]) -> Path | None:
    """Where the user wants the image's id written anyway."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--iidfile="):
            return Path(argument.partition("=")[2])
        if argument == "--iidfile" and index + 1 < len(arguments):
            return Path(arguments[index + 1])
    return None


def _identity(file: Path) -> str:
    try:
        identity = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        identity = ""
    if not identity:
        raise NotFound("the build left no image in the engine (with --output or --push it goes elsewhere)")
    return identity
