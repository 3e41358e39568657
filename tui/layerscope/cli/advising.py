"""What to change in an image's Dockerfile, as `ci` and the report find it: which file is read, and how reports name it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from layerscope.advice.advice import Advice
    from layerscope.analysis import Analysis
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image

WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables in which GitHub and GitLab name the directory of the repository."""


def known_base(image: Image, given: str | None, *, open_base: Callable[[str], Image], dockerfile: Path | None = None) -> Base:
    """Find the base that the user named, or that the image states, or else the Dockerfile: the named one, or the one here.

    Raises what `find_base` raises, and BadDockerfile if the named file cannot be read.
    """
    from layerscope.advice.advise import find_dockerfile
    from layerscope.advice.dockerfile.mapped_base import mapped_base
    from layerscope.advice.dockerfile.stages import parse_dockerfile, read_text
    from layerscope.errors import BadDockerfile
    from layerscope.sources.base import Base, find_base
    from layerscope.text import escape

    found = find_base(image, given, open_base=open_base)
    place = dockerfile or find_dockerfile(Path())
    if found.layers is not None or place is None:
        return found
    name = escape(place.name)
    try:
        mapped = mapped_base(image, parse_dockerfile(read_text(place, name=name), name=name), name=name)
    except BadDockerfile:
        if dockerfile:
            raise
        mapped = Base()  # a note says so, where fixes are looked for
    return found if mapped.layers is None else mapped


def with_instructions(image: Image, base_layers: int | None, dockerfile: Path | None, *, context: Path | None = None) -> Image:
    """Return the image with the instructions that made its layers, as far as the Dockerfile tells that `find_advice` reads.

    If that cannot be read, nothing is known, and `find_advice` says why. The first `base_layers` layers are the base's.
    """
    from layerscope.advice.advise import find_dockerfile
    from layerscope.advice.dockerfile.mapping import map_layers
    from layerscope.advice.dockerfile.stages import parse_dockerfile, read_text
    from layerscope.errors import BadDockerfile
    from layerscope.sources.image import WrittenInstruction
    from layerscope.text import escape

    is_here = image.count_fetched is None or context is not None
    place = dockerfile or (find_dockerfile(context or Path()) if is_here else None)
    if place is None:
        return image
    name = escape(place.name)
    try:
        found = map_layers(image, parse_dockerfile(read_text(place, name=name), name=name), base_layers=base_layers).lines
    except BadDockerfile:
        return image
    written = {number: WrittenInstruction(line.line, line.end_line, line.text) for number, line in found.items()}
    return replace(image, layers=tuple(replace(layer, written=written.get(layer.number)) for layer in image.layers))


def find_advice(
    analysis: Analysis,
    dockerfile: Path | None,
    *,
    context: Path | None = None,
    only: Collection[str] = (),
    may_fetch: bool = False,
) -> Advice:
    """Find fixes, with their lines in the named Dockerfile, or else in the one of `context` (default: the current directory).

    Of those with an edit, `only` some, or all if none is given. Raises BadDockerfile if the named one cannot be read; for one
    that was not named, a note says so. Unless it `may_fetch`, nothing is fetched
    from a registry for a Dockerfile that was not named.
    """
    from layerscope.advice.advise import advise, find_dockerfile
    from layerscope.errors import BadDockerfile

    is_here = analysis.image.count_fetched is None or context is not None or may_fetch
    found = find_dockerfile(context or Path()) if dockerfile is None and is_here else None
    if found is None:
        return advise(analysis, dockerfile, root=repository_of(dockerfile), context=context, only=only)
    try:
        return advise(analysis, found, root=repository_of(found), context=context, only=only)
    except BadDockerfile as error:  # it was found, not named, so the image is judged without it
        advice = advise(analysis, None)
        return replace(advice, notes=(*advice.notes, f"{error}."))


def repository_of(dockerfile: Path | None) -> Path:
    """Return the directory from which reports name files: what the CI says, else the repository's, else this one."""
    if dockerfile is None:
        return Path()
    above = dockerfile.resolve().parents
    stated = (Path(os.environ[name]).resolve() for name in WORKSPACES if os.environ.get(name))
    workspace = next((each for each in stated if each in above), None)
    return workspace or next((each for each in above if (each / ".git").exists()), Path())
