"""Where the new image is to go: how it is spelled, and what must not be there."""

from __future__ import annotations

import os
from pathlib import Path

from layerscope.errors import CannotWrite, UsageError, WouldOverwrite
from layerscope.slim.output import Format
from layerscope.sources.location import locate
from layerscope.text import escape

FORCE = "; name another file, or give --force"
"""Ends the sentence about a file that is there; the screen asks in another way."""


def target_of(out: str, reference: str) -> tuple[Path, Format]:
    """Return the path and form that `out` spells: `FORM:PATH`, `DIR/`, or a path, which gets the form of `reference`.

    That is a layout for an image in a directory, else an archive.
    """
    prefix, colon, path = out.partition(":")
    if colon and prefix in list(Format):
        return Path(path), Format(prefix)
    original = locate(reference).path
    is_directory = out.endswith("/") or Path(out).is_dir() or (original is not None and original.is_dir())
    return Path(out), Format.OCI if is_directory else Format.DOCKER_ARCHIVE


def check_target(place: Path, reference: str, *, may_replace: bool) -> None:
    """Check that an image may be written to `place`.

    Raises UsageError if that would destroy the image `reference` itself, CannotWrite for what is not replaced, WouldOverwrite
    for a file that is there, unless it may be replaced.
    """
    original, shown = locate(reference).path, escape(str(place))
    if original is not None and original.exists():
        real, of_image = os.path.realpath(place), os.path.realpath(original)
        if real == of_image or (place.exists() and place.samefile(original)) or real.startswith(f"{of_image}/"):
            raise UsageError(f"{shown} is the image itself")
    if place.is_dir() and any(place.iterdir()):
        raise CannotWrite(f"{shown} is a directory with something in it; name another")
    if place.exists() and not place.is_dir() and not place.is_file():
        raise CannotWrite(f"{shown} is neither a file nor a directory; name another")
    if not place.is_dir() and (place.exists() or place.is_symlink()) and not may_replace:
        raise WouldOverwrite(f"{shown} is there already{FORCE}")
