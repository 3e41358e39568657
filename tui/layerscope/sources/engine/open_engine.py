"""Opening an image or a container of an engine: finds the engine, then the fastest reader of the layers (storage in place,
the cache, an export).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layerscope.cache.cache import Cache
from layerscope.cache.cached_reader import CachedReader
from layerscope.cache.directory import IdKind
from layerscope.errors import AmbiguousImage, NotFound, UsageError
from layerscope.layers.readers.protocol import LayerReader
from layerscope.layers.readers.tar_split import TarSplitReader
from layerscope.oci.platform import Platform
from layerscope.oci.reference import near_matches
from layerscope.progress import Progress
from layerscope.sources.engine.client import Engine, quoted
from layerscope.sources.engine.container_diff import read_container_diff
from layerscope.sources.engine.endpoints import endpoints, is_usual
from layerscope.sources.engine.export import OpenRequest, exported, known, stored
from layerscope.sources.engine.failures import EngineFailed, taking_apart
from layerscope.sources.engine.find_engine import EngineImage, NotAnswered, NotInEngine, found_image
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.location import EngineKind, EngineName, EngineOptions
from layerscope.sources.storage.container import Container, own_layer, with_own_layer
from layerscope.sources.storage.in_place import StoragePlace, open_kept, search_container, search_kept
from layerscope.sources.storage.unreadable import StorageUnreadable, may_read_storage
from layerscope.text import did_you_mean, escape

NOWHERE = Path("/nonexistent")


def open_engine_image(
    wanted: EngineName, *, reference: str, platform: Platform | None, engine_options: EngineOptions, progress: Progress
) -> Image:
    """Open an image or a container of an engine. Layers that have to be exported are read here, with `progress`.

    If no engine answers, the image may still be in the storage of one that does not run; Podman needs no service. Raises
    NotFound, AmbiguousImage, EngineFailed, and whatever opening the engine's archive raises.
    """
    image = _open(wanted, OpenRequest(reference, platform, engine_options, progress))
    cache = engine_options.cache
    return image if cache is None else replace(image, layers=tuple(_with_cache(layer, cache) for layer in image.layers))


def _with_cache(layer: StoredLayer, cache: Cache) -> StoredLayer:
    """Return a layer whose reader tries the cache before the engine's own record (tar-split), which is slower to read."""
    if layer.diff_id is None or not isinstance(layer.reader, TarSplitReader):
        return layer
    return replace(layer, reader=CachedReader(layer.reader, cache, layer.diff_id, IdKind.CRC64))


def _open(wanted: EngineName, asked: OpenRequest) -> Image:
    if wanted.is_container:
        return open_container(wanted, asked)
    try:
        with found_image(
            wanted, platform=asked.platform, engine_options=asked.engine_options, progress=asked.progress
        ) as found:
            return open_found(found, asked)
    except NotInEngine:
        kinds = [kind for kind in EngineKind if wanted.kind in (None, kind) and is_usual(kind)]
        kept = (
            search_kept(kinds, wanted.name, reference=asked.reference, platform=asked.platform) if may_read_storage() else None
        )
        if kept is None:
            raise
        return kept


class _NotInEngine(NotFound):
    """No engine that answered has the container."""


@dataclass(frozen=True, slots=True)
class _FoundContainer:
    engine: Engine
    container: Container


def open_container(wanted: EngineName, asked: OpenRequest) -> Image:
    """Open a container, running or not. What cannot be read in the engine's storage is requested from its API at once.

    Raises NotFound with all places that were searched and similar names, AmbiguousImage when Docker and Podman both have one of
    that name, EngineFailed, and whatever opening the container's image raises.
    """
    if asked.engine_options.keep is not None:
        raise UsageError("--keep works for images only; commit the container to an image first")
    try:
        with _found(wanted, asked.progress) as found:
            return _opened(found, asked)
    except _NotInEngine:
        kinds = [kind for kind in EngineKind if wanted.kind in (None, kind) and is_usual(kind)]
        kept = search_container(kinds, wanted.name, reference=asked.reference) if may_read_storage() else None
        if kept is None:
            raise
        return kept


def _opened(found: _FoundContainer, asked: OpenRequest) -> Image:
    engine, container = found.engine, found.container
    image = engine.inspect(container.image_id)
    if image is None:
        raise NotFound(f"{engine.endpoint} does not have the image of container {escape(container.title)} any more")
    below = open_found(EngineImage(engine, image, image.id), asked)
    return with_own_layer(below, container, _own_layer_reader(found, below, asked.progress), reference=asked.reference)


