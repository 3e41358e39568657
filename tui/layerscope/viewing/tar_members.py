"""Lists tars among an image's files, with the same decoder that reads layers."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.errors import CorruptLayer
from layerscope.layers.table import KIND_LETTERS, Kind
from layerscope.layers.tar.header_walk import HeaderWalk
from layerscope.layers.tar.headers import BLOCK, HeaderBatch, HeaderRows, decode, has_good_checksum
from layerscope.text import escape
from layerscope.units import utc_text
from layerscope.viewing.cancelling import BoundedPieces
from layerscope.viewing.members import LONGEST_NAME, MOST_MEMBERS, ArchiveListing, ArchiveMember

MOST_HELD = 4 << 20
"""Bytes kept while a header is not whole; extended headers are smaller, maps of sparse files too."""


def is_tar(head: bytes) -> bool:
    """Tell whether the first header has a valid checksum."""
    return len(head) >= BLOCK and head[0] != 0 and has_good_checksum(head[:BLOCK])


def list_tar(pieces: BoundedPieces, archive_format: str) -> ArchiveListing:
    """List the members as far as `pieces` go; damage ends the list and is noted in it."""
    members: list[ArchiveMember] = []
    damage = ""
    try:
        for batch in _Batches(pieces):
            members += _members(batch, MOST_MEMBERS + 1 - len(members))
            if len(members) > MOST_MEMBERS:
                return ArchiveListing(archive_format, tuple(members[:MOST_MEMBERS]), is_cut=True)
    except CorruptLayer as error:
        damage = str(error)
    if pieces.is_cut:
        return ArchiveListing(archive_format, tuple(members), is_cut=True)
    return ArchiveListing(archive_format, tuple(members), damage=damage)


class _Batches:
    """The decoded headers of a tar. Raises CorruptLayer, after yielding those before it, where decoding cannot go on."""

    def __init__(self, pieces: BoundedPieces) -> None:
        self._pieces = pieces
        self._walk = HeaderWalk(0)
        self._held = b""
        self._skip = 0  # bytes to come before the next header
        self._length = 0

    def __iter__(self) -> Iterator[HeaderBatch]:
        for piece in self._pieces:
            self._length += len(piece)
            passed = min(self._skip, len(piece))
            self._skip -= passed
            yield from self._window(self._held + piece[passed:])
            if self._walk.is_done:
                return
            if len(self._held) > MOST_HELD:
                raise CorruptLayer(f"a header of more than {MOST_HELD} bytes")
        if self._skip or self._held.strip(b"\0"):
            raise CorruptLayer(f"truncated at offset {self._length}")

    def _window(self, window: bytes) -> Iterator[HeaderBatch]:
        shift, position, before = self._length - len(window), 0, -1
        while position != before and position < len(window) and not self._walk.is_done:
            before = position
            try:
                position = self._walk.advance(window, position, len(window), len(window), shift)
            except CorruptLayer:
                yield from self._drained()
                raise
            yield from self._drained()
        self._held = window[position:]
        self._skip += max(0, position - len(window))

    def _drained(self) -> Iterator[HeaderBatch]:
        rows, self._walk.rows = self._walk.rows, HeaderRows()
        batch, damage = decode(rows)
        if batch is not None:
            yield batch
        if damage:
            raise CorruptLayer(damage)


def _members(batch: HeaderBatch, most: int) -> Iterator[ArchiveMember]:
    for row, name in enumerate(batch.names[:most]):
        yield ArchiveMember(
            name=escape(name[:LONGEST_NAME]),
            size=int(batch.size[row]),
            letter=KIND_LETTERS[Kind(int(batch.kind[row]))],
            mode=int(batch.mode[row]) & 0o7777,
            owner=f"{batch.uid[row]}:{batch.gid[row]}",
            time=utc_text(int(batch.mtime[row])),
            link=escape(batch.links.get(row, b"")[:LONGEST_NAME]),
        )
