"""A layer read from its engine's own record: tar-split keeps every byte of a layer's tar but the contents of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from layerscope.errors import CorruptLayer, NotFound
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression.streams import Compression
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.overlay.content import DirectoryContent
from layerscope.layers.readers.protocol import KeptUnpacked, ReadOptions
from layerscope.layers.readers.tar_split.record_walk import SplitWalk
from layerscope.layers.readers.tar_split.records import records_of
from layerscope.layers.table import LayerTable
from layerscope.text import escape


@dataclass(frozen=True, slots=True)
class TarSplitReader(KeptUnpacked):
    """A layer whose headers are in the tar-split file `record` and whose files lie unpacked below `directory`.

    `stored_bytes` is what the layer takes where it is kept; progress is counted in it, although the record is far smaller.
    """

    record: Path
    directory: Path
    stored_bytes: int = 0

    @property
    def work(self) -> int:
        return self.stored_bytes

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:  # noqa: ARG002 - no more is to be had
        """The same table as that of the layer's tar, but that contents have CRC-64s for ids. 0.3 s for 117,000 entries.

        Nothing below `directory` is touched. A record that is damaged or not there is a fatal problem of the table.
        """
        walk = SplitWalk(layer)
        damage = ""
        try:
            blob = Blob.of_file(self.record)
            self._walk(walk, blob, on_bytes)
        except NotFound as error:
            damage = f"the engine's record of it cannot be read ({error})"
        except CorruptLayer as error:
            damage = f"the engine's record of it is damaged: {escape(str(self.record))}: {error}"
        return ReadLayer(_table(walk, damage), Compression.NONE)

    def _walk(self, walk: SplitWalk, blob: Blob, on_bytes: OnBytes) -> None:
        for records in records_of(blob, _Scaled(on_bytes, blob.size, self.stored_bytes).add):
            walk.take(records)
        walk.finish()

    def content(self, read: ReadLayer) -> DirectoryContent:
        """The files in the layer's directory."""
        return DirectoryContent.of(self.directory, read.table)


def _table(walk: SplitWalk, damage: str) -> LayerTable:
    """What was read; a checksum that is wrong before the damage is the damage."""
    try:
        walk.flush()
    except CorruptLayer as error:
        damage = f"the engine's record of it is damaged: {error}"
    return walk.table(damage)


class _Scaled:
    """Counts the bytes of a record as if they were the layer's."""

    def __init__(self, on_bytes: OnBytes, total: int, scaled_total: int) -> None:
        self._on_bytes, self._total, self._scaled_total = on_bytes, max(total, 1), scaled_total
        self._done = self._told = 0

    def add(self, length: int) -> None:
        self._done += length
        told = self._done * self._scaled_total // self._total
        self._on_bytes(told - self._told)
        self._told = told
