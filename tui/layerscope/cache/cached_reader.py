"""A reader of an engine's layer that takes it from the cache if it is there, and stores it if not."""

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

    `ids` is the kind of ids in the other reader's tables; `usable` are other acceptable kinds. The layers of one image must
    have one kind, so all readers of an image name the same.
    """

    cache: Cache
    diff_id: Digest
    reader: LayerReader
    ids: IdKind
    usable: tuple[IdKind, ...] = ()

    @property
    def is_known(self) -> bool:
        """Tell whether the table is cached. If it is for all layers of an image, the engine need not be asked."""
        return self.cache.has(self.diff_id, (self.ids, *self.usable))

    @property
    def stored_bytes(self) -> int:
        """Return the other reader's count, so that a report is the same with and without the cache."""
        return self.reader.stored_bytes

    def read(self, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Return the cached table, or else the other reader's, which is then cached."""
        known = self.cache.find(self.diff_id, (self.ids, *self.usable), layer=layer)
        if known is not None:
            on_bytes(self.stored_bytes)
            return known
        read = self.reader.read(layer=layer, on_bytes=on_bytes)
        self.cache.keep(self.diff_id, read, self.ids)
        return read

    def content(self, read: ReadLayer) -> LayerContent | None:
        """Return the other reader's content, for a table that may be from the cache."""
        return self.reader.content(read)
