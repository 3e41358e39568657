"""Where each member of a layer's tar begins and ends, with the extended headers before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression, compression_of, unpack
from layerscope.layers.readers.blob import read_pieces, read_plain
from layerscope.layers.table import LayerTable
from layerscope.layers.tar.header_walk import HeaderWalk
from layerscope.layers.tar.headers import BLOCK
from layerscope.progress import ignore

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The members of one tar in order: `ends` (int64) are the offsets after each, its padding included.

    A member begins where the one before ends, the first at 0. `entry` (int64) is its number in `table`, -1 for a whiteout and
    whatever else is no entry. What follows the last member is the end of the tar.
    """

    table: LayerTable
    ends: Longs
    entry: Longs

    @property
    def starts(self) -> Longs:
        """Return the offsets before each member (int64)."""
        return np.concatenate([np.zeros(min(len(self.ends), 1), np.int64), self.ends[:-1]])


class MemberWalk(HeaderWalk):
    """A HeaderWalk that remembers where the contents of members start and where members end."""

    def __init__(self, layer: int) -> None:
        super().__init__(layer)
        self.offsets: list[int] = []
        self.ends: list[int] = []

    def flush(self) -> None:
        rows = self.rows
        ends = [offset + -(-size // BLOCK) * BLOCK for offset, size in zip(rows.offsets, rows.sizes, strict=True)]
        for row, end in rows.ends.items():
            ends[row] = end
        self.offsets += rows.offsets
        self.ends += ends
        super().flush()


def members_of(blob: Blob, *, layer: int, on_bytes: OnBytes = ignore) -> Members:
    """Find the members of a stored layer, plain or compressed. Raises CorruptLayer for a damaged one."""
    walk = MemberWalk(layer)
    if compression_of(blob.read(0, 4)) is Compression.NONE:
        table = read_plain(blob, on_bytes=on_bytes, walk=walk)
    else:
        table = read_pieces(unpack(blob, on_bytes=on_bytes), walk=walk)
    for problem in table.problems:
        if problem.is_fatal:
            raise CorruptLayer(f"layer {layer}: {problem.text}")
    offsets, starts = np.array(walk.offsets, np.int64), table.entries.content_offset
    at = np.searchsorted(starts, offsets)
    is_entry = starts[np.minimum(at, len(starts) - 1)] == offsets if len(starts) else np.zeros(len(offsets), bool)
    ends = np.minimum(np.array(walk.ends, np.int64), table.unpacked_bytes)  # the last one's padding may be missing
    return Members(table, ends, np.where(is_entry, at, -1))
