"""Contents of the files of a layer that was read by its table of contents: each is fetched for itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from layerscope.errors import CorruptLayer, NotCompared
from layerscope.layers.blob import StoredBytes
from layerscope.layers.compression import Compression, unpack
from layerscope.layers.content import Stretch
from layerscope.layers.fetched import StoredContents

Ranged = Callable[[int], StoredBytes]
"""Returns a blob of which parts are fetched, as if it ended at a stored offset: nothing behind that is."""
UNFETCHED = "contents of this layer are compared by what its table of contents says of them, not with what other layers hold"


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of a blob as if it were all of it."""

    blob: StoredBytes
    start: int
    size: int

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """See StoredBytes."""
        end = self.size if size is None else min(self.size, start + size)
        return self.blob.read(self.start + start, end - start) if end > start else b""

    def forget(self, start: int, end: int) -> None:
        """Nothing is mapped."""


@dataclass(frozen=True, slots=True, eq=False)
class TocContent:
    """Files of a layer by its table of contents: the members or frames that hold a file are fetched, unpacked and checked."""

    ranged: Ranged
    compression: Compression
    contents: StoredContents

    @property
    def plain(self) -> None:
        """There is no map."""

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:  # noqa: ARG002
        """See LayerContent. Raises CorruptLayer besides, after the last piece, for another content than the table says."""
        end = int(self.contents.end[offset])
        return self._pieces(self.ranged(end), offset, size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """See LayerContent. Contents that lie side by side are fetched together."""
        blob = self.ranged(int(self.contents.end.max(initial=0)))
        for entry, offset, size in wanted:
            yield entry, self._pieces(blob, offset, size)

    def digest(self, entry: int, offset: int, size: int) -> bytes:  # noqa: ARG002
        """Raises NotCompared: nothing is fetched for that."""
        raise NotCompared(UNFETCHED)

    def digests(self, stretches: Sequence[Stretch]) -> list[bytes]:
        """Raises NotCompared, like `digest`."""
        return [self.digest(*stretch) for stretch in stretches]

    def _pieces(self, blob: StoredBytes, index: int, size: int) -> Iterator[bytes]:
        if not size:
            return
        start, end = int(self.contents.start[index]), int(self.contents.end[index])
        skip, left = int(self.contents.inner[index]), size
        known, sha256 = self.contents.sha256[index], hashlib.sha256()
        for unpacked in unpack(_Section(blob, start, end - start)):
            piece = unpacked[skip : skip + left]
            skip = max(0, skip - len(unpacked))
            left -= len(piece)
            if piece:
                sha256.update(piece)
                yield piece
            if not left:
                break
        if left:
            raise CorruptLayer(f"the content at stored offset {start} ends {left} bytes early")
        if known.any() and sha256.digest() != known.tobytes():
            raise CorruptLayer(f"the content at stored offset {start} is another than the layer's table of contents says")
