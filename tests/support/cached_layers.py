"""Layers and digests for tests of the cache, in this process and in others."""

from __future__ import annotations

from layerscope.cache.directory import IdKind
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.oci.digest import Digest
from support.image_builder import blob, layer, squeeze

XXH3 = (IdKind.XXH3,)


def digest(number: int) -> Digest:
    return Digest.parse(f"sha256:{number:064x}")


def read_of(*names: str) -> ReadLayer:
    return read_layer(blob(squeeze(layer(*names).tar(), "gzip")), layer=1)
