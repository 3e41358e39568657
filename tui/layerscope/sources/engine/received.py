"""An archive that was indexed member by member while it arrived, with the table of every layer; contents of files are
fetched again when first asked for.

That is slow the first time: the engine exports the whole image once more, and that copy goes to an unnamed temporary file. From
then on every file of every layer is read from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from layerscope.errors import CorruptLayer, NotFound
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression, compression_of
from layerscope.layers.content import LayerContent, Stretch, UnmappedContent
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import KeptUnpacked, ReadOptions
from layerscope.layers.readers.stream import numbered, read_passing
from layerscope.layers.table import LayerTable
from layerscope.layers.tar.header_walk import HeaderWalk
from layerscope.layers.tar.headers import BLOCK
from layerscope.oci.digest import Digest
from layerscope.oci.documents import MAX_DOCUMENT
from layerscope.progress import Progress
from layerscope.sources.documents.files import Archive
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.file_type import is_tar
from layerscope.sources.image import Image
from layerscope.text import escape

HEAD = 512
MAX_KEPT = 64 << 20
"""The most bytes kept of an archive's documents, which include attestations and bills of materials that nobody reads here."""
LONGEST_ERROR = 4096


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedMember:
    """One member of a received archive. `first` are the bytes that were kept: all of a document, the first of a layer; `layer`
    is None for a member that cannot be a layer.
    """

    size: int
    first: bytes
    layer: ReadLayer | None = None

    @property
    def diff_id(self) -> Digest | None:
        """Return the sha256 of a layer's unpacked bytes; None if not all of them could be read."""
        hashes = self.layer.hashes if self.layer else None
        return Digest.parse(hashes.unpacked) if hashes and hashes.unpacked else None


class Received(Archive):
    """A received archive as `Files`, of which only documents were kept. Members are keyed by the offset of their content."""

    def __init__(self, place: str, table: LayerTable, parts: dict[int, ReceivedMember]) -> None:
        super().__init__(place, Blob.of_bytes(b""), table)
        self._parts = parts

    def blob(self, name: str) -> Blob:
        """Return a document's bytes; a layer has only its size and its first bytes, which tell its compression."""
        part = self.part(name)
        return Blob.of_bytes(part.first, part.size)

    def part(self, name: str) -> ReceivedMember:
        """Return the member behind `name`. Raises NotFound."""
        return self._parts[self.offset(name)]

    def offset(self, name: str) -> int:
        """Return the offset in the archive of the content behind `name`. Raises NotFound."""
        return int(self._table.entries.content_offset[self._row(name)])


def receive(stream: ByteStream, place: str) -> Received:
    """Index an archive to its end. Raises EngineFailed like `ArrivingTar`.

    `manifest.json`, which says what each member is, comes last: so every member that may be a layer is read as one.
    """
    tar = ArrivingTar(stream, place)
    room = MAX_KEPT
    parts: dict[int, ReceivedMember] = {}
    for member in tar.members():
        part = _part(member, room)
        room -= 0 if part.layer else len(part.first)
        parts[member.offset] = part
    return Received(place, tar.table(), parts)


def _part(member: ArrivingMember, room: int) -> ReceivedMember:
    head = member.head(HEAD)
    if _may_be_layer(head):
        return ReceivedMember(member.size, head, read_passing(member, size=member.size))
    return ReceivedMember(member.size, member.read(min(room, MAX_DOCUMENT + 1)))


def _may_be_layer(head: bytes) -> bool:
    """Tell whether a member may be a layer. Reading a document as one only costs time; not reading a layer would lose it."""
    if is_tar(head) or compression_of(head) is not Compression.NONE:
        return True
    return len(head) >= HEAD and head.lstrip()[:1] not in (b"{", b"[")


