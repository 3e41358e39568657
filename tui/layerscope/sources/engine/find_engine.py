"""Finds the engine that has an image, or has one pull it, with error sentences for none and for two."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from layerscope.errors import AmbiguousImage, NotFound
from layerscope.oci.platform import Platform
from layerscope.oci.reference import best_match, familiar, near_matches
from layerscope.progress import Progress
from layerscope.sources.engine.client import Engine, Inspected
from layerscope.sources.engine.endpoints import Endpoint, endpoints, is_usual
from layerscope.sources.engine.failures import EngineFailed, taking_apart
from layerscope.sources.engine.receive import Call, Receiving
from layerscope.sources.location import EngineKind, EngineName, EngineOptions, near_files
from layerscope.text import did_you_mean, escape

DONE = frozenset({"Download complete", "Pull complete", "Already exists"})
LONGEST_LINE = 1 << 20


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
    """The results of asking one engine after the other: which are absent, failed or answered, and the images found."""

    absent: list[Endpoint] = field(default_factory=list)
    failed: list[EngineFailed] = field(default_factory=list)
    asked: list[Engine] = field(default_factory=list)
    found: list[EngineImage] = field(default_factory=list)
    unanswered: str = ""
    """Why an engine that a setting names does not answer; empty if another such engine was asked before and has the image."""

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
    """Return a clause that suggests references for the engines that have the image, such as `podman:NAME`."""
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
    """Return the first of the images found, if all are the same one. Raises AmbiguousImage.

    They are if they have the same id, or the same layers, because stores name images differently.
    """
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


class _PullProgress:
    """The layers being pulled: bytes received and expected, by layer."""

    def __init__(self) -> None:
        self._bytes: dict[str, tuple[int, int]] = {}
        self._done: set[str] = set()

    def take(self, message: dict[str, Any]) -> None:
        """Process one of the engine's messages (Engine API, ImageCreate); podman's lack sizes."""
        layer, status = str(message.get("id") or ""), str(message.get("status") or "")
        detail = message.get("progressDetail") or {}
        if not layer or status.startswith("Pulling from"):
            return
        known = self._bytes.setdefault(layer, (0, 0))
        if status == "Downloading":
            self._bytes[layer] = (int(detail.get("current") or 0), int(detail.get("total") or 0))
        elif status in DONE:
            self._done.add(layer)
            self._bytes[layer] = (known[1], known[1])

    def tell(self, progress: Progress, stage: str) -> None:
        done, total = (sum(column) for column in zip((0, 0), *self._bytes.values(), strict=True))
        layers = f" ({len(self._done)} of {len(self._bytes)} layers)" if self._bytes else ""
        progress(stage + layers, done, total)


def pull_image(engine: Engine, name: str, platform: Platform | None, progress: Progress) -> None:
    """Have the engine pull an image. Raises EngineFailed with the engine's words if it cannot."""
    try:
        _pull(engine, name, platform, progress)
    except EngineFailed as error:
        raise EngineFailed(f"{escape(name)} cannot be pulled: {error}") from error


def _pull(engine: Engine, name: str, platform: Platform | None, progress: Progress) -> None:
    title = engine.endpoint.kind.label
    stage = f"{title} pulls {name}"
    layers = _PullProgress()
    call = Call(str(engine.endpoint), stage, stage, lambda: engine.pull(name, platform), engine.ping)
    with Receiving(call, expected=0, progress=lambda *_: layers.tell(progress, stage)) as stream:
        for message in messages(stream):
            if error := message.get("error"):
                raise EngineFailed(f"{title} failed: {escape(str(error)[:500].strip())}")
            with taking_apart(engine.endpoint):
                layers.take(message)


def messages(stream: Receiving) -> Iterator[dict[str, Any]]:
    """Yield the engine's messages about a pull or a load: one JSON object per line."""
    line = b""
    while piece := stream.some():
        *lines, line = (line + piece).split(b"\n")
        for each in lines:
            yield from _decoded(each)
        if len(line) > LONGEST_LINE:
            raise EngineFailed("the engine's messages are not what its API says")
    yield from _decoded(line)


def _decoded(line: bytes) -> Iterator[dict[str, Any]]:
    try:
        message = json.loads(line or b"null")
    except (ValueError, RecursionError):
        return
    if isinstance(message, dict):
        yield message
