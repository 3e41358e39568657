"""`--pull`: the engine pulls the image and reports progress."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from layerscope.oci.platform import Platform
from layerscope.progress import Progress
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.failures import EngineFailed, taking_apart
from layerscope.sources.engine.receive import Call, Receiving
from layerscope.text import escape

DONE = frozenset({"Download complete", "Pull complete", "Already exists"})
LONGEST_LINE = 1 << 20


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
        for message in _messages(stream):
            if error := message.get("error"):
                raise EngineFailed(f"{title} failed: {escape(str(error)[:500].strip())}")
            with taking_apart(engine.endpoint):
                layers.take(message)


def _messages(stream: Receiving) -> Iterator[dict[str, Any]]:
    """Decode the messages, one JSON object per line."""
    line = b""
    while piece := stream.some():
        *lines, line = (line + piece).split(b"\n")
        for each in lines:
            yield from _decoded(each)
        if len(line) > LONGEST_LINE:
            raise EngineFailed("the engine's messages about the pull are not what its API says")
    yield from _decoded(line)


def _decoded(line: bytes) -> Iterator[dict[str, Any]]:
    try:
        message = json.loads(line or b"null")
    except (ValueError, RecursionError):
        return
    if isinstance(message, dict):
        yield message
