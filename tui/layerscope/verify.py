"""Do an image's bytes hash to what its documents say? Each blob against its digest, its unpacked bytes against its diff_id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

from layerscope.doubt import Check, digest_check, document_checks, hash_algorithm
from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob
from layerscope.layers.compression import PIECE, Compression, compression_of, unpack
from layerscope.progress import Progress
from layerscope.sources.image import Image, StoredLayer

AT_ONCE = 2
"""Layers hashed side by side."""


def verify(image: Image, *, progress: Progress) -> list[Check]:
    """Check the manifest, the config and every layer, in order; a damaged or absent layer is a check that failed, a foreign
    one is noted.

    Each blob is read once, in bounded memory, two layers at a time.
    """
    watch = _Watch(progress, sum(layer.wire_bytes for layer in image.layers))
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        try:
            found = list(pool.map(lambda layer: _layer_checks(layer, watch), image.layers))
        except BaseException:
            watch.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [*document_checks(image), *_stated_checks(image), *(check for checks in found for check in checks)]


def exit_code(checks: Iterable[Check]) -> int:
    """1 when anything is proved to be wrong, else 2 when anything could not be read, else 0."""
    failed = [check for check in checks if not check.ok]
    return 1 if any(not check.is_unread for check in failed) else 2 if failed else 0


class _Stopped(BaseException):
    """Ends the hashing when the command is stopped."""


class _Watch:
    """Adds up what all layers got through; raises in every thread once `stopped` is set."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.stopped = Event()
        self._progress, self._total, self._done = progress, total, 0
        self._lock = Lock()

    def add(self, length: int) -> None:
        if self.stopped.is_set():
            raise _Stopped
        with self._lock:
            self._done += length
            self._progress("verifying", self._done, self._total)


class _StoredHash:
    """Hashes a blob's stored bytes up to where another reader has come, while those pages are at hand."""

    def __init__(self, blob: Blob, algorithm: str, watch: _Watch) -> None:
        self._blob, self._watch = blob, watch
        self._hash = hashlib.new(algorithm)
        self._reached = 0

    def add(self, length: int) -> None:
        """Take the next `length` stored bytes."""
        self._watch.add(length)
        end = min(self._reached + length, self._blob.size)
        for start in range(self._reached, end, PIECE):
            self._hash.update(self._blob.read(start, min(PIECE, end - start)))
        self._blob.forget(self._reached, end)
        self._reached = end

    def whole(self) -> str:
        """The hash of all stored bytes, those that the other reader never came to among them."""
        while self._reached < self._blob.size:
            self.add(min(PIECE, self._blob.size - self._reached))
        return self._hash.hexdigest()


def _stated_checks(image: Image) -> list[Check]:
    """What the documents themselves show to be wrong: counts, sizes, and what leads to them."""
    found = [problem for problem in image.problems if problem.is_doubt]
    return [Check("image", "", "", ok=False, note=problem.text, is_unread=problem.is_fatal) for problem in found]


def _layer_checks(layer: StoredLayer, watch: _Watch) -> list[Check]:
    what = f"layer {layer.number}"
    if layer.blob is None:
        note = layer.absent or "its bytes are not there"
        return [Check(what, layer.digest or layer.diff_id or "", "", ok=layer.is_foreign, note=note, is_unread=True)]
    stored, unpacked, damage = _hashes(layer.blob, layer, watch)
    if layer.digest == layer.diff_id:
        # Bytes that are stored as they were unpacked have one hash; documents without any have nothing to compare.
        return [digest_check(f"{what} digest and diff_id", layer.diff_id, unpacked, damage)]
    checks = [digest_check(f"{what} digest", layer.digest, stored)] if layer.digest else []
    return [*checks, digest_check(f"{what} diff_id", layer.diff_id, unpacked, damage)]


def _hashes(blob: Blob, layer: StoredLayer, watch: _Watch) -> tuple[str, str, str]:
    """The hash of the stored bytes, that of the unpacked ones (empty when they are damaged), and what the damage is."""
    stored = _StoredHash(blob, hash_algorithm(layer.digest), watch)
    if compression_of(blob.read(0, 4)) is Compression.NONE and hash_algorithm(layer.digest) == hash_algorithm(layer.diff_id):
        whole = stored.whole()
        return whole, whole, ""
    unpacked = hashlib.new(hash_algorithm(layer.diff_id))
    damage = ""
    try:
        for piece in unpack(blob, on_bytes=stored.add):
            unpacked.update(piece)
    except CorruptLayer as error:
        damage = str(error)
    return stored.whole(), "" if damage else unpacked.hexdigest(), damage
