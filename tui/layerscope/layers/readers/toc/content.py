"""Contents of the files of a layer that was read by its table of contents: each file is fetched when it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from layerscope.errors import CorruptLayer, NotCompared
from layerscope.layers.blob import StoredBytes
from layerscope.layers.compression import Compression, unpack
from layerscope.layers.content import Stretch, UnmappedContent, digest_of
from layerscope.layers.fetched import StoredContents
from layerscope.layers.readers.foreseen import ForeseenBlob, Ranged

ONLY_TABLE = "contents of this layer are compared by what its table of contents says of them, not with what other layers hold"


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of a blob, `size` bytes from `start` on, with the methods of a whole blob."""

    blob: StoredBytes
    start: int
    size: int

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return a copy of `size` bytes from `start` on, counted from the part's own first byte (see StoredBytes)."""
        end = self.size if size is None else min(self.size, start + size)
        return self.blob.read(self.start + start, end - start) if end > start else b""


@dataclass(frozen=True, slots=True, eq=False)
class TocContent(UnmappedContent):
    """Access to files by a table of contents: only the gzip members or zstd frames that hold them are fetched and checked.

    `unfetched` says why contents are not fetched just to compare them; empty if they may be.
    """

    ranged: Ranged
    compression: Compression
    contents: StoredContents
    unfetched: str = ONLY_TABLE

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:  # noqa: ARG002
        """Yield a file's content in pieces (see LayerContent); `offset` is its row in `contents`.

        Raises CorruptLayer also, after the last piece, if its sha256 is not the one in the table of contents.
        """
        end = int(self.contents.end[offset])
        return self._pieces(self.ranged(end), offset, size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Yield several contents (see LayerContent); those that lie near each other are fetched together."""
        stretches = list(wanted)
        blob = self._foreseen(stretches)
        for entry, offset, size in stretches:
            yield entry, self._pieces(blob, offset, size)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        """Return the xxh3_128 of a content; raises NotCompared if nothing is fetched just to compare it."""
        if self.unfetched:
            raise NotCompared(self.unfetched)
        return digest_of(self.pieces(entry, offset, size))

    def digests(self, stretches: Sequence[Stretch]) -> list[bytes]:
        """Return the digests of several contents, those that lie near each other fetched together; raises as `digest` does."""
        if self.unfetched:
            raise NotCompared(self.unfetched)
        blob = self._foreseen(stretches)
        return [digest_of(self._pieces(blob, offset, size)) for _, offset, size in stretches]

    def _foreseen(self, stretches: Sequence[Stretch]) -> ForeseenBlob:
        rows = [offset for _, offset, size in stretches if size]
        return ForeseenBlob(self.ranged, self.contents.start[rows], self.contents.end[rows])

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
