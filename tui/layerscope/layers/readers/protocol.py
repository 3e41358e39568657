"""What all readers of a layer have in common, wherever its bytes are."""

from __future__ import annotations

from typing import Protocol

from layerscope.layers.blob import OnBytes
from layerscope.layers.content import LayerContent
from layerscope.layers.readers.blob import ReadLayer


class LayerReader(Protocol):
    """Reads one layer. `stored_bytes` is what the layer takes where it is kept; progress is counted in it."""

    @property
    def stored_bytes(self) -> int:
        """Bytes to get through; 0 where reading takes no time."""

    def read(self, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """The table, the same as that of the layer's tar. Damage does not raise: it is a fatal problem of the table."""

    def content(self, read: ReadLayer) -> LayerContent | None:
        """Access to the bytes of its files; None if there is none."""
