"""All images of an engine, from its metadata alone: three short questions and two for each image, some at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layerscope.oci.platform import Platform
from layerscope.progress import Progress, unwatched
from layerscope.sources.engine.client import ANSWER_SECONDS, CONNECT_SECONDS, Engine, _failing_as

AT_ONCE = 8
"""Questions asked side by side; engines answer each in 2 ms, and docker-py takes as long to read it."""
NOT_THERE = 404
UNNAMED = "<none>"


@dataclass(frozen=True, slots=True)
class ListedStep:
    """A step of the build as an engine's history has it; it does not say which steps made no layer."""

    created_by: str
    size: int


@dataclass(frozen=True, slots=True)
class ListedImage:
    """What an engine says of an image it has; sizes in bytes. `diff_ids` and `steps` are base first, texts untrusted."""

    id: str
    names: tuple[str, ...]
    repo_digests: tuple[str, ...]
    platform: Platform
    created: str
    size: int
    diff_ids: tuple[str, ...]
    steps: tuple[ListedStep, ...]


def list_images(engine: Engine, progress: Progress = unwatched) -> list[ListedImage]:
    """All images but those that only are steps on the way to others; one that is removed meanwhile is left out.

    Raises EngineFailed.
    """
    from concurrent.futures import ThreadPoolExecutor

    listed = _answer(engine, "/images/json") or []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = pool.map(lambda image: _ask(engine, image), listed)
        found = []
        for number, image in enumerate(asked, 1):
            progress(f"image {number:,} of {len(listed):,}", 0, 0)
            found.append(image)
    return [image for image in found if image is not None]


def _ask(engine: Engine, listed: dict[str, Any]) -> ListedImage | None:
    """An image's details; the names are those of the list, which has them all."""
    about = _answer(engine, f"/images/{listed['Id']}/json")
    history = _answer(engine, f"/images/{listed['Id']}/history")
    if about is None or history is None:
        return None
    return ListedImage(
        id=str(about["Id"]),
        names=_named(listed.get("RepoTags")),
        repo_digests=_named(listed.get("RepoDigests")),
        platform=Platform(about.get("Os") or "linux", about.get("Architecture") or "", about.get("Variant") or ""),
        created=str(about.get("Created") or ""),
        size=int(about.get("Size") or 0),
        diff_ids=tuple((about.get("RootFS") or {}).get("Layers") or ()),
        steps=tuple(ListedStep(str(step.get("CreatedBy") or ""), int(step.get("Size") or 0)) for step in reversed(history)),
    )


def _named(names: list[str] | None) -> tuple[str, ...]:
    """Without `<none>:<none>`, which stands for no name, and `NAME@<none>`."""
    return tuple(name for name in names or () if UNNAMED not in name)


def _answer(engine: Engine, path: str) -> Any:
    """An answer of the API; None where there is no such image."""
    with _failing_as(engine.endpoint), engine._get(path, timeout=(CONNECT_SECONDS, ANSWER_SECONDS)) as response:
        if response.status_code == NOT_THERE:
            return None
        engine._check(response)
        return response.json()
