"""Loading an archive into an engine: which engine, under which name, and whether it then has the image that was sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from layerscope.errors import NotFound, UsageError, WouldOverwrite
from layerscope.oci.digest import Digest
from layerscope.oci.reference import DEFAULT_TAG, familiar, names_a_registry, tag_of
from layerscope.progress import Progress
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.endpoints import endpoints, is_usual
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.engine.find_engine import NotInEngine, found_image, messages
from layerscope.sources.engine.receive import Call, Receiving
from layerscope.sources.location import EngineKind, EngineOptions, Location
from layerscope.sources.storage.in_place import search_kept
from layerscope.sources.storage.unreadable import may_read_storage
from layerscope.text import escape

LONGEST_TAG = 128
"""Characters of a tag (OCI distribution-spec, "Pulling manifests")."""
LOCAL = "localhost/"
"""Podman's registry of images that are from none; a name without it would be Docker Hub's."""


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """A connected engine, and the full name that the image has in it, empty if it is not this engine's or has no name."""

    engine: Engine
    original: str


@dataclass(frozen=True, slots=True)
class NewName:
    """A name in an engine, and the id of the image that had it; empty if none."""

    name: str
    replaced: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an engine has after a load; `size` in bytes, as it states it, `replaced` the id of what had the name before."""

    engine: EngineKind
    name: str
    id: str
    size: int
    replaced: str


@contextmanager
def load_target(
    location: Location, kind: EngineKind | None, *, engine_options: EngineOptions, progress: Progress
) -> Iterator[LoadTarget]:
    """Connect to the engine to load into: of that `kind`, else the one that has the image, else the first that answers.

    Raises NotFound if none answers, or if only the storage of one that does not run has the image; and like `found_image`.
    """
    wanted = location.engine
    if location.is_containerd:
        raise UsageError("containerd itself is not loaded into: write a FILE with -o, and: ctr images import FILE")
    if wanted is not None and kind in (None, wanted.kind) and not wanted.is_container:
        try:
            with found_image(wanted, platform=None, engine_options=engine_options, progress=progress) as found:
                full = [name for name in found.image.names if familiar(name) == found.tag]
                yield LoadTarget(found.engine, full[0] if full else "")
                return
        except NotInEngine as error:
            owner = _owner(location)
            if owner is not None:
                raise _not_running(owner) from error
            if not (wanted.may_be_in_registry and error.is_sure and engine_options.or_registry):
                raise
    with _first_that_answers(kind) as engine:
        yield LoadTarget(engine, "")


def _owner(location: Location) -> EngineKind | None:
    """Return the engine that does not run, but has the image in its storage."""
    wanted = location.engine
    if wanted is None or not may_read_storage():
        return None
    kinds = [kind for kind in EngineKind if wanted.kind in (None, kind) and is_usual(kind)]
    return next((kind for kind in kinds if search_kept([kind], wanted.name, reference=location.typed, platform=None)), None)


def _not_running(kind: EngineKind) -> NotFound:
    start = "systemctl --user start podman.socket" if kind is EngineKind.PODMAN else "systemctl start docker"
    return NotFound(
        f"{kind.label} has the image, but no API that answers, into which it could be loaded: start it ({start}), or write a "
        f"FILE with -o, and: {kind} load -i FILE"
    )


@contextmanager
def _first_that_answers(kind: EngineKind | None) -> Iterator[Engine]:
    reasons = []
    for endpoint in endpoints(kind):
        try:
            engine = Engine.connect(endpoint)
        except EngineFailed as error:
            if not is_usual(endpoint.kind):
                raise
            reasons.append(str(error))
            continue
        with engine:
            yield engine
        return
    raise NotFound(f"there is no engine to load into: {', and '.join(reasons)}")


def new_name(target: LoadTarget, tag: str | None, original: str, *, is_forced: bool) -> NewName:
    """Return the name to load under: `tag`, else that of the original with `-slimmed`, or of `original` for another's image.

    Raises UsageError if there is none, WouldOverwrite if an image has it and the user does not force that.
    """
    kind = target.engine.endpoint.kind
    original = (target.original or original).partition("@")[0]
    if not tag and not tag_of(original):
        raise UsageError("--load: the image has no name; give the new one with --tag NAME")
    name = tag or f"{original[: len(original) - len(tag_of(original))]}{slimmed_tag(tag_of(original))}"
    if kind is EngineKind.PODMAN and not names_a_registry(name):
        name = LOCAL + name
    there = target.engine.inspect(name)
    if there is not None and not is_forced:
        raise WouldOverwrite(f"{kind.label} has an image {escape(name)} already; name another with --tag, or give --force")
    return NewName(name, there.id if there else "")


def slimmed_tag(tag: str = DEFAULT_TAG) -> str:
    """Return the tag of a smaller image by default. `-slim` would be another image: `python:3.12-slim` is Docker Hub's own."""
    suffix = "-slimmed"
    return tag[: LONGEST_TAG - len(suffix)] + suffix


def load_archive(engine: Engine, archive: Path, progress: Progress) -> None:
    """Send an archive to an engine, and have it loaded. Raises EngineFailed with the engine's words."""
    label, size = engine.endpoint.kind.label, archive.stat().st_size
    stage = f"{label} loads the image"
    with archive.open("rb") as file:
        call = Call(str(engine.endpoint), stage, stage, lambda: engine.load(file, size), engine.ping)

        def tell(*_: object) -> None:
            progress(stage, file.tell(), size)

        try:
            with Receiving(call, expected=0, progress=tell) as stream:
                error = next((found for message in messages(stream) if (found := message.get("error"))), None)
        except EngineFailed as failure:
            raise EngineFailed(f"{label} did not load the image: {failure}") from failure
    if error:
        raise EngineFailed(f"{label} did not load the image: {escape(str(error)[:500].strip())}")


def loaded_image(engine: Engine, name: NewName, *, config: Digest, manifest: Digest) -> Loaded:
    """Ask the engine for the image that was loaded; its id is the config's digest, or the manifest's in containerd's store.

    Raises EngineFailed if it has another.
    """
    found, kind = engine.inspect(name.name), engine.endpoint.kind
    if found is None or found.id.removeprefix("sha256:") not in (config.encoded, manifest.encoded):
        other = f"{escape(found.id[:19])} by this name" if found else "none"
        raise EngineFailed(f"{kind.label} took the image {escape(name.name)} ({config.short}), but has {other}")
    return Loaded(kind, name.name, found.id, found.size, name.replaced if name.replaced != found.id else "")
