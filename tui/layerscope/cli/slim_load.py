"""`layerscope slim --load`: the engine and the name that the smaller image is loaded under, settled before any work is done."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from layerscope.cli.options import chosen_engine_options
from layerscope.cli.output import Progress

if TYPE_CHECKING:
    from layerscope.slim.output import Format
    from layerscope.slim.write import Slimmed
    from layerscope.sources.engine.load import Loaded, LoadTarget, NewName
    from layerscope.sources.image import Image

PRIVATE = "layerscope-slim-"
"""Begins the name of the directory of what is loaded without -o."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the user wants: the name of the new image, the engine to load into, and whether an image may lose its name."""

    tag: str | None
    engine: str | None
    is_forced: bool


class LoadDestination:
    """Where the smaller image is loaded: an engine that answers, under a name that is free there, or may be replaced."""

    def __init__(self, target: LoadTarget, options: LoadOptions) -> None:
        self._target, self._options = target, options
        is_known = bool(options.tag or target.original)
        self._name: NewName | None = self._settled("") if is_known else None

    def name(self, image: Image) -> str:
        """Return the name to write into the image. Raises UsageError and WouldOverwrite."""
        self._name = self._name or self._settled(image.name)
        return self._name.name

    def load(self, archive: Path, slimmed: Slimmed) -> Loaded:
        """Load the archive, and check that the engine then has this image. Raises EngineFailed."""
        from layerscope.sources.engine.load import load_archive, loaded_image

        assert self._name is not None, "it was settled when the archive was written"
        with Progress() as progress:
            load_archive(self._target.engine, archive, progress)
        return loaded_image(self._target.engine, self._name, config=slimmed.image_id, manifest=slimmed.manifest_digest)

    def _settled(self, original: str) -> NewName:
        from layerscope.sources.engine.load import new_name

        return new_name(self._target, self._options.tag, original, is_forced=self._options.is_forced)


@contextmanager
def destination(reference: str, options: LoadOptions) -> Iterator[LoadDestination]:
    """Connect to the engine that the image is to be loaded into. Raises NotFound, EngineFailed, UsageError, WouldOverwrite."""
    from layerscope.sources.engine.load import load_target
    from layerscope.sources.location import EngineKind, locate

    kind = EngineKind(options.engine) if options.engine else None
    with (
        Progress() as progress,
        load_target(locate(reference), kind, engine_options=chosen_engine_options(), progress=progress) as target,
    ):
        yield LoadDestination(target, options)


def check_load(form: Format | None, *, is_dry: bool, is_load: bool) -> None:
    """Raise UsageError where --load does not go together with --dry-run or with the `form` that -o writes, or is missing."""
    from layerscope.errors import UsageError
    from layerscope.slim.output import Format

    if not is_load:
        raise UsageError("--engine says where to load: add --load")
    if is_dry:
        raise UsageError("--dry-run loads nothing: leave out --load")
    if form not in (None, Format.DOCKER_ARCHIVE):
        raise UsageError("--load sends a docker-archive: let -o write one, or leave it out")


@contextmanager
def private_place() -> Iterator[Path]:
    """Yield a place in a directory that only this user may enter, which is removed with what is in it. Raises CannotWrite."""
    from layerscope.errors import CannotWrite

    with tempfile.TemporaryDirectory(prefix=PRIVATE) as directory:
        try:
            yield Path(directory, "image.tar")
        except CannotWrite as error:
            raise CannotWrite(f"{error}; set TMPDIR to a directory with room") from error
