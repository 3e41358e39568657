"""The tar of a layer without what is dropped from it: all other members byte for byte, headers and all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.layers.blob import Blob
from layerscope.layers.compression import Compression, compression_of, unpack
from layerscope.layers.tar.headers import BLOCK
from layerscope.slim.fates import EntryFate, Fates
from layerscope.slim.members import Members
from layerscope.slim.new_headers import empty_file

PIECE = 1 << 20
END = 2 * BLOCK
"""The most bytes of zeros that end the new tar: two blocks (POSIX pax, "ustar Interchange Format")."""


def rewritten(blob: Blob, members: Members, fates: Fates) -> Iterator[bytes]:
    """Yield the new tar in pieces of at most 1 MiB; `fates` has a EntryFate for each entry of the layer.

    Raises CorruptLayer like `unpack`.
    """
    fate = np.full(len(members.ends), EntryFate.KEEP, np.uint8)
    fate[members.entry >= 0] = fates[members.entry[members.entry >= 0]]
    starts = members.starts
    is_new = np.ones(len(fate), bool)
    is_new[1:] = (fate[1:] != fate[:-1]) | (fate[1:] == EntryFate.EMPTY)
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(fate)) - 1
    source, written = Stretches(blob), 0
    for one, stop in zip(first.tolist(), last.tolist(), strict=True):
        if fate[one] == EntryFate.KEEP:
            yield from source.pieces(int(starts[one]), int(members.ends[stop]))
            written += int(members.ends[stop] - starts[one])
        elif fate[one] == EntryFate.EMPTY:
            member = empty_file(members.table.entries.paths[int(members.entry[one])])
            yield member
            written += len(member)
    padding = -written % BLOCK  # which a tar may lack after its last member
    room = min(members.table.unpacked_bytes - written - padding, END)
    yield bytes(padding + room // BLOCK * BLOCK if room >= 0 else 0)


class Stretches:
    """Reads stretches of a layer's tar, each after the one before."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._is_plain = compression_of(blob.read(0, 4)) is Compression.NONE
        self._unpacked = iter(()) if self._is_plain else unpack(blob)
        self._held, self._position = b"", 0  # the piece that was unpacked last, and where it begins

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `stop` in pieces of at most 1 MiB."""
        if self._is_plain:
            for at in range(start, stop, PIECE):
                yield self._blob.read(at, min(PIECE, stop - at))
            return
        while start < stop:
            while self._position + len(self._held) <= start:
                self._position += len(self._held)
                self._held = next(self._unpacked)
            piece = self._held[start - self._position : stop - self._position]
            yield piece
            start += len(piece)
