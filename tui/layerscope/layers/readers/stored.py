"""Readers of layers in archives and layouts: of stored bytes, of bytes in an unknown form, and of absent ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression, compression_of, unpacked_guess
from layerscope.layers.content import BlobContent
from layerscope.layers.hashing import Algorithms, LayerHashes, hash_blob
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.layers.readers.protocol import ReadOptions
from layerscope.layers.table import Entries, LayerTable, Problem, Severity

SLOWER = 5
"""How many times longer inflating takes for each byte of input and output than walking over headers for each byte of a tar
(measured: 0.9 GB/s and 4 GB/s).
"""


@dataclass(frozen=True, slots=True)
class BlobReader:
    """Reads a layer from its stored bytes, plain or compressed. `stated_bytes` is the size in the manifest.

    A layer with fewer bytes than that is truncated: all available bytes are read, and the rest is damage.
    """

    blob: Blob
    stated_bytes: int = -1

    missing_bytes = ""
    may_be_missing = False
    unreadable = ""
    is_as_pulled = False

    @property
    def stored_bytes(self) -> int:
        return self.blob.size

    @property
    def compression(self) -> Compression:
        """Return how the layer is stored, by its first bytes."""
        return compression_of(self.blob.read(0, 4))

    @property
    def is_plain(self) -> bool:
        return self.compression is Compression.NONE

    @property
    def work(self) -> int:
        return self.blob.size if self.is_plain else SLOWER * (self.blob.size + unpacked_guess(self.blob))

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:  # noqa: ARG002
        """Return None: the layer is always read."""
        return None

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        return self.judged(self.read_stored(options, layer=layer, on_bytes=on_bytes), layer)

    def read_stored(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Read the available bytes, whatever size was stated."""
        keep, hash_with = options.keep_seek_points, options.hash_with
        return read_layer(self.blob, layer=layer, on_bytes=on_bytes, keep_seek_points=keep, hash_with=hash_with)

    def judged(self, read: ReadLayer, layer: int) -> ReadLayer:
        """Return `read`, with a fatal problem added if the blob has fewer bytes than the manifest states."""
        if self.blob.size >= self.stated_bytes:
            return read
        problem = Problem(layer, b"", f"only {self.blob.size} of its bytes are there", Severity.DAMAGE)
        return replace(read, table=replace(read.table, problems=(*read.table.problems, problem)))

    def content(self, read: ReadLayer) -> BlobContent:
        """Return access to the layer's files. `read` may be of the same layer compressed differently, as engines do."""
        return BlobContent(self.blob, self.compression, read.seek_points, read.table.sparse)

    def blob_of_all(self, on_bytes: OnBytes) -> Blob | None:
        on_bytes(self.blob.size)
        return self.blob if self.blob.size >= self.stated_bytes else None

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:
        return hash_blob(self.blob, algorithms, on_bytes)


@dataclass(frozen=True, slots=True)
class AbsentReader:
    """Stands for a layer whose bytes are missing: `missing_bytes` says why, `may_be_missing` that it is foreign."""

    missing_bytes: str
    may_be_missing: bool = False

    stored_bytes = 0
    work = 0
    is_plain = True
    is_as_pulled = True

    @property
    def unreadable(self) -> str:
        return self.missing_bytes or "its bytes are not there"

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        return self.read(options, layer=layer, on_bytes=on_bytes)

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:  # noqa: ARG002
        """Return an empty table with a problem that says why nothing can be read."""
        severity = Severity.REFUSED if self.may_be_missing else Severity.DAMAGE
        return _empty(Problem(layer, b"", f"its bytes are not there ({self.missing_bytes})", severity))

    def content(self, read: ReadLayer) -> None:
        """Return None: there are no contents."""

    def blob_of_all(self, on_bytes: OnBytes) -> None:
        """Return None: there are no bytes."""

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:  # noqa: ARG002
        """Return no hashes: there are no bytes."""
        return LayerHashes("", ""), self.missing_bytes


@dataclass(frozen=True, slots=True)
class SealedReader:
    """Reads only the hashes of a layer that is encrypted or in an unsupported form, as `unreadable` says."""

    blob: Blob
    unreadable: str

    missing_bytes = ""
    may_be_missing = False
    work = 0
    is_plain = True
    is_as_pulled = True

    @property
    def stored_bytes(self) -> int:
        return self.blob.size

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        return self.read(options, layer=layer, on_bytes=on_bytes)

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:  # noqa: ARG002
        """Return an empty table with a problem that says why nothing can be read."""
        on_bytes(self.blob.size)
        return _empty(Problem(layer, b"", f"its files cannot be read ({self.unreadable})", Severity.DAMAGE))

    def content(self, read: ReadLayer) -> None:
        """Return None: the contents cannot be read."""

    def blob_of_all(self, on_bytes: OnBytes) -> Blob:
        on_bytes(self.blob.size)
        return self.blob

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:
        """Return the hash of the stored bytes; the unpacked ones are unknown."""
        hashes, _ = hash_blob(self.blob, algorithms, on_bytes)
        return replace(hashes, unpacked=""), self.unreadable


def _empty(problem: Problem) -> ReadLayer:
    return ReadLayer(LayerTable(Entries.none(), problems=(problem,)), Compression.NONE)
