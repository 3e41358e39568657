"""The content of files of an image that was indexed while it passed by: it is fetched again, once, when first asked for.

Slow the first time: the engine exports the whole image once more, and that copy goes to an unnamed temporary file. From then
on every file of every layer is read from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from layerscope.errors import NotFound
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression
from layerscope.layers.content import BlobContent, LayerContent, Stretch
from layerscope.layers.read import ReadLayer
from layerscope.layers.stream_read import numbered
from layerscope.sources.files import Files
from layerscope.text import escape


class Again:
    """The archive, by `fetch` when it is first needed; whoever comes meanwhile waits."""

    def __init__(self, fetch: Callable[[], Files]) -> None:
        self._fetch = fetch
        self._files: Files | None = None
        self._lock = Lock()

    def blob(self, member: str, size: int) -> Blob:
        """A member of `size` bytes. Raises NotFound when that is not what was indexed, and what `fetch` raises."""
        with self._lock:
            if self._files is None:
                self._files = self._fetch()
        blob = self._files.blob(member)
        if blob.size != size:
            raise NotFound(f"{self._files.place} has another {escape(member)} now than before; open the image again")
        return blob


@dataclass(frozen=True, slots=True, eq=False)
class PassedLayer:
    """The Way to a layer that was read when it passed by as `member` of an archive."""

    passed: ReadLayer
    member: str
    stored_bytes: int
    again: Again

    def read(self, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """See Way; there is nothing left to do."""
        on_bytes(self.stored_bytes)
        return numbered(self.passed, layer)

    def content(self, read: ReadLayer) -> LayerContent | None:
        """See Way."""
        return ContentAgain(self, read)


@dataclass(frozen=True, slots=True, eq=False)
class ContentAgain:
    """The contents of such a layer. Raises EngineFailed, NotFound and CannotWrite besides what LayerContent does."""

    way: PassedLayer
    layer: ReadLayer

    @property
    def compression(self) -> Compression:
        """See LayerContent."""
        return self.layer.compression

    @property
    def plain(self) -> Blob | None:
        """See LayerContent: nothing can be read without a detour."""
        return None

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:
        """See LayerContent."""
        return self._stored().pieces(entry, offset, size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """See LayerContent."""
        return self._stored().many(wanted)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        """See LayerContent."""
        return self._stored().digest(entry, offset, size)

    def digests(self, stretches: Sequence[Stretch]) -> list[bytes]:
        """See LayerContent."""
        return [self.digest(*stretch) for stretch in stretches]

    def _stored(self) -> BlobContent:
        return BlobContent.of(self.way.again.blob(self.way.member, self.way.stored_bytes), self.layer)
