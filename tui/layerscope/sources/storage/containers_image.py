"""The images of Podman, Buildah and CRI-O (containers/storage), from their manifests and the chains of their layers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from layerscope.errors import BadDocument
from layerscope.oci.digest import Digest, chain_ids
from layerscope.oci.documents import Config, Manifest, decode
from layerscope.sources.storage.containers_store import ID, ContainersStore, ImageRow, images_of, stores_at
from layerscope.sources.storage.kept import KeptImage, KeptLayer, find_wanted
from layerscope.sources.storage.unreadable import StorageUnreadable, plain_id, read_bytes, read_config

MANIFEST = "manifest"
PLAIN = frozenset(".0123456789abcdefghijklmnopqrstuvwxyz")


def kept_image(stores: Sequence[ContainersStore], store: ContainersStore, row: ImageRow, *, name: str) -> KeptImage:
    """Return an image of `store`, whose layers may be in any of `stores`. Raises StorageUnreadable, also if it is not an
    image.
    """
    place = store.images_directory / plain_id(row.id, ID)
    raw_manifest = read_bytes(place / MANIFEST)
    try:
        manifest = decode(raw_manifest, Manifest, what=f"the manifest of {row.id[:12]}")
    except BadDocument as error:
        raise StorageUnreadable(str(error)) from error
    config, raw_config = read_config(place / file_name(manifest.config.digest))
    return KeptImage(
        id=manifest.config.digest,
        name=name,
        config=config,
        raw_config=raw_config,
        layers=tuple(_layers(stores, row, config)),
    )


def file_name(key: str) -> str:
    """Return the name of the file that holds an image's document `key` (containers/storage `images.go`,
    makeBigDataBaseName).
    """
    # containers/storage does not look at the last character, so it is not looked at here.
    return key if PLAIN.issuperset(key[:-1]) else "=" + base64.b64encode(key.encode()).decode()


def _layers(stores: Sequence[ContainersStore], row: ImageRow, config: Config) -> list[KeptLayer]:
    places = _chain(stores, row.layer)
    diff_ids = config.rootfs.diff_ids
    if len(places) != len(diff_ids):
        raise StorageUnreadable(f"image {row.id[:12]} has {len(diff_ids)} layers, of which {len(places)} are there")
    rows = zip(places, diff_ids, chain_ids(diff_ids), strict=True)
    return [_layer(*place, diff_id, chain_id) for place, diff_id, chain_id in rows]


def _chain(stores: Sequence[ContainersStore], top: str) -> list[tuple[ContainersStore, str]]:
    """Return the layers from the base up to `top`, each with the store that has it."""
    chain: list[tuple[ContainersStore, str]] = []
    seen = set()
    while top:
        store = next((store for store in stores if top in store.layers), None)
        if store is None or top in seen:
            raise StorageUnreadable(f"layer {top[:12]} is missing")
        seen.add(top)
        chain.append((store, top))
        top = store.layers[top].parent
    return chain[::-1]


def _layer(store: ContainersStore, layer: str, diff_id: Digest, chain_id: Digest) -> KeptLayer:
    row = store.layers[layer]
    if row.diff_digest not in ("", diff_id):
        raise StorageUnreadable(f"layer {layer[:12]} is {row.diff_digest[:19]} where the image says {diff_id[:19]}")
    return KeptLayer(
        diff_id=diff_id,
        chain_id=chain_id,
        size=row.diff_size,
        record=store.record(layer),
        directory=store.directory(layer),
    )


def find_containers_image(roots: Sequence[Path], name_or_id: str, *, driver: str = "") -> KeptImage:
    """Find the image of that name or id in the stores at `roots`: the engine's own, then additional ones.

    Raises StorageUnreadable when this user may not read it or its storage driver is not supported: then ask the API. Raises
    NotFound and AmbiguousImage for the name.
    """
    stores = stores_at(roots, driver)
    rows = images_of(stores)
    names = {name: image for image, (_, row) in reversed(rows.items()) for name in row.names or ()}
    wanted = find_wanted(name_or_id, names, rows, place="Podman's storage")
    return kept_image(stores, *rows[wanted.id], name=wanted.name.partition("@")[0])
