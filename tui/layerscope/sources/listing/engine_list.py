"""The images that an engine lists: by its API, or from its storage where that is faster or more precise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from layerscope.errors import NotFound
from layerscope.oci.digest import Digest
from layerscope.progress import Progress
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.endpoints import Endpoint, endpoints, local_socket
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.engine.listing import Ask, ListedImage, list_images
from layerscope.sources.engine_names import EngineKind
from layerscope.sources.storage.allowed import may_read_storage
from layerscope.sources.storage.listing import docker_layer_sizes, list_containers_storage
from layerscope.sources.storage.roots import containers_roots
from layerscope.sources.storage.unreadable import StorageUnreadable
from layerscope.text import escape


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
    """Read layer sizes from Docker's storage if permitted: its history does not say which steps made no layer."""
    about = ask("/info") or {} if may_read_storage() and local_socket(endpoint) else {}
    root, driver = _storage(about)
    return docker_layer_sizes(Path(root), driver, chain) if root and driver else {}


def _nothing_known(_chain: Iterable[Digest]) -> Mapping[Digest, int]:
    """Return no sizes: Podman's history states every layer's size, because no tar is empty."""
    return {}


def _of_podmans_storage(ask: Ask) -> list[ListedImage] | None:
    """Read Podman's images from its storage, faster than its API (200 take it 3 s); None where it cannot be read.

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
