"""All images of an engine and the sizes of their layers from its storage, faster than from its API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from layerscope.oci.digest import Digest
from layerscope.oci.documents import HistoryStep
from layerscope.sources.engine.listing import ListedImage
from layerscope.sources.storage.containers_store import ID, ContainersStore, ImageRow, images_of, stores_at
from layerscope.sources.storage.unreadable import StorageUnreadable, plain_id, read_config, read_word

Built = tuple[tuple[HistoryStep, ...], tuple[Digest, ...]]
"""The steps of a build and the diff_ids of the layers that they made; an intermediate image's are the beginning of a longer
build's (libpod `layer_tree.go`).
"""


def docker_layer_sizes(root: Path, driver: str, chain: Iterable[Digest]) -> dict[Digest, int]:
    """Return layer sizes by chain id from Docker's layer database (moby `layer/filestore.go`), in bytes of the files in
    each.

    A chain id is a hash of its layers, so another engine's storage below the same path does no harm. Missing and unreadable
    layers are left out.
    """
    database = root / "image" / driver / "layerdb"
    words = {each: read_word(database / each.algorithm / each.encoded / "size") for each in set(chain)}
    return {each: int(word) for each, word in words.items() if word.isdecimal()}


def list_containers_storage(roots: Sequence[Path], driver: str = "") -> tuple[list[ListedImage], int]:
    """Return the images of Podman, Buildah and CRI-O in the stores at `roots`, and the number of all images, intermediate
    build steps included.

    Intermediate steps are left out, as engines do. Sizes are those of the layers' tars. Unreadable images are left out: they
    may be just being added or removed. Raises StorageUnreadable when none can be read.
    """
    stores = stores_at(roots, driver)
    found = list(_readable(stores))
    on_the_way = {each for _, built in found for each in _before(built)}
    return [image for image, built in found if _is_named(image) or built not in on_the_way], len(images_of(stores))


def _before(built: Built) -> Iterator[Built]:
    """Yield the state of a build after each of its steps but the last."""
    steps, layers = built
    made = 0
    for number, step in enumerate(steps[:-1], 1):
        made += not step.empty_layer
        yield steps[:number], layers[:made]


def _is_named(image: ListedImage) -> bool:
    return bool(image.names or image.repo_digests)


def _readable(stores: Sequence[ContainersStore]) -> Iterator[tuple[ListedImage, Built]]:
    for store, row in images_of(stores).values():
        try:
            yield _listed(stores, store, row)
        except StorageUnreadable:
            continue


def _listed(stores: Sequence[ContainersStore], store: ContainersStore, row: ImageRow) -> tuple[ListedImage, Built]:
    from layerscope.sources.storage.containers_image import file_name

    config, _ = read_config(store.images_directory / plain_id(row.id, ID) / file_name(f"sha256:{row.id}"))
    sizes = _sizes(stores, row.layer)
    if len(sizes) != len(config.rootfs.diff_ids):
        raise StorageUnreadable(f"of image {row.id[:12]} only {len(sizes)} layers are there")
    names = row.names or ()
    listed = ListedImage(
        id=f"sha256:{row.id}",
        names=tuple(name for name in names if "@" not in name),
        repo_digests=tuple(name for name in names if "@" in name),
        platform=config.platform,
        created=config.created,
        size=sum(sizes),
        diff_ids=tuple(config.rootfs.diff_ids),
        sizes=tuple(sizes),
    )
    return listed, (tuple(config.history), listed.diff_ids)


def _sizes(stores: Sequence[ContainersStore], top: str) -> list[int]:
    """Return the sizes of a layer and all below it, base first. Raises StorageUnreadable if one is missing."""
    sizes: list[int] = []
    seen: set[str] = set()
    while top and top not in seen:
        seen.add(top)
        row = next((store.layers[top] for store in stores if top in store.layers), None)
        if row is None:
            raise StorageUnreadable(f"layer {top[:12]} is missing")
        sizes.append(row.diff_size)
        top = row.parent
    return sizes[::-1]
