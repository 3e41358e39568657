"""Reads a layer from its engine's own record: tar-split stores every byte of a layer's tar except the contents of files."""

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
    """Reads a layer whose headers are in the tar-split file `record` and whose files are unpacked below `directory`.

    `stored_bytes` is the layer's size in storage; progress is counted in it, although the record is far smaller.
    """

    record: Path
    directory: Path
    stored_bytes: int = 0

    @property
    def work(self) -> int:
        return self.stored_bytes

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:  # noqa: ARG002 - no more is to be had
        """Read the same table as that of the layer's tar, but with CRC-64s as content ids. 0.3 s for 117,000 entries.

        Nothing below `directory` is touched. A damaged or missing record is a fatal problem of the table.
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
        """Return access to the files in the layer's directory."""
        return DirectoryContent.of(self.directory, read.table)


def _table(walk: SplitWalk, damage: str) -> LayerTable:
    """Return the table of what was read; a wrong checksum before the damage counts as the damage."""
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
