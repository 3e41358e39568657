"""Contents of files of an image that was only indexed as it arrived: fetched when first asked for.

Slow the first time: the engine exports the whole image once more, and that copy goes to an unnamed temporary file. From then on
every file of every layer is read from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from layerscope.errors import NotFound
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression
from layerscope.layers.content import LayerContent, Stretch
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import KeptUnpacked, ReadOptions
from layerscope.layers.readers.stream import numbered
from layerscope.oci.digest import Digest
from layerscope.progress import Progress
from layerscope.sources.image import Image
from layerscope.text import escape


class RefetchedImage:
    """The stored image, fetched when it is first needed; other threads wait meanwhile."""

    def __init__(self, fetch: Callable[[], Image], progress: Progress) -> None:
        self._fetch, self._progress = fetch, progress
        self._image: Image | None = None
        self._lock = Lock()

    def content(self, number: int, diff_id: Digest | None, read: ReadLayer) -> LayerContent:
        """Return the files of a layer that was read. Raises NotFound if the layer of that diff_id is gone, and what `fetch`
        raises.
        """
        with self._lock:
            if self._image is None:
                try:
                    self._image = self._fetch()
                finally:
                    self._progress("", 0, 0)
            image = self._image
        layer = image.layers[number - 1] if number <= len(image.layers) else None
        content = layer.reader.content(read) if layer is not None and layer.diff_id == diff_id else None
        if content is None:
            raise NotFound(f"{escape(image.reference)} has another layer {number} now than before; open it again")
        return content


@dataclass(frozen=True, slots=True, eq=False)
class ExportedReader(KeptUnpacked):
    """Reads a layer that was indexed while an exported archive arrived."""

    passed: ReadLayer
    number: int
    diff_id: Digest | None
    stored_bytes: int
    image: RefetchedImage

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:  # noqa: ARG002
        """Return the table, which is complete already."""
        on_bytes(self.stored_bytes)
        return numbered(self.passed, layer)

    def content(self, read: ReadLayer) -> LayerContent | None:
        return RefetchedContent(self, read)


@dataclass(frozen=True, slots=True, eq=False)
class RefetchedContent:
    """The contents of such a layer. Raises EngineFailed, NotFound and CannotWrite besides what LayerContent raises."""

    reader: ExportedReader
    layer: ReadLayer

    @property
    def compression(self) -> Compression:
        return self.layer.compression

    @property
    def plain(self) -> Blob | None:
        """Return None: the bytes are not in a map."""
        return None

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:
        return self._stored().pieces(entry, offset, size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        return self._stored().many(wanted)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        return self._stored().digest(entry, offset, size)

    def digests(self, stretches: Sequence[Stretch]) -> list[bytes]:
        return [self.digest(*stretch) for stretch in stretches]

    def _stored(self) -> LayerContent:
        return self.reader.image.content(self.reader.number, self.reader.diff_id, self.layer)
