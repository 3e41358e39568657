"""The list of all images of an engine, from metadata: one short request, and one or two for each image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from layerscope.errors import BadDocument
from layerscope.oci.digest import Digest, chain_ids
from layerscope.oci.platform import Platform
from layerscope.progress import Progress, ignore
from layerscope.sources.engine.failures import EngineFailed
from layerscope.text import escape

AT_ONCE = 8
"""Parallel requests: an engine with several cores answers that many at once."""
UNNAMED = "<none>"

Ask = Callable[[str], Any]
"""Sends a GET request to an engine and returns the decoded answer: `Engine.ask`."""


@dataclass(frozen=True, slots=True)
class ListedStep:
    """A step of the build in an engine's history, which does not say which steps made no layer."""

    created_by: str
    size: int


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image in an engine's list; sizes in bytes. `diff_ids` and `steps` are base first, texts untrusted.

    `sizes` are those of the layers where they are known, and `steps` are empty then; otherwise sizes are guessed from `steps`.
    """

    id: str
    names: tuple[str, ...]
    repo_digests: tuple[str, ...]
    platform: Platform
    created: str
    size: int
    diff_ids: tuple[Digest, ...]
    sizes: tuple[int, ...] = ()
    steps: tuple[ListedStep, ...] = ()

    @property
    def chain(self) -> list[Digest]:
        """Return the chain id of each layer."""
        return chain_ids(self.diff_ids)


KnownSizes = Callable[[Iterable[Digest]], Mapping[Digest, int]]
"""Returns the sizes of layers in bytes, by chain id; those of unknown layers are left out."""


class _ImageRow(msgspec.Struct, rename="pascal"):
    """An image in the list (Engine API, ImageList)."""

    id: str
    repo_tags: tuple[str, ...] | None = None
    repo_digests: tuple[str, ...] | None = None


class _RootFsRow(msgspec.Struct, rename="pascal"):
    layers: tuple[str, ...] | None = None


class _InspectRow(msgspec.Struct, rename="pascal"):
    """The description of one image (ImageInspect)."""

    id: str
    created: str | None = None
    size: int = 0
    os: str = ""
    architecture: str = ""
    variant: str = ""
    root_fs: _RootFsRow = msgspec.field(name="RootFS", default_factory=_RootFsRow)


class _HistoryRow(msgspec.Struct, rename="pascal"):
    """A step of an image's build; the engine lists the last step first (ImageHistory)."""

    created_by: str = ""
    size: int = 0


def list_images(ask: Ask, known_sizes: KnownSizes, progress: Progress = ignore) -> list[ListedImage]:
    """List all images except intermediate build steps; an image that is removed meanwhile is left out.

    Raises EngineFailed.
    """
    try:
        images = list(_asked(ask, progress))
        known = known_sizes(each for image in images for each in image.chain)
        sized = [_sized(image, known) for image in images]
        return [image for image in _with_steps(ask, sized, progress) if image is not None]
    except (msgspec.ValidationError, BadDocument) as error:
        raise EngineFailed(f"the engine's list of images is invalid: {escape(str(error))}") from error


def ask_all(ask: Ask, paths: Iterable[str]) -> Iterator[Any]:
    """Send all requests in parallel and return the answers in the same order."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(ask, paths)


def _asked(ask: Ask, progress: Progress) -> Iterator[ListedImage]:
    rows = msgspec.convert(ask("/images/json") or [], list[_ImageRow])
    answers = ask_all(ask, [f"/images/{row.id}/json" for row in rows])
    for number, (row, about) in enumerate(zip(rows, answers, strict=True), 1):
        progress(f"image {number:,} of {len(rows):,}", 0, 0)
        if about is not None:
            yield _listed(row, msgspec.convert(about, _InspectRow))


def _listed(row: _ImageRow, about: _InspectRow) -> ListedImage:
    """Combine an image's row in the list, which has all of its names, with its description."""
    return ListedImage(
        id=about.id,
        names=_named(row.repo_tags),
        repo_digests=_named(row.repo_digests),
        platform=Platform(about.os or "linux", about.architecture, about.variant),
        created=about.created or "",
        size=about.size,
        diff_ids=tuple(map(Digest.parse, about.root_fs.layers or ())),
    )


def _sized(image: ListedImage, known: Mapping[Digest, int]) -> ListedImage:
    sizes = tuple(known[each] for each in image.chain if each in known)
    return replace(image, sizes=sizes) if len(sizes) == len(image.diff_ids) else image


def _with_steps(ask: Ask, images: list[ListedImage], progress: Progress) -> Iterator[ListedImage | None]:
    """Add the history to images whose layer sizes are unknown; None for one that was removed meanwhile."""
    unknown = [image for image in images if len(image.sizes) < len(image.diff_ids)]
    histories = ask_all(ask, [f"/images/{image.id}/history" for image in unknown])
    steps: dict[str, tuple[ListedStep, ...] | None] = {image.id: () for image in images}
    for number, (image, history) in enumerate(zip(unknown, histories, strict=True), 1):
        progress(f"history {number:,} of {len(unknown):,}", 0, 0)
        steps[image.id] = None if history is None else _steps(msgspec.convert(history, list[_HistoryRow]))
    for image in images:
        found = steps[image.id]
        yield None if found is None else replace(image, steps=found)


def _steps(history: list[_HistoryRow]) -> tuple[ListedStep, ...]:
    return tuple(ListedStep(step.created_by, step.size) for step in reversed(history))


def _named(names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return `names` without `<none>:<none>`, which stands for no name, and `NAME@<none>`."""
    return tuple(name for name in names or () if UNNAMED not in name)
