"""Directories that skopeo and podman write as `dir:PATH`: `manifest.json` is the manifest, blobs are named by their hex
digits.

See containers-transports(5), `dir:`. There is no specification; the file `version` says "Directory Transport Version: 1.1".
"""

from __future__ import annotations

from dataclasses import replace

from layerscope.layers.blob import Blob
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Descriptor
from layerscope.sources.documents.candidate import Candidate, StatedLayer, Stored
from layerscope.sources.documents.files import Files, read_document
from layerscope.sources.documents.layout import INDEX, Leaf, images_at, leaves
from layerscope.sources.documents.saved import MANIFEST

VERSION = "version"
_KEYS = (b'"layers"', b'"manifests"', b'"fsLayers"')


def is_skopeo_directory(files: Files) -> bool:
    """Tell whether `manifest.json` is a manifest or an index itself, not a list of images as `docker save` writes it."""
    if files.has(INDEX) or not files.has(MANIFEST):
        return False
    raw = read_document(files, MANIFEST).lstrip()
    return raw.startswith(b"{") and (files.has(VERSION) or any(key in raw for key in _KEYS))


def directory_images(files: Files) -> list[Stored]:
    """Return the directory's image, or those of all platforms after `skopeo copy --all`. Raises BadDocument for a bad index."""
    named = _ByHex(files)
    raw = read_document(files, MANIFEST)
    if b'"manifests"' in raw:
        found = leaves(named, MANIFEST)
    else:
        found = [Leaf(Descriptor(Digest.of(raw), size=len(raw), data=raw), numbers={0: None})]
    return [_with_files(named, image) for image in images_at(named, found)]


def _with_files(named: _ByHex, image: Stored) -> Stored:
    if not isinstance(image, Candidate):
        return image
    return replace(image, parts=tuple(_part(named, part) for part in image.parts))


def _part(named: _ByHex, part: StatedLayer) -> StatedLayer:
    return replace(part, file=named.name_of(part.file))


class _ByHex:
    """The files of the directory under the names that an OCI layout would give them."""

    def __init__(self, files: Files) -> None:
        self.place, self.damage = files.place, files.damage
        self._files = files

    def name_of(self, name: str) -> str:
        """Translate `blobs/sha256/HEX` to the directory's file name, of which any other algorithm is a part."""
        algorithm, slash, encoded = name.removeprefix("blobs/").partition("/")
        if not slash or not name.startswith("blobs/"):
            return name
        own = encoded if algorithm == "sha256" else f"{algorithm}-{encoded}"
        return next((each for each in (own, f"{own}.manifest.json") if self._files.has(each)), own)

    def has(self, name: str) -> bool:
        return self._files.has(self.name_of(name))

    def blob(self, name: str) -> Blob:
        return self._files.blob(self.name_of(name))

    def names(self) -> list[bytes]:
        return self._files.names()
