"""Hashes of a layer, computed in a thread while the layer is read: sha256 takes as long as decompressing the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Thread
from types import TracebackType

from layerscope.errors import CorruptLayer, LayerscopeError
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression, compression_of, unpack
from layerscope.progress import ignore

PIECE = 1 << 20
"""Stored bytes hashed at a time; hashlib lets other threads run meanwhile."""
BATCH = 512 << 10
"""Bytes handed to the thread at a time: eStargz unpacks in pieces as small as its files."""
SHORT_PIECES = 16
"""The number of pieces from which on a batch is joined before it is hashed."""
WAITING = 8
"""Batches that may wait to be hashed; then the reader waits."""


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Hash algorithms for stored and for unpacked bytes, by hashlib's names."""

    stored: str = "sha256"
    unpacked: str = "sha256"


@dataclass(frozen=True, slots=True)
class LayerHashes:
    """`algorithm:hex` of a layer's stored bytes and of its unpacked bytes; empty where not all of them could be read.

    `table_fault` is what is wrong with the layer's table of contents, empty if nothing is; None if no table was checked.
    """

    stored: str
    unpacked: str
    table_fault: str | None = None

    def are_of(self, wanted: Algorithms) -> bool:
        """Tell whether both hashes are known, by these algorithms."""
        return self.stored.startswith(f"{wanted.stored}:") and self.unpacked.startswith(f"{wanted.unpacked}:")


class BackgroundHashing:
    """A context manager that hashes a blob in a thread while the blob is read.

    Leaving it waits for the rest of the stored bytes to be hashed, except after an error; it raises FileChanged if the file
    changed meanwhile. A plain blob is hashed at once.
    Of a compressed one, the unpacked bytes are hashed as they pass through `seen`, and the stored bytes are read again as soon
    as the reader has passed them (`took`), while they are still in memory.
    """

    def __init__(self, blob: Blob, algorithms: Algorithms) -> None:
        self._blob, self._algorithms = blob, algorithms
        self._stored, self._unpacked = hashlib.new(algorithms.stored), hashlib.new(algorithms.unpacked)
        self._is_plain = compression_of(blob.read(0, 4)) is Compression.NONE
        self._is_whole = self._is_plain
        self._is_stopped = False
        self._error: LayerscopeError | None = None
        self._reached = 0
        self._batch: list[bytes] = []
        self._batch_bytes = self._took = 0
        self._queue: Queue[tuple[list[bytes], int] | None] = Queue(WAITING)
        self._thread = Thread(target=self._work, daemon=True)

    def __enter__(self) -> BackgroundHashing:
        self._thread.start()
        if self._is_plain:
            self._queue.put(([], self._blob.size))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._is_stopped = kind is not None
        self._hand_over()
        self._queue.put(([], self._blob.size))
        self._queue.put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def took(self, length: int) -> None:
        """Advance the hash of the stored bytes by `length`: the reader has passed them."""
        self._took += length
        if self._took >= BATCH:
            self._hand_over()

    def seen(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the same pieces and hash them. The unpacked hash is only known if all of them are consumed."""
        for piece in pieces:
            if not self._is_plain:
                self._batch.append(piece)
                self._batch_bytes += len(piece)
            if self._batch_bytes >= BATCH:
                self._hand_over()
            yield piece
        self._is_whole = True

    @property
    def hashes(self) -> LayerHashes:
        """Return the hashes, available after the context was left."""
        stored = f"{self._algorithms.stored}:{self._stored.hexdigest()}"
        if self._is_plain and self._algorithms.stored == self._algorithms.unpacked:
            return LayerHashes(stored, stored)
        return LayerHashes(stored, f"{self._algorithms.unpacked}:{self._unpacked.hexdigest()}" if self._is_whole else "")

    def _hand_over(self) -> None:
        self._queue.put((self._batch, self._took))
        self._batch, self._batch_bytes, self._took = [], 0, 0

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            pieces, length = item
            if pieces and not self._is_stopped:
                self._unpacked.update(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            try:
                self._hash_stored(min(self._reached + length, self._blob.size))
            except LayerscopeError as error:  # the file has changed; what still comes is taken and dropped
                self._error, self._is_stopped = error, True

    def _hash_stored(self, end: int) -> None:
        """Hash the stored bytes up to offset `end`; in an uncompressed blob they are also the unpacked bytes."""
        has_two = self._is_plain and self._algorithms.stored != self._algorithms.unpacked
        while self._reached < end and not self._is_stopped:
            piece = self._blob.read(self._reached, min(PIECE, end - self._reached))
            self._stored.update(piece)
            if has_two:
                self._unpacked.update(piece)
            self._reached = min(self._reached + PIECE, end)


class HashingThread:
    """A context manager that hashes streams in a thread while they pass. Leaving it waits for the rest, except after an error.

    hashlib lets other threads run meanwhile, and so do decompressors: on two cores both go on at the same time.
    """

    def __init__(self) -> None:
        self._queue: Queue[tuple[hashlib._Hash, list[bytes]] | None] = Queue(WAITING)
        self._thread = Thread(target=self._work, daemon=True)
        self._begun: list[HashInThread] = []
        self._is_stopped = False

    def __enter__(self) -> HashingThread:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._is_stopped = kind is not None
        for each in self._begun:
            each.hand_over()
        self._queue.put(None)
        self._thread.join()

    def begin(self, algorithm: str) -> HashInThread:
        """Return the hash of a stream of which nothing has passed yet."""
        self._begun.append(HashInThread(hashlib.new(algorithm), self._queue))
        return self._begun[-1]

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            hashed, pieces = item
            if not self._is_stopped:
                # hashlib lets no other thread run for short pieces.
                for piece in pieces if len(pieces) < SHORT_PIECES else [b"".join(pieces)]:
                    hashed.update(piece)


class HashInThread:
    """The hash of one stream, computed by a HashingThread; `hexdigest` is known when that was left."""

    def __init__(self, hashed: hashlib._Hash, queue: Queue[tuple[hashlib._Hash, list[bytes]] | None]) -> None:
        self._hashed, self._queue = hashed, queue
        self._batch: list[bytes] = []
        self._batch_bytes = 0

    def update(self, piece: bytes) -> None:
        """Let a piece pass; wait if too many of them wait to be hashed."""
        self._batch.append(piece)
        self._batch_bytes += len(piece)
        if self._batch_bytes >= BATCH:
            self.hand_over()

    def hand_over(self) -> None:
        """Have the thread hash what has passed so far."""
        self._queue.put((self._hashed, self._batch))
        self._batch, self._batch_bytes = [], 0

    def hexdigest(self) -> str:
        """Return the hash of all that passed, as hexadecimal digits."""
        return self._hashed.hexdigest()


def hash_blob(blob: Blob, algorithms: Algorithms, on_bytes: OnBytes = ignore) -> tuple[LayerHashes, str]:
    """Hash a blob's stored and unpacked bytes, ignoring its entries; also return a sentence on its damage (empty: none)."""
    damage, counted = "", 0
    with BackgroundHashing(blob, algorithms) as beside:

        def took(length: int) -> None:
            nonlocal counted
            counted += length
            beside.took(length)
            on_bytes(length)

        try:
            for _ in beside.seen(unpack(blob, on_bytes=took)):
                pass
        except CorruptLayer as error:
            damage = str(error)
    on_bytes(blob.size - counted)
    return beside.hashes, damage
