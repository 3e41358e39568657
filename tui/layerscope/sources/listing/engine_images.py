"""The images of an engine, listed without moving a layer: by its API, or from its storage where that is faster or more
precise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.errors import NotFound
from layerscope.oci.digest import Digest
from layerscope.oci.reference import best_match
from layerscope.progress import Progress, ignore
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.endpoints import Endpoint, endpoints, local_socket
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.engine.listing import Ask, ListedImage, ListedStep, list_images
from layerscope.sources.listing.facts import ImageFacts, LayerFacts
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.sources.location import DEFAULT_ENGINE_OPTIONS, EngineKind, EngineOptions
from layerscope.sources.storage.containers_store import containers_roots
from layerscope.sources.storage.listing import docker_layer_sizes, list_containers_storage
from layerscope.sources.storage.unreadable import StorageUnreadable, may_read_storage
from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.sources.image import Image

SHORTEST_ID = 4
_NO_OPERATION = "#(nop)"
_WITHOUT_LAYER = frozenset(
    {"ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "SHELL"}
    | {"STOPSIGNAL", "USER", "VOLUME"}
)
IMPOSSIBLE = 1 << 40


def images_of_engine(
    kind: EngineKind | None = None,
    *,
    name: str = "",
    engine_options: EngineOptions = DEFAULT_ENGINE_OPTIONS,
    progress: Progress = ignore,
) -> FoundImages:
    """List the images of the first engine that answers, or of the given kind; with `name`, only the one it names.

    Where Podman does not run, as is usual, its storage is read. Raises EngineFailed, and NotFound where there is no engine or
    the engine has no image of that name.
    """
    found, listed = listed_images(kind, progress)
    known = known_sums(listed)
    if name:
        listed = _named(listed, name)
        if not listed:
            raise NotFound(f"{found} has no image {escape(name)}")
    return FoundImages([_found(each, found.kind, known, engine_options) for each in listed])


def _named(listed: list[ListedImage], name: str) -> list[ListedImage]:
    """Return the images whose tag is `name`, or else those whose id begins with it."""
    tags = best_match(name, {tag for each in listed for tag in each.names})
    digits = name.removeprefix("sha256:")
    by_id = [each for each in listed if len(digits) >= SHORTEST_ID and each.id.removeprefix("sha256:").startswith(digits)]
    return [each for each in listed if tags & set(each.names)] or by_id


def known_sums(images: Iterable[ListedImage]) -> dict[Digest, int]:
    """Map the chain id of an image's last layer to the total of all its layers, for engines that report no step sizes."""
    return {
        image.chain[-1]: image.size
        for image in images
        if image.diff_ids and image.size == sum(step.size for step in image.steps)
    }


def _found(listed: ListedImage, kind: EngineKind, known: Mapping[Digest, int], engine_options: EngineOptions) -> FoundImage:
    reference = f"{kind}:{next(iter(listed.names), listed.id)}"

    def open_it(progress: Progress) -> Image:
        from layerscope.sources.open import open_image

        return open_image(reference, engine_options=engine_options, progress=progress)

    return FoundImage(facts_of(listed, known), reference, open_it, f"{kind}:{listed.id}")


def facts_of(listed: ListedImage, known: Mapping[Digest, int]) -> ImageFacts:
    """Describe an engine's image; the key of a layer is its chain id, because an engine stores it once per base."""
    chain = listed.chain
    sizes = listed.sizes or layer_sizes(listed.steps, chain, listed.size, known)
    return ImageFacts(
        id=Digest.parse(listed.id if ":" in listed.id else f"sha256:{listed.id}"),
        names=listed.names,
        layers=tuple(LayerFacts(each, f"engine {each}", size) for each, size in zip(chain, sizes, strict=True)),
        platform=listed.platform,
        created=listed.created,
        repo_digests=listed.repo_digests,
        wasted_bytes=None if chain else 0,
    )


def layer_sizes(
    steps: Sequence[ListedStep], chain: Sequence[Digest], total: int, known: Mapping[Digest, int] | None = None
) -> list[int]:
    """Return the size of each layer of `chain`, base first, from the steps of the build; they add up to the steps' total.

    A step with a size made a layer. Of those without, `RUN`, `COPY` and `ADD` are more likely to have made one than `WORKDIR`,
    which makes one where the directory was not there, and than others, which do not. `known` has the totals of other images'
    layers, by chain id, and decides where it can. Where there are too few steps (an imported base), the base gets what is left
    of `total`; where they cannot be the layers' (a squashed image), only `known` distinguishes them.
    """
    sums = {depth: known[each] for depth, each in enumerate(chain, 1) if known and each in known}
    made = sum(1 for step in steps if step.size)
    if made > len(chain) or not made:
        return _by_sums(len(chain), sums, total)
    missing = len(chain) - len(steps)
    if missing > 0:
        sizes = [step.size for step in steps]
        return [max(total - sum(sizes), 0), *[0] * (missing - 1), *sizes]
    chosen = _likeliest(steps, len(chain), sums) or _likeliest(steps, len(chain), {})
    return [steps[number].size for number in chosen]


def _by_sums(layers: int, sums: Mapping[int, int], total: int) -> list[int]:
    """Return layer sizes from known totals by number of layers; of the layers between two totals, the lowest gets all."""
    sizes = [0] * layers
    below = start = 0
    for depth, size in sorted({**sums, layers: total}.items()) if layers else ():
        sizes[start] = max(size - below, 0)
        below, start = size, depth
    return sizes


