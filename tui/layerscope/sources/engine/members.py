"""A tar that is read member by member while it arrives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

from layerscope.errors import CorruptLayer
from layerscope.layers.table import LayerTable
from layerscope.layers.tar.header_walk import HeaderWalk
from layerscope.layers.tar.headers import BLOCK
from layerscope.sources.engine.failures import EngineFailed
from layerscope.text import escape

LONGEST_ERROR = 4096


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
        """Return Docker's error: one that comes after the first byte is written into the middle of the tar, as JSON."""
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
