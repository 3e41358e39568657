"""The images of an engine, from what it tells without moving a layer."""

from __future__ import annotations

from typing import NoReturn

from layerscope.errors import NotFound
from layerscope.families.facts import ImageFacts, LayerFacts
from layerscope.families.found import Catch, Found
from layerscope.families.steps import layer_sizes
from layerscope.oci.digest import Digest, chain_ids
from layerscope.oci.reference import best_match
from layerscope.progress import Progress, unwatched
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.endpoints import endpoints
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.engine.listing import ListedImage, list_images
from layerscope.sources.engine.names import Kind
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from layerscope.text import escape

SHORTEST_ID = 4


def images_of_engine(kind: Kind | None = None, *, name: str = "", progress: Progress = unwatched) -> Catch:
    """All images of the first engine that answers, or of the one of that kind; with `name`, only the one that it means.

    Raises EngineFailed, and NotFound where that engine has no image of that name.
    """
    progress("asking the engine", 0, 0)
    with _first_engine(kind) as engine:
        listed = list_images(engine, progress)
        if name:
            listed = _named(listed, name) or _refuse(name, engine)
        return Catch([_found(each, engine.endpoint.kind) for each in listed])


def _first_engine(kind: Kind | None) -> Engine:
    """Raises EngineFailed, for the first that was tried, when none answers."""
    failures: list[EngineFailed] = []
    for endpoint in endpoints(kind):
        try:
            return Engine.connect(endpoint)
        except EngineFailed as error:
            failures.append(error)
    raise failures[0]


def _named(listed: list[ListedImage], name: str) -> list[ListedImage]:
    """By tag, or else by the first digits of its id."""
    tags = best_match(name, {tag for each in listed for tag in each.names})
    digits = name.removeprefix("sha256:")
    by_id = [each for each in listed if len(digits) >= SHORTEST_ID and each.id.removeprefix("sha256:").startswith(digits)]
    return [each for each in listed if tags & set(each.names)] or by_id


def _refuse(name: str, engine: Engine) -> NoReturn:
    raise NotFound(f"{engine.endpoint} has no image {escape(name)}")


def _found(listed: ListedImage, kind: Kind) -> Found:
    reference = f"{kind}:{next(iter(listed.names), listed.id)}"

    def open_it(progress: Progress) -> Image:
        return open_image(reference, progress=progress)

    return Found(facts_of(listed), reference, open_it)


def facts_of(listed: ListedImage) -> ImageFacts:
    """An engine keeps a layer once for all that is below it, so its chain id is its key, though never one of a blob."""
    chain = chain_ids([Digest.parse(each) for each in listed.diff_ids])
    sizes = layer_sizes(listed.steps, len(chain), listed.size)
    return ImageFacts(
        id=Digest.parse(listed.id if ":" in listed.id else f"sha256:{listed.id}"),
        names=listed.names,
        layers=tuple(LayerFacts(each, f"engine {each}", size) for each, size in zip(chain, sizes, strict=True)),
        platform=listed.platform,
        created=listed.created,
        repo_digests=listed.repo_digests,
    )
