"""A layer of an engine that is read from the cache when it is there, and kept when it was not."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.cache.cache import Cache
from layerscope.cache.key import IdKind
from layerscope.layers.blob import OnBytes
from layerscope.layers.content import LayerContent
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import LayerReader
from layerscope.oci.digest import Digest


@dataclass(frozen=True, slots=True, eq=False)
class CachedReader:
    """Puts the cache before another reader of the same layer.

    `ids` is what the other reader's tables hold; `usable` are other kinds that will do, too. The layers of one image have to be
    of one kind, so readers that are mixed name the same.
    """

    cache: Cache
    diff_id: Digest
    reader: LayerReader
    ids: IdKind
    usable: tuple[IdKind, ...] = ()

    @property
    def is_known(self) -> bool:
        """Tell whether the table is kept. When it is for all layers of an image, nothing need be asked of the engine."""
        return self.cache.has(self.diff_id, (self.ids, *self.usable))

    @property
    def stored_bytes(self) -> int:
        """Return the other reader's: a report says the same with and without the cache."""
        return self.reader.stored_bytes

    def read(self, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Return the kept table, or else the other reader's, which is then kept."""
        known = self.cache.find(self.diff_id, (self.ids, *self.usable), layer=layer)
        if known is not None:
            on_bytes(self.stored_bytes)
            return known
        read = self.reader.read(layer=layer, on_bytes=on_bytes)
        self.cache.keep(self.diff_id, read, self.ids)
        return read

    def content(self, read: ReadLayer) -> LayerContent | None:
        """Return the other reader's content. It gets a table that it may not have made itself."""
        return self.reader.content(read)
