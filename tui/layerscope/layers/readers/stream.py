"""Reads a layer from a stream that can be read only once, such as a download, into a table like that of a stored layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from layerscope.errors import CorruptLayer
from layerscope.layers.compression import PIECE, Compression, Remember, SeekPoint, compression_of, unpack_forward
from layerscope.layers.hashing import Algorithms, HashingThread, HashInThread, LayerHashes
from layerscope.layers.readers.blob import ReadLayer, read_pieces
from layerscope.progress import ignore


class Passing(Protocol):
    """A stream that can be read only once."""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only where they end."""


class Witness(Protocol):
    """Sees all that passes while a layer is read from a stream."""

    def passed(self, new: bytes) -> None:
        """Take the next stored bytes, before they are unpacked."""

    def seen(self, piece: bytes) -> None:
        """Take the next unpacked bytes."""

    def remember(self, point: SeekPoint) -> None:
        """Take a seek point that was just reached."""

    def finish(self) -> None:
        """Take notice that nothing follows."""


def read_passing(
    stream: Passing,
    *,
    size: int,
    algorithms: Algorithms | None = None,
    keep_seek_points: bool = False,
    witness: Witness | None = None,
) -> ReadLayer:
    """Read a stored layer of `size` bytes, plain or compressed, from `stream`.

    Contents are hashed in passing, and so are all stored and all unpacked bytes (`algorithms`; by default sha256). Which layer
    it is may be unknown yet: problems name layer 0 until `numbered`. Damage does not raise; bytes after it are left in the
    stream, and then there are no hashes. There are seek points only with `keep_seek_points`. `witness` sees all
    that passes.
    """
    algorithms = algorithms or Algorithms()
    supply, points = _Forward(stream, size, witness.passed if witness else ignore), list[SeekPoint]()
    compression = compression_of(supply.read(0, 4))
    with HashingThread() as beside:
        if compression is not Compression.NONE or algorithms.stored != algorithms.unpacked:
            supply.start_hash(beside.begin(algorithms.stored))
        unpacked = beside.begin(algorithms.unpacked)
        keep = points.append if keep_seek_points else ignore
        pieces = _seen(unpack_forward(supply, remember=_both(keep, witness.remember) if witness else keep), unpacked.update)
        read = ReadLayer(read_pieces(_seen(pieces, witness.seen) if witness else pieces), compression, tuple(points))
    if witness is not None:
        witness.finish()
    if not supply.is_used_up or any(problem.is_fatal for problem in read.table.problems):
        return read
    stored = supply.hash or unpacked
    hashes = LayerHashes(f"{algorithms.stored}:{stored.hexdigest()}", f"{algorithms.unpacked}:{unpacked.hexdigest()}")
    return replace(read, hashes=hashes)


def hash_passing(stream: Passing, *, size: int, algorithms: Algorithms) -> tuple[LayerHashes, str]:
    """Hash a stored layer of `size` bytes from `stream`; also return a sentence on its damage (empty: none)."""
    supply, damage = _Forward(stream, size), ""
    with HashingThread() as beside:
        unpacked = beside.begin(algorithms.unpacked)
        supply.start_hash(beside.begin(algorithms.stored))
        try:
            for piece in unpack_forward(supply):
                unpacked.update(piece)
        except CorruptLayer as error:
            damage = str(error)
        supply.drain()
    assert supply.hash is not None
    stored = f"{algorithms.stored}:{supply.hash.hexdigest()}" if supply.is_used_up else ""
    return LayerHashes(stored, "" if damage else f"{algorithms.unpacked}:{unpacked.hexdigest()}"), damage


def _both(one: Remember, other: Remember) -> Remember:
    def remember(point: SeekPoint) -> None:
        one(point)
        other(point)

    return remember


def _seen(pieces: Iterator[bytes], on_piece: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        on_piece(piece)
        yield piece


def numbered(read: ReadLayer, layer: int) -> ReadLayer:
    """Return the same layer with problems that name its number, `layer`, once that is known."""
    if not read.table.problems:
        return read
    problems = tuple(replace(problem, layer=layer) for problem in read.table.problems)
    return replace(read, table=replace(read.table, problems=problems))


class _Forward:
    """Makes a stream the Supply of a decompressor: bytes read after the last start are kept, as they may be asked for again.

    `hash` is of the bytes that were read so far, None before `start_hash`.
    """

    def __init__(self, stream: Passing, size: int, on_new: Callable[[bytes], object] = ignore) -> None:
        self.size = size
        self._on_new = on_new
        self.hash: HashInThread | None = None
        self._stream = stream
        self._held = b""
        self._start = 0

    def start_hash(self, begun: HashInThread) -> None:
        """Hash everything read so far and from now on; call it before reading beyond the first bytes."""
        self.hash = begun
        begun.update(self._held)

    def drain(self) -> None:
        """Read and hash what is left of the layer in the stream."""
        position = self._start + len(self._held)
        while position < self.size and (piece := self.read(position, PIECE)):
            position += len(piece)

    @property
    def is_used_up(self) -> bool:
        """Tell whether all bytes were read."""
        return self._start + len(self._held) == self.size

    def read(self, start: int, size: int) -> bytes:
        end = min(start + size, self.size)
        missing = end - self._start - len(self._held)
        if missing > 0:
            new = self._stream.read(missing)
            self._on_new(new)
            if self.hash is not None:
                self.hash.update(new)
            self._held = self._held[start - self._start :] + new
            self._start = start
        return self._held[start - self._start : end - self._start]
