"""All images of the places that a user named, or of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from layerscope.errors import LayerscopeError, NotFound
from layerscope.progress import Progress, unwatched
from layerscope.sources.engine.options import NO_WISHES, Wishes
from layerscope.sources.engine_names import Kind, split_prefix
from layerscope.sources.listing.found import Catch
from layerscope.sources.location import EngineName, locate


def find_images(
    references: Sequence[str], *, stdin: BinaryIO | None = None, wishes: Wishes = NO_WISHES, progress: Progress = unwatched
) -> Catch:
    """Each image once. A reference is an archive or layout, perhaps with a tag, a name in an engine, or an engine's prefix
    alone, such as `podman:`; without any it is the first engine that answers. `wishes` are for opening an engine's image.

    What cannot be read is a problem where there are references, so that the rest can be shown; else raises EngineFailed.
    """
    if not references:
        return _of_engine(None, "", wishes, progress)
    catch = Catch()
    for reference in references:
        try:
            catch += _find(reference, stdin, wishes, progress)
        except LayerscopeError as error:
            catch += Catch(problems=[str(error)])
    return catch.merged()


def _find(reference: str, stdin: BinaryIO | None, wishes: Wishes, progress: Progress) -> Catch:
    kind, name = split_prefix(reference)
    if kind is not None and not name:
        return _of_engine(kind, "", wishes, progress)
    location = locate(reference)
    if location.engine is not None:
        return _of_name(location.engine, wishes, progress)
    from layerscope.sources.listing.archive_images import images_stored_at

    return images_stored_at(location, stdin=stdin, progress=progress)


def _of_name(wanted: EngineName, wishes: Wishes, progress: Progress) -> Catch:
    try:
        return _of_engine(wanted.kind, wanted.name, wishes, progress)
    except NotFound as error:
        raise NotFound(f"{wanted.no_path}, and {error}" if wanted.no_path else str(error)) from error


def _of_engine(kind: Kind | None, name: str, wishes: Wishes, progress: Progress) -> Catch:
    from layerscope.sources.listing.engine_images import images_of_engine

    return images_of_engine(kind, name=name, wishes=wishes, progress=progress)
