"""Do an image's bytes hash to what its documents say? Each blob against its digest, its unpacked bytes against its diff_id."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob
from layerscope.layers.compression import PIECE, Compression, compression_of, unpack
from layerscope.oci.digest import Digest
from layerscope.progress import Progress
from layerscope.sources.image import Image, StoredLayer

ALGORITHMS = ("sha256", "sha512")
"""Those that the OCI image-spec registers and hashlib has."""
AT_ONCE = 2
"""Layers hashed side by side."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: `what` it is, the `expected` and the `actual` digest (empty: none), and a `note` on why."""

    what: str
    expected: str
    actual: str
    ok: bool
    note: str = ""


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
    return [*_manifest_checks(image), _config_check(image), *(check for checks in found for check in checks)]


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


def _manifest_checks(image: Image) -> list[Check]:
    if image.manifest_digest is None:
        return []
    hashed = hashlib.new(_algorithm(image.manifest_digest), image.raw_manifest)
    return [_check("manifest", image.manifest_digest, hashed.hexdigest())]


def _config_check(image: Image) -> Check:
    if not image.states_id:
        return Check("config", "", "", ok=True, note="no digest of it is stated")
    hashed = hashlib.new(_algorithm(image.config_digest), image.raw_config)
    return _check("config", image.config_digest, hashed.hexdigest())


def _layer_checks(layer: StoredLayer, watch: _Watch) -> list[Check]:
    what = f"layer {layer.number}"
    if layer.blob is None:
        note = layer.absent or "its bytes are not there"
        return [Check(what, layer.digest or layer.diff_id or "", "", ok=layer.is_foreign, note=note)]
    stored, unpacked, damage = _hashes(layer.blob, layer, watch)
    if layer.digest == layer.diff_id:
        # Bytes that are stored as they were unpacked have one hash; documents without any have nothing to compare.
        return [_check(f"{what} digest and diff_id", layer.diff_id, unpacked, damage)]
    checks = [_check(f"{what} digest", layer.digest, stored)] if layer.digest else []
    return [*checks, _check(f"{what} diff_id", layer.diff_id, unpacked, damage)]


def _hashes(blob: Blob, layer: StoredLayer, watch: _Watch) -> tuple[str, str, str]:
    """The hash of the stored bytes, that of the unpacked ones (empty when they are damaged), and what the damage is."""
    stored = _StoredHash(blob, _algorithm(layer.digest), watch)
    if compression_of(blob.read(0, 4)) is Compression.NONE and _algorithm(layer.digest) == _algorithm(layer.diff_id):
        whole = stored.whole()
        return whole, whole, ""
    unpacked = hashlib.new(_algorithm(layer.diff_id))
    damage = ""
    try:
        for piece in unpack(blob, on_bytes=stored.add):
            unpacked.update(piece)
    except CorruptLayer as error:
        damage = str(error)
    return stored.whole(), "" if damage else unpacked.hexdigest(), damage


def _algorithm(digest: Digest | None) -> str:
    """What to hash with; sha256 also where nothing is expected or we do not have the algorithm."""
    return digest.algorithm if digest and digest.algorithm in ALGORITHMS else "sha256"


def _check(what: str, expected: Digest | None, actual: str, damage: str = "") -> Check:
    if expected is None:
        return Check(what, "", "", ok=not damage, note=damage or "the image does not say what it should be")
    if expected.algorithm not in ALGORITHMS:
        return Check(what, expected, "", ok=False, note=damage or f"{expected.algorithm} hashes cannot be computed here")
    found = f"{expected.algorithm}:{actual}" if actual else ""
    return Check(what, expected, found, ok=found == expected, note=damage)
