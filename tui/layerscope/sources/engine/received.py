"""An archive that was indexed while it arrived: its documents and the table of every layer; nothing else was stored."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

from layerscope.layers.blob import Blob
from layerscope.layers.compression import Compression, compression_of
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.stream import read_passing
from layerscope.layers.table import LayerTable
from layerscope.oci.digest import Digest
from layerscope.oci.documents import MAX_DOCUMENT
from layerscope.sources.documents.archive import Archive
from layerscope.sources.engine.members import ArrivingMember, ArrivingTar, ByteStream
from layerscope.sources.file_type import is_tar

HEAD = 512
MAX_KEPT = 64 << 20
"""Bytes of documents kept in all; attestations and bills of materials are JSON, too, and nobody reads them here."""


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedMember:
    """One member. `first` are the bytes that were kept: all of a document, the first of a layer; `layer` is None for a
    member that cannot be a layer.
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
    """A received archive as `Files`; only documents have their bytes. Members are keyed by the offset of their content."""

    def __init__(self, place: str, table: LayerTable, parts: dict[int, ReceivedMember]) -> None:
        super().__init__(place, Blob(None, 0, 0), table)
        self._parts = parts

    def blob(self, name: str) -> Blob:
        """Return a document's bytes; a layer has only its size and its first bytes, which tell its compression."""
        part = self.part(name)
        return blob_of(part.first, part.size)

    def part(self, name: str) -> ReceivedMember:
        """Return the member behind `name`. Raises NotFound."""
        return self._parts[self.offset(name)]

    def offset(self, name: str) -> int:
        """Return the offset in the archive of the content behind `name`. Raises NotFound."""
        return int(self._table.entries.content_offset[self._row(name)])


def blob_of(first: bytes, size: int) -> Blob:
    """Return a blob of which only the first bytes are available."""
    if not first:
        return Blob(None, 0, 0)
    kept = mmap.mmap(-1, len(first))
    kept.write(first)
    return Blob(kept, 0, size)


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
    """Tell whether a member is anything but text: reading one too many costs time, missing one would lose it."""
    if is_tar(head) or compression_of(head) is not Compression.NONE:
        return True
    return len(head) >= HEAD and head.lstrip()[:1] not in (b"{", b"[")