def _likeliest(steps: Sequence[ListedStep], layers: int, sums: Mapping[int, int]) -> list[int]:
    """Return the indexes of the steps that made the layers: all with a size, and the most likely others. Empty when no choice
    fits `sums`, the known totals by number of layers.
    """
    so_far = list(accumulate((step.size for step in steps), initial=0))
    # doubts[depth]: the least doubt for that many layers from the steps so far; ways[step][depth]: whether the step made one.
    doubts = [0, *[IMPOSSIBLE] * layers]
    ways: list[list[bool]] = []
    for number, step in enumerate(steps):
        without = [IMPOSSIBLE] * (layers + 1) if step.size else doubts
        own = _doubt(step)
        fits = [sums.get(depth, so_far[number + 1]) == so_far[number + 1] for depth in range(layers + 1)]
        made = [IMPOSSIBLE, *(doubts[depth] + own if fits[depth + 1] else IMPOSSIBLE for depth in range(layers))]
        # Of equals the later one: a step that only removes, which has no size but a layer, has something below it.
        ways.append([one < IMPOSSIBLE and one <= other for one, other in zip(made, without, strict=True)])
        doubts = [min(one, other) for one, other in zip(made, without, strict=True)]
    return _walk_back(ways, layers) if doubts[layers] < IMPOSSIBLE else []


def _walk_back(ways: list[list[bool]], depth: int) -> list[int]:
    chosen = []
    for number in range(len(ways) - 1, -1, -1):
        if ways[number][depth]:
            chosen.append(number)
            depth -= 1
    return chosen[::-1]


def _doubt(step: ListedStep) -> int:
    """Return how unlikely it is that a step made a layer; 0 for a step with a size."""
    if step.size:
        return 0
    _, is_noted, rest = step.created_by.rpartition(_NO_OPERATION)
    word = (rest if is_noted else step.created_by).split(maxsplit=1)[:1]
    if word == ["WORKDIR"]:
        return 10
    return 1000 if not word or word[0] in _WITHOUT_LAYER else 1


def listed_images(kind: EngineKind | None, progress: Progress) -> tuple[Endpoint, list[ListedImage]]:
    """Return the first engine that answers, and its images. Raises EngineFailed and NotFound."""
    failures: list[EngineFailed] = []
    usual = endpoints(kind)
    for endpoint in usual:
        if not endpoint.is_there:
            continue
        progress(f"asking {endpoint.kind.label}", 0, 0)
        try:
            with Engine.connect(endpoint) as engine:
                return endpoint, _of_engine(endpoint, engine.ask, progress)
        except EngineFailed as error:
            failures.append(error)
    if not failures:
        return _without_engine(usual)
    raise EngineFailed(", and ".join(map(str, failures)))


def _of_engine(endpoint: Endpoint, ask: Ask, progress: Progress) -> list[ListedImage]:
    if endpoint.kind is EngineKind.DOCKER:
        return list_images(ask, lambda chain: _known_sizes(endpoint, ask, chain), progress)
    in_storage = _of_podmans_storage(ask) if may_read_storage() and local_socket(endpoint) else None
    return list_images(ask, _nothing_known, progress) if in_storage is None else in_storage


def _known_sizes(endpoint: Endpoint, ask: Ask, chain: Iterable[Digest]) -> Mapping[Digest, int]:
    """Read layer sizes from Docker's storage if permitted: the API's history does not say which steps made no layer."""
    about = ask("/info") or {} if may_read_storage() and local_socket(endpoint) else {}
    root, driver = _storage(about)
    return docker_layer_sizes(Path(root), driver, chain) if root and driver else {}


def _nothing_known(_chain: Iterable[Digest]) -> Mapping[Digest, int]:
    """Return no sizes: Podman's history states every layer's size, because no tar is empty."""
    return {}


def _of_podmans_storage(ask: Ask) -> list[ListedImage] | None:
    """Read Podman's images from its storage, faster than its API (3 s for 200 images); None where it cannot be read.

    The directory may belong to another engine if this one has its own file system: so the number of images must be the same,
    and one of them must be known to the engine.
    """
    about = ask("/info") or {}
    root, driver = _storage(about)
    if not root:
        return None
    try:
        listed, count = list_containers_storage([Path(root), *containers_roots()[1:]], driver)
    except StorageUnreadable:
        return None
    if count != about.get("Images") or (listed and ask(f"/images/{listed[-1].id}/json") is None):
        return None
    return listed


def _storage(about: Any) -> tuple[str, str]:
    """Return the directory in which an engine stores everything, and its driver; empty where it does not say."""
    if not isinstance(about, dict):
        return "", ""
    return str(about.get("DockerRootDir") or ""), str(about.get("Driver") or "")


def _without_engine(usual: list[Endpoint]) -> tuple[Endpoint, list[ListedImage]]:
    podman = next((each for each in usual if each.kind is EngineKind.PODMAN), None)
    if podman is not None and may_read_storage():
        try:
            listed, _ = list_containers_storage(containers_roots())
        except StorageUnreadable:
            listed = []
        if listed:
            return podman, listed
    absent = " and ".join(f"no {each.kind.label} at {escape(str(each.socket))}" for each in usual)
    raise NotFound(f"there is {absent}; set DOCKER_HOST or CONTAINER_HOST to an engine, or name archives or layouts")
