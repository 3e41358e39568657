"""Finds the engine that has an image, with error sentences for none and for two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from layerscope.errors import AmbiguousImage, NotFound
from layerscope.oci.platform import Platform
from layerscope.oci.reference import best_match, familiar, near_matches
from layerscope.progress import Progress
from layerscope.sources.engine.client import Engine, Inspected
from layerscope.sources.engine.endpoints import Endpoint, endpoints, is_usual
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.engine.options import EngineOptions
from layerscope.sources.engine.pull import pull_image
from layerscope.sources.location import EngineKind, EngineName, near_files
from layerscope.text import did_you_mean, escape


class NotInEngine(NotFound):
    """No engine that answered has the image. `is_sure` is False if there is an engine that does not answer."""

    is_sure = True


class NotAnswered(NotFound):
    """An engine that a setting names does not answer, so no other one is asked instead."""


@dataclass(frozen=True, slots=True)
class EngineImage:
    """An image and the engine that has it. `name` is what to save it by: its tag if the user gave one, else its id."""

    engine: Engine
    image: Inspected
    name: str

    @property
    def tag(self) -> str:
        """Return the tag that the user gave, or an empty string."""
        return "" if self.name == self.image.id else self.name


@dataclass(slots=True)
class _EngineSearch:
    """The results of asking one engine after the other: absent, failed, without the image, or with it."""

    absent: list[Endpoint] = field(default_factory=list)
    failed: list[EngineFailed] = field(default_factory=list)
    asked: list[Engine] = field(default_factory=list)
    found: list[EngineImage] = field(default_factory=list)
    unanswered: str = ""
    """Why an engine that a setting names cannot be asked, unless another one that is named had the image before."""

    def note_unanswered(self, endpoint: Endpoint, reason: str) -> None:
        """Note that an engine failed. At its usual address that is no error: the user did not name it."""
        is_answered = any(not is_usual(each.engine.endpoint.kind) for each in self.found)
        if not is_usual(endpoint.kind) and not is_answered:
            self.unanswered = self.unanswered or reason


@contextmanager
def found_image(
    wanted: EngineName, *, platform: Platform | None, engine_options: EngineOptions, progress: Progress
) -> Iterator[EngineImage]:
    """Find an image and its engine, connected for as long as the context lasts; pull it if `engine_options` say so.

    Raises NotInEngine with all places that were searched and similar names, AmbiguousImage when Docker and Podman have
    different images of that name, NotAnswered, and EngineFailed.
    """
    with ExitStack() as resources:
        search = _search(wanted, resources, progress)
        if not search.found and engine_options.pull and search.asked:
            engine = search.asked[0]
            pull_image(engine, wanted.name, platform, progress)
            _look(engine, wanted.name, search)
        if not search.found:
            raise NotAnswered(str(_not_found(wanted, search))) if search.unanswered else _not_found(wanted, search)
        if search.unanswered:
            raise NotAnswered(f"{search.unanswered}; {_other_readings(wanted, search)}")
        yield _only(wanted, search.found)


def _search(wanted: EngineName, resources: ExitStack, progress: Progress) -> _EngineSearch:
    search = _EngineSearch()
    for endpoint in endpoints(wanted.kind):
        if not endpoint.is_there:
            search.absent.append(endpoint)
            search.note_unanswered(endpoint, f"there is no {endpoint.kind.label} at {endpoint.socket}")
            continue
        progress(f"asking {endpoint.kind.label}", 0, 0)
        try:
            engine = resources.enter_context(Engine.connect(endpoint))
            _look(engine, wanted.name, search)
        except EngineFailed as error:
            search.failed.append(error)
            search.note_unanswered(endpoint, str(error))
    return search


def _other_readings(wanted: EngineName, search: _EngineSearch) -> str:
    """Suggest how to name the image in another engine."""
    kinds = dict.fromkeys(each.engine.endpoint.kind for each in search.found)
    return " or ".join(f"{kind}:{escape(wanted.name)} asks {kind.label} alone" for kind in kinds)


def _look(engine: Engine, name: str, search: _EngineSearch) -> None:
    image = engine.inspect(name)
    if engine not in search.asked:
        search.asked.append(engine)
    if image is not None:
        tags = best_match(name, image.names) if "@" not in name else set()
        search.found.append(EngineImage(engine, image, familiar(min(tags)) if tags else image.id))


def _only(wanted: EngineName, found: list[EngineImage]) -> EngineImage:
    """Return the first image if all are the same: same id, or same layers, because stores name images differently."""
    first = found[0]
    others = [each for each in found if each.image.id != first.image.id and each.image.layers != first.image.layers]
    if not others:
        return first
    name = escape(wanted.name)
    readings = " or ".join(f"{kind}:{name}" for kind in dict.fromkeys(each.engine.endpoint.kind for each in found))
    places = " and ".join(f"{each.engine.endpoint} ({_short(each.image.id)})" for each in found)
    raise AmbiguousImage(f"{name} is one image in {places.replace(' and ', ' and another in ', 1)}; choose one: {readings}")


def _short(identity: str) -> str:
    return escape(identity.removeprefix("sha256:")[:12])


def _not_found(wanted: EngineName, search: _EngineSearch) -> NotInEngine:
    parts = [wanted.no_path] if wanted.no_path else []
    name = escape(wanted.name)
    parts += [f"{engine.endpoint} has no image {name}" for engine in search.asked]
    parts += [str(error) for error in search.failed]
    if not (search.asked or search.failed):
        parts.append("there is " + " and ".join(f"no {each.kind.label} at {each.socket}" for each in search.absent))
    missing = NotInEngine(", and ".join(parts) + _advice(wanted, search))
    missing.is_sure = not search.failed
    return missing


def _advice(wanted: EngineName, search: _EngineSearch) -> str:
    near = [file for file in near_files(wanted.name) if wanted.no_path and not wanted.name.startswith(file)]
    tags = sorted({familiar(tag) for engine in search.asked for tag in _names(engine)})
    near += near_matches(wanted.name, tags)[:2]
    question = did_you_mean(near)
    if search.asked:
        return f"{question or ';'} to have {search.asked[0].endpoint.kind.label} pull it, add --pull"
    if search.failed:
        return f"{question or ';'} to read it in its registry: docker://{escape(wanted.name)}" if not wanted.kind else question
    tool = wanted.kind or EngineKind.DOCKER
    return f"{question or ';'} set DOCKER_HOST or CONTAINER_HOST to an engine, or: {tool} save IMAGE | layerscope -"


def _names(engine: Engine) -> list[str]:
    try:
        return engine.names()
    except EngineFailed:
        return []  # the sentence is about something else
