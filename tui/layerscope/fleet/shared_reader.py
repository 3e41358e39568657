"""Takes layers from the place where a fleet keeps its results, and puts those there that it had to read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerscope.cache.cache import Cache, is_keepable
from layerscope.cache.cached_reader import DelegatingReader, with_cache
from layerscope.cache.columns import Unusable
from layerscope.cache.format import OtherFormat, decode, encode
from layerscope.fleet.store import ResultStore
from layerscope.layers.blob import OnBytes
from layerscope.layers.hashing import LayerHashes
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import LayerReader, ReadOptions
from layerscope.sources.image import Image, StoredLayer


@dataclass(frozen=True, slots=True, eq=False)
class SharedReader(DelegatingReader):
    """Puts the results of a fleet before the reader of a layer; `name` is the file of its table.

    Only a layer whose bytes have the stated digest is kept for other images: an archive may state any.
    """

    reader: LayerReader
    layer: StoredLayer
    store: ResultStore
    name: str

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:  # noqa: ARG002
        """Return the layer as another task read it; None if none did, or not with the hashes that are wanted."""
        data = self.store.read(self.name)
        if data is None:
            return None
        try:
            read = replace(decode(data, name=self.name, layer=layer).read, fetched=None)
        except (OtherFormat, Unusable, MemoryError):
            return None
        is_enough = options.hash_with is None or read.hashes is None or read.hashes.are_of(options.hash_with)
        return read if is_enough else None

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Return the layer as another task read it, or read it and keep it for others."""
        known = self.known(options, layer=layer, on_bytes=on_bytes)
        if known is not None:
            return known
        read = self.reader.read(options, layer=layer, on_bytes=on_bytes)
        if is_keepable(read) and is_what_it_is_called(self.layer, read.hashes):
            self.store.write(self.name, encode(read, name=self.name, fingerprint=None))
        return read


def is_what_it_is_called(layer: StoredLayer, hashes: LayerHashes | None) -> bool:
    """Tell whether a layer's bytes have the digest by which a fleet knows it; without hashes, as an engine's, they do.

    Whether they have the other digest that its image states, of the unpacked bytes, is that image's concern alone.
    """
    if hashes is None or not (layer.digest or layer.diff_id):
        return True
    return hashes.stored == layer.digest if layer.digest else hashes.unpacked == layer.diff_id


def with_shared_layers(image: Image, names: tuple[str, ...], store: ResultStore, cache: Cache | None) -> Image:
    """Return the same image, whose layers are read from `store` where they are there; `names` are the files of their tables."""
    return replace(
        image,
        layers=tuple(
            replace(layer, reader=SharedReader(_cached(layer, cache), layer, store, name))
            for layer, name in zip(image.layers, names, strict=True)
        ),
    )


def _cached(layer: StoredLayer, cache: Cache | None) -> LayerReader:
    return layer.reader if cache is None else with_cache(layer.reader, cache, layer.digest or layer.diff_id)
