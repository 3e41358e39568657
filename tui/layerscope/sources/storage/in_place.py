"""Opening an image in its engine's storage, after finding out which kind of storage that is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from layerscope.errors import BadDocument, NotFound
from layerscope.oci.digest import Digest
from layerscope.oci.platform import Platform
from layerscope.sources.documents.assemble import assemble
from layerscope.sources.documents.catalog import stored_images
from layerscope.sources.documents.choose import choose
from layerscope.sources.image import Image
from layerscope.sources.location import EngineKind, EngineName, Location
from layerscope.sources.storage.container import (
    Container,
    find_docker_container,
    find_podman_container,
    own_layer,
    with_own_layer,
)
from layerscope.sources.storage.containerd import containerd_roots, open_content
from layerscope.sources.storage.containers_image import find_containers_image
from layerscope.sources.storage.containers_store import containers_roots
from layerscope.sources.storage.docker import DIRECTORIES, docker_roots, find_docker_image
from layerscope.sources.storage.kept import KeptImage
from layerscope.sources.storage.unreadable import StorageUnreadable


@dataclass(frozen=True, slots=True)
class StoragePlace:
    """The directory and the storage driver that an engine states; empty where it does not say."""

    kind: EngineKind
    root: str
    driver: str


def open_kept(place: StoragePlace, image_id: str, *, reference: str, name: str, platform: Platform | None) -> Image:
    """Open the image of that id in its engine's storage. `name` is the tag that the user gave, or empty.

    An id is a hash of the image, so another engine's storage below the same path does no harm. Raises StorageUnreadable if it
    cannot be read or is missing; NotFound for the platform.
    """
    if not place.root:
        raise StorageUnreadable("the engine does not say where it keeps its images")
    root, digits = Path(place.root), image_id.removeprefix("sha256:")
    if place.kind is EngineKind.DOCKER and place.driver not in DIRECTORIES:
        return _open_content(root, image_id, reference=reference, name=name, platform=platform)
    try:
        if place.kind is EngineKind.DOCKER:
            kept = find_docker_image(root, digits, driver=place.driver)
        else:
            kept = find_containers_image([root, *containers_roots()], digits, driver=place.driver)
    except NotFound as error:
        raise StorageUnreadable(str(error)) from error
    return replace(kept, name=name).opened(reference=reference, platform=platform)


def _open_content(root: Path, image_id: str, *, reference: str, name: str, platform: Platform | None) -> Image:
    """Open Docker's image in containerd's store; its id is the digest of its manifest or index."""
    try:
        digest = Digest.parse(image_id)
    except BadDocument as error:
        raise StorageUnreadable(str(error)) from error
    for each in (root / "containerd/daemon", *containerd_roots()):
        with suppress(StorageUnreadable):
            files = open_content(each, digest, name)
            location = Location(reference, None, engine=EngineName(EngineKind.DOCKER, name or image_id))
            candidate, tag = choose(stored_images(files), location, platform)
            return assemble(files, candidate, reference=reference, name=tag)
    raise StorageUnreadable(f"no readable containerd store has {digest}")


def search_kept(kinds: Collection[EngineKind], name: str, *, reference: str, platform: Platform | None) -> Image | None:
    """Search the usual storage of engines that do not run for the image `name`; None if no readable one has it.

    Raises AmbiguousImage for the name, NotFound for the platform.
    """
    for find in _searches(kinds):
        try:
            kept = find(name)
        except (NotFound, StorageUnreadable):
            continue
        with suppress(StorageUnreadable):
            return kept.opened(reference=reference, platform=platform)
    return None


def search_container(kinds: Collection[EngineKind], name: str, *, reference: str) -> Image | None:
    """Search the usual storage of engines that do not run for the container `name`; None if no readable one has it.

    Raises AmbiguousImage for the name.
    """
    for find_container, find_image in _container_searches(kinds):
        with suppress(NotFound, StorageUnreadable):
            container = find_container(name)
            image = find_image(container.image_id).opened(reference=reference)
            return with_own_layer(image, container, own_layer(container, image), reference=reference)
    return None


def _container_searches(
    kinds: Collection[EngineKind],
) -> Iterator[tuple[Callable[[str], Container], Callable[[str], KeptImage]]]:
    if EngineKind.DOCKER in kinds:
        yield from ((partial(find_docker_container, root), partial(find_docker_image, root)) for root in docker_roots())
    if EngineKind.PODMAN in kinds:
        roots = containers_roots()
        yield partial(find_podman_container, roots), partial(find_containers_image, roots)


def _searches(kinds: Collection[EngineKind]) -> Iterator[Callable[[str], KeptImage]]:
    if EngineKind.DOCKER in kinds:
        yield from (partial(find_docker_image, root) for root in docker_roots())
    if EngineKind.PODMAN in kinds:
        yield partial(find_containers_image, containers_roots())
