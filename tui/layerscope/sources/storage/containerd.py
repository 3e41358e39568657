"""containerd's content store, read in place: it holds the images of nerdctl, k3s, and Docker with the containerd image store.

io.containerd.content.v1.content/blobs/sha256/     every blob, as in an OCI layout
io.containerd.metadata.v1.bolt/meta.db             names -> manifests and indexes, by namespace
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from layerscope.errors import BadDocument, NotFound
from layerscope.layers.blob import Blob
from layerscope.oci.digest import Digest
from layerscope.oci.documents import MAX_DOCUMENT, OCI_INDEX, OCI_MANIFEST
from layerscope.oci.reference import best_match
from layerscope.sources.documents.files import Directory, blob_name
from layerscope.sources.documents.layout import CONTAINERD_NAME, INDEX
from layerscope.sources.storage.bolt import Bucket, read_bolt
from layerscope.sources.storage.unreadable import StorageUnreadable, is_there, names_in, read_bytes
from layerscope.text import escape

SYSTEM = (
    Path("/var/lib/containerd"),
    Path("/var/lib/rancher/k3s/agent/containerd"),
    Path("/var/lib/rancher/rke2/agent/containerd"),
    Path("/var/snap/microk8s/common/var/lib/containerd"),
    Path("/var/lib/docker/containerd/daemon"),
)
CONFIG = Path("/etc/containerd/config.toml")
ROOT = "LAYERSCOPE_CONTAINERD"
"""The environment variable that names containerd's root directory where that is an unusual one."""
NAMESPACE = "CONTAINERD_NAMESPACE"
"""containerd's own variable: the only namespace to search."""
CONTENT, DATABASE = "io.containerd.content.v1.content", "io.containerd.metadata.v1.bolt/meta.db"
SHORTEST = 7
"""The fewest digits of a digest that are searched for."""


@dataclass(frozen=True, slots=True)
class NamedTarget:
    """An image that the database lists; the media type of its manifest or index may be unknown."""

    name: str
    digest: Digest
    media_type: str = ""


class ContentStore(Directory):
    """containerd's blobs as the files of an OCI layout, with a generated `index.json` of the images `listed`."""

    def __init__(self, root: Path, listed: list[NamedTarget]) -> None:
        super().__init__(root / CONTENT, f"containerd ({escape(str(root))})")
        self._index = msgspec.json.encode({"schemaVersion": 2, "manifests": [self._descriptor(each) for each in listed]})

    def has(self, name: str) -> bool:
        return name == INDEX or super().has(name)

    def blob(self, name: str) -> Blob:
        if name != INDEX:
            return super().blob(name)
        return Blob.of_bytes(self._index)

    def _descriptor(self, image: NamedTarget) -> dict[str, object]:
        annotations = {CONTAINERD_NAME: image.name} if image.name else {}
        named: dict[str, object] = {"digest": str(image.digest), "annotations": annotations}
        try:
            blob = super().blob(blob_name(image.digest))
        except NotFound:  # pulled by halves; it is refused when it is asked for
            return named | {"mediaType": image.media_type}
        return named | {"mediaType": image.media_type or _media_type(blob), "size": blob.size}


def containerd_files(wanted: str) -> ContentStore:
    """Return the store that has an image of that name or digest, or else the first existing store. Raises NotFound.

    With a digest, or its first digits, the database is not needed.
    """
    stores = [_store(root, wanted) for root in containerd_roots() if is_there(root / CONTENT)]
    readable = [store for store in stores if store is not None]
    if readable:
        return next((store for store, has_wanted in readable if has_wanted), readable[0][0])
    places = ", ".join(escape(str(root)) for root in containerd_roots())
    raise NotFound(f"containerd keeps no images that this user may read in {places} ({ROOT}=DIR names another)")


def open_content(root: Path, digest: Digest, name: str) -> ContentStore:
    """Open one image of the store below `root`, by the digest of its manifest or index. Raises StorageUnreadable."""
    if not _media_type(_blob(root, digest.encoded)):
        raise StorageUnreadable(f"containerd's {escape(str(root))} does not have {digest}, or this user may not read it")
    return ContentStore(root, [NamedTarget(name, digest)])


def containerd_roots() -> list[Path]:
    """Return the directories to search: the one named by LAYERSCOPE_CONTAINERD, or the usual ones."""
    if named := os.environ.get(ROOT):
        return [Path(named)]
    own = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    return list(dict.fromkeys([*_configured(), *SYSTEM, own / "containerd", own / "docker/containerd/daemon"]))


def _configured() -> Iterator[Path]:
    try:
        root = tomllib.loads(read_bytes(CONFIG).decode()).get("root")
    except (StorageUnreadable, ValueError):
        return
    if isinstance(root, str) and root:
        yield Path(root)


def _store(root: Path, wanted: str) -> tuple[ContentStore, bool] | None:
    """Return the store below `root`, and whether it has the wanted image; None if neither its database nor that can be read."""
    digests = list(_digests(root, wanted))
    try:
        listed = _listed(root)
    except StorageUnreadable:
        if not digests:
            return None
        listed = []
    known = {each.digest for each in listed}
    listed += [NamedTarget("", digest) for digest in digests if digest not in known]
    names = best_match(wanted, {each.name for each in listed if each.name})
    return ContentStore(root, listed), bool(digests or names)


def _digests(root: Path, wanted: str) -> Iterator[Digest]:
    """Yield the digests of manifests and indexes that begin with `wanted`, perhaps after `NAME@`."""
    digits = wanted.rpartition("@")[2].removeprefix("sha256:")
    if len(digits) < SHORTEST or set(digits) - set("0123456789abcdef"):
        return
    for name in names_in(root / CONTENT / "blobs/sha256"):
        if name.startswith(digits) and _media_type(_blob(root, name)):
            yield Digest.parse(f"sha256:{name}")


def _blob(root: Path, digits: str) -> Blob:
    try:
        return Blob.of_file(root / CONTENT / "blobs/sha256" / digits)
    except NotFound:
        return Blob.of_bytes(b"")


def _media_type(blob: Blob) -> str:
    """Guess from its content what a blob is: an index, a manifest, or (empty) something else."""
    text = blob.read(0, MAX_DOCUMENT)
    if not text.lstrip().startswith(b"{"):
        return ""
    return OCI_INDEX if b'"manifests"' in text else OCI_MANIFEST if b'"layers"' in text and b'"config"' in text else ""


def _listed(root: Path) -> list[NamedTarget]:
    return read_bolt(root / DATABASE, lambda database: list(_images(database)))


def _images(database: Bucket) -> Iterator[NamedTarget]:
    """Yield the images of the database (containerd `metadata/buckets.go`: v1/NAMESPACE/images/NAME/target)."""
    own = os.environ.get(NAMESPACE, "").encode()
    for namespace, bucket in database.bucket(b"v1").buckets():
        if own and namespace != own:
            continue
        for name, image in bucket.bucket(b"images").buckets():
            target = image.bucket(b"target").values
            try:
                digest = Digest.parse(target.get(b"digest", b"").decode("utf-8", "replace"))
            except BadDocument:
                continue
            media_type = target.get(b"mediatype", b"").decode("utf-8", "replace")
            # Kubernetes lists each image by its id, too.
            own_name = "" if name.startswith(b"sha256:") else name.decode("utf-8", "replace")
            yield NamedTarget(own_name, digest, media_type)
