"""A layer of an engine that is read from the cache when it is there, and kept when it was not."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.cache.cache import Cache
from layerscope.cache.key import IdKind
from layerscope.layers.blob import OnBytes
from layerscope.layers.content import LayerContent
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import Way
from layerscope.oci.digest import Digest


@dataclass(frozen=True, slots=True, eq=False)
class CachedWay:
    """Another way to a layer, with the cache before it.

    `ids` is what the other way's tables hold; `usable` are other kinds that will do, too. The layers of one image have to be
    of one kind, so those who mix ways name the same.
    """

    cache: Cache
    diff_id: Digest
    way: Way
    ids: IdKind
    usable: tuple[IdKind, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the table is kept. When it is for all layers of an image, nothing need be asked of the engine."""
        return self.cache.has(self.diff_id, (self.ids, *self.usable))

    @property
    def stored_bytes(self) -> int:
        """The other way's: a report says the same with and without the cache."""
        return self.way.stored_bytes

    def read(self, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """The kept table, or else the other way's, which is then kept."""
        known = self.cache.find(self.diff_id, (self.ids, *self.usable), layer=layer)
        if known is not None:
            on_bytes(self.stored_bytes)
            return known
        read = self.way.read(layer=layer, on_bytes=on_bytes)
        self.cache.keep(self.diff_id, read, self.ids)
        return read

    def content(self, read: ReadLayer) -> LayerContent | None:
        """The other way's. It gets a table that it may not have made itself."""
        return self.way.content(read)
