"""Contents of files in a registry whose places are known only in the unpacked tar: what lies around a file is fetched."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerscope.errors import NotCompared
from layerscope.layers.compression import Compression, SeekPoint
from layerscope.layers.content import BlobContent, Stretch, UnmappedContent, digest_of, refuse_large_sparse
from layerscope.layers.readers.foreseen import ForeseenBlob, Ranged
from layerscope.layers.table import SparseMap

Points = Callable[[], tuple[SeekPoint, ...]]
"""Returns a layer's seek points, which may have to be fetched."""


@dataclass(frozen=True, slots=True, eq=False)
class FarContent(UnmappedContent):
    """Access to files from the nearest seek point before them, in a blob of `size` bytes that ends at the next one after them.

    `unfetched` says why contents are not fetched just to compare them; empty if they may be.
    """

    ranged: Ranged
    size: int
    compression: Compression
    points: Points
    sparse: dict[int, SparseMap]
    unfetched: str = ""

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:
        """Yield a file's content in pieces; see LayerContent."""
        return self._until(offset + size).pieces(entry, offset, size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Yield several contents in one pass forward; see LayerContent."""
        stretches = list(wanted)
        return self._foreseen(stretches).many(stretches)

    def tail(self, stretch: Stretch, start: int) -> Iterator[bytes]:
        """Yield one content from byte `start` on; see LayerContent."""
        _, offset, size = stretch
        return self._until(offset + size).tail(stretch, start)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        """Return the xxh3_128 of a content; raises NotCompared if nothing is fetched just to compare it."""
        if self.unfetched:
            raise NotCompared(self.unfetched)
        return self._until(offset + size).digest(entry, offset, size)

    def digests(self, stretches: Sequence[Stretch]) -> list[bytes]:
        """Return the digests of several contents, those that lie near each other fetched together; raises as `digest` does."""
        if self.unfetched:
            raise NotCompared(self.unfetched)
        content = self._foreseen(stretches)
        if self.compression is Compression.NONE:
            return content.digests(stretches)
        for entry, _, size in stretches:
            if entry in self.sparse:
                refuse_large_sparse(size)
        return [digest_of(pieces) for _, pieces in content.many(stretches)]

    def _foreseen(self, stretches: Sequence[Stretch]) -> BlobContent:
        """Return contents of which only these will be read, in ascending order."""
        content = self._until(max((offset + size for _, offset, size in stretches), default=0))
        if self.compression is not Compression.NONE:
            return content
        start = np.array([offset for _, offset, _ in stretches], np.int64)
        length = np.array([self._stored(entry, size) for entry, _, size in stretches], np.int64)
        return replace(content, blob=ForeseenBlob(self.ranged, start, start + length))

    def _stored(self, entry: int, size: int) -> int:
        sparse = self.sparse.get(entry)
        return size if sparse is None else sum(length for _, length in sparse.runs)

    def _until(self, end: int) -> BlobContent:
        """Return the contents of the same blob, cut off where all unpacked bytes before `end` have been read."""
        points = self.points() if self.compression is not Compression.NONE else ()
        if self.compression is Compression.NONE:
            stop = end
        else:
            following = bisect_left(points, end, key=lambda point: point.unpacked)
            stop = points[following].stored + 1 if following < len(points) else self.size
        return BlobContent(self.ranged(min(stop, self.size)), self.compression, points, self.sparse)