def _own_layer_reader(found: _FoundContainer, below: Image, progress: Progress) -> LayerReader:
    """Return a reader of what the container wrote: from the engine's storage, or else through its API."""
    if may_read_storage() and found.engine.endpoint.socket is not None:
        try:
            return own_layer(found.container, below)
        except StorageUnreadable:
            pass
    return read_container_diff(found.engine, found.container, progress)


@contextmanager
def _found(wanted: EngineName, progress: Progress) -> Iterator[_FoundContainer]:
    found: list[_FoundContainer] = []
    reasons: list[str] = []
    is_unanswered = False
    with ExitStack() as resources:
        for endpoint in endpoints(wanted.kind):
            if not endpoint.is_there:
                reasons.append(f"there is no {endpoint.kind.label} at {endpoint.socket}")
                is_unanswered = is_unanswered or (not is_usual(endpoint.kind) and not _has_named(found))
                continue
            progress(f"asking {endpoint.kind.label}", 0, 0)
            try:
                engine = resources.enter_context(Engine.connect(endpoint))
                found += _look(engine, wanted.name) or _note_absent(engine, wanted.name, reasons)
            except EngineFailed as error:
                reasons.append(str(error))
                is_unanswered = is_unanswered or (not is_usual(endpoint.kind) and not _has_named(found))
        if is_unanswered:
            raise NotAnswered(", and ".join(reasons))
        if not found:
            raise _NotInEngine(", and ".join(reasons))
        if len(found) > 1:
            name = escape(wanted.name)
            readings = " or ".join(f"{each.engine.endpoint.kind}:container:{name}" for each in found)
            raise AmbiguousImage(f"{name} is a container of Docker and another of Podman; choose one: {readings}")
        yield found[0]


def _has_named(found: list[_FoundContainer]) -> bool:
    """Tell whether an engine that a setting names has the container."""
    return any(not is_usual(each.engine.endpoint.kind) for each in found)


def _look(engine: Engine, name: str) -> list[_FoundContainer]:
    answer = engine.ask(f"/containers/{quoted(name)}/json")
    with taking_apart(engine.endpoint):
        return [] if answer is None else [_FoundContainer(engine, _container(answer))]


def _note_absent(engine: Engine, name: str, reasons: list[str]) -> list[_FoundContainer]:
    """Add to `reasons` that an engine has no such container, with similar names, and return an empty list."""
    listed = engine.ask("/containers/json?all=1") or ()
    with taking_apart(engine.endpoint):
        names = [str(each).removeprefix("/") for container in listed for each in container.get("Names") or ()]
    reasons.append(f"{engine.endpoint} has no container {escape(name)}{did_you_mean(near_matches(name, names))}")
    return []


def _container(answer: dict[str, Any]) -> Container:
    data = (answer.get("GraphDriver") or {}).get("Data") or {}
    return Container(
        id=str(answer.get("Id") or ""),
        name=str(answer.get("Name") or "").removeprefix("/"),
        image_id=str(answer.get("Image") or ""),
        upper=Path(data.get("UpperDir") or NOWHERE),
        mounts=tuple(sorted(str(mount.get("Destination") or "") for mount in answer.get("Mounts") or ())),
    )


def open_found(found: EngineImage, asked: OpenRequest) -> Image:
    """Open an image in the fastest way that gives everything that was asked for.

    An archive for `--keep` has to be exported even if the image could be read in place.
    """
    if asked.engine_options.keep is not None:
        return exported(found, asked)
    with suppress(StorageUnreadable):
        kept = _kept(found, asked)
        if not asked.engine_options.needs_tars or not any(layer.reader.missing_bytes for layer in kept.layers):
            return kept
    if asked.engine_options.needs_archive:
        return stored(found, asked)
    return known(found, asked) or exported(found, asked)


def _kept(found: EngineImage, asked: OpenRequest) -> Image:
    """Open the image in the engine's storage. Raises StorageUnreadable."""
    engine = found.engine
    if engine.endpoint.socket is None or not may_read_storage():
        raise StorageUnreadable(f"what {engine.endpoint} keeps is not read")
    name = "" if found.name == found.image.id else found.name
    place = StoragePlace(engine.endpoint.kind, *engine.storage())
    return open_kept(place, found.image.id, reference=asked.reference, name=name, platform=asked.platform)