class RefetchedImage:
    """An image that is exported again when contents of files are first needed; other threads wait meanwhile."""

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
class RefetchedContent(UnmappedContent):
    """The contents of an exported layer's files, read from the image that is exported again.

    Raises EngineFailed, NotFound and CannotWrite besides what LayerContent raises.
    """

    reader: ExportedReader
    layer: ReadLayer

    @property
    def compression(self) -> Compression:
        return self.layer.compression

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:
        return self._stored().pieces(entry, offset, size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        return self._stored().many(wanted)

    def tail(self, stretch: Stretch, start: int) -> Iterator[bytes]:
        return self._stored().tail(stretch, start)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        return self._stored().digest(entry, offset, size)

    def _stored(self) -> LayerContent:
        return self.reader.image.content(self.reader.number, self.reader.diff_id, self.layer)


class ByteStream(Protocol):
    """A stream that can be read and skipped, forward only."""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""

    def skip(self, size: int) -> int:
        """Skip `size` bytes and return how many there were."""


class ArrivingMember:
    """A regular file in the tar: the offset of its content, and its size; `read` returns the content once, from the front."""

    def __init__(self, stream: ByteStream, offset: int, size: int) -> None:
        self.offset, self.size = offset, size
        self.left = size
        self._stream = stream
        self._head = b""

    def head(self, size: int) -> bytes:
        """Return the first bytes, which `read` will return again."""
        if len(self._head) < size:
            self._head += self._take(size - len(self._head))
        return self._head[:size]

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the member's end, or where the tar ends."""
        if not self._head:
            return self._take(size)
        piece, self._head = self._head[:size], self._head[size:]
        return piece + self._take(size - len(piece)) if len(piece) < size else piece

    def _take(self, size: int) -> bytes:
        piece = self._stream.read(min(size, self.left))
        self.left -= len(piece)
        return piece


class ArrivingTar:
    """Reads a tar once, front to back. `table` describes the tar's own entries once `members` has ended."""

    def __init__(self, stream: ByteStream, place: str) -> None:
        self._stream, self._place = stream, place
        self._walk = HeaderWalk(0)
        self._received = 0

    def members(self) -> Iterator[ArrivingMember]:
        """Yield every regular file; read it before asking for the next one, because the rest of it is skipped then.

        Raises EngineFailed for an error that the engine put in place of a member, and where the tar ends early or is no tar.
        """
        window = b""
        while not self._walk.is_done:
            piece = self._stream.read(BLOCK)
            self._received += len(piece)
            window += piece
            if len(piece) < BLOCK:
                raise self._own_error(window) or self._broken(f"it ends after {self._received} bytes")
            following = self._advance(window)
            if following:
                window = b""
                yield from self._member()
                self._pass_to(following)

    def table(self) -> LayerTable:
        return self._walk.table(unpacked_bytes=self._received)

    def _advance(self, window: bytes) -> int:
        """Decode the header in `window` and return the offset of the next one, or 0 when this one is longer than the window."""
        start = self._received - len(window)
        try:
            taken = self._walk.advance(window, 0, 1, len(window), start)
        except CorruptLayer as error:
            raise self._own_error(window) or self._broken(str(error)) from error
        return start + taken if taken else 0

    def _member(self) -> Iterator[ArrivingMember]:
        rows = self._walk.rows
        if not rows.blocks:  # an extended header or the end marker
            return
        offset, size, is_sparse = rows.offsets[-1], rows.sizes[-1], bool(rows.sparse)
        self._walk.flush()
        if not is_sparse and offset == self._received:
            member = ArrivingMember(self._stream, offset, size)
            yield member
            self._received += size - member.left

    def _pass_to(self, offset: int) -> None:
        missing = offset - self._received
        self._received += self._stream.skip(missing)
        if self._received < offset:
            raise self._broken(f"it ends after {self._received} bytes, inside a member")

    def _own_error(self, window: bytes) -> EngineFailed | None:
        """Return the error that Docker wrote into the middle of the tar, as JSON; None if `window` does not begin one."""
        if not window.startswith(b'{"error'):
            return None
        raw = window + self._stream.read(LONGEST_ERROR)
        try:
            text = str(json.loads(raw)["error"])
        except (ValueError, KeyError, TypeError):
            text = raw.decode("utf-8", "replace")
        return EngineFailed(f"{self._place} failed while it saved the image: {escape(text[:500].strip())}")

    def _broken(self, reason: str) -> EngineFailed:
        return EngineFailed(f"{self._place} sent a broken archive ({reason}); check that it still runs, and try again")
