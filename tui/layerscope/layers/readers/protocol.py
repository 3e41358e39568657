"""A layer that is read otherwise than from its stored bytes: from records of an engine, from a stream, from a cache."""

from __future__ import annotations

from typing import Protocol

from layerscope.layers.blob import OnBytes
from layerscope.layers.content import LayerContent
from layerscope.layers.readers.blob import ReadLayer


class Way(Protocol):
    """A way to one layer. `stored_bytes` is what it takes where it is kept, in bytes: what progress is counted in."""

    @property
    def stored_bytes(self) -> int:
        """Bytes to get through; 0 where reading takes no time."""

    def read(self, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """The table, the same as that of the layer's tar. Damage does not raise: it is a fatal problem of the table."""

    def content(self, read: ReadLayer) -> LayerContent | None:
        """The way back to the bytes of its files; None where there is none."""
