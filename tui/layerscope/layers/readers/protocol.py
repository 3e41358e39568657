"""The interface of all layer readers, wherever a layer's bytes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.content import LayerContent
from layerscope.layers.hashing import Algorithms, LayerHashes
from layerscope.layers.readers.blob import ReadLayer


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of reading: whether to keep points from which to unpack single files later, and which hashes to compute."""

    keep_seek_points: bool = False
    hash_with: Algorithms | None = None


class LayerReader(Protocol):
    """Reads one layer. Callers never ask which kind of reader it is."""

    @property
    def stored_bytes(self) -> int:
        """Return the stored bytes of the layer; 0 if only reading gives them. Progress is counted in them."""

    @property
    def work(self) -> int:
        """Estimate how long `read` takes, as the size in bytes of an uncompressed layer in a file that takes as long."""

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing is decompressed: `read` holds Python's lock then, and there are no seek points to keep."""

    @property
    def is_as_pulled(self) -> bool:
        """Tell whether a pull transfers exactly the stored bytes even if they are uncompressed.

        That is not so for layers in archives, which registries store compressed.
        """

    @property
    def missing_bytes(self) -> str:
        """Return why the stored bytes are missing, so that their digest cannot be checked; empty if they are not."""

    @property
    def may_be_missing(self) -> bool:
        """Tell whether the stored bytes are allowed to be missing (OCI image-spec `layer.md`, non-distributable layers)."""

    @property
    def unreadable(self) -> str:
        """Return why none of the layer's files can be read; empty if they can."""

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        """Return what `read` would return, if that takes almost no time; None if the layer has to be read."""

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Read the layer into the same table as that of its tar. Damage does not raise: it is a fatal problem of the table.

        `layer` is the number that problems name; `on_bytes` is called with the stored bytes read since the last call.
        """

    def content(self, read: ReadLayer) -> LayerContent | None:
        """Return access to the contents of the files of `read`, this layer's table; None if they cannot be read."""

    def blob_of_all(self, on_bytes: OnBytes) -> Blob | None:
        """Return all stored bytes on this machine, fetched into a temporary file if need be; None if bytes are missing.

        With `missing_bytes` they may be put together again from what is there: check them against the layer's diff_id. Raises
        CannotWrite where there is no room for them, CorruptLayer for damage.
        """

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:
        """Return hashes of all stored bytes, and a sentence on the damage that kept them from being unpacked (empty: none).

        Only if no bytes are missing (`missing_bytes`).
        """


class KeptUnpacked:
    """The common part of readers of unpacked layers: there are no stored bytes, only headers, and perhaps files."""

    __slots__ = ()

    missing_bytes = "only headers are read in an engine's storage"
    may_be_missing = False
    unreadable = ""
    is_plain = True
    is_as_pulled = False

    @property
    def work(self) -> int:
        """Return 0: reading takes almost no time."""
        return 0

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:  # noqa: ARG002
        """Return None: the layer is always read."""
        return None

    def blob_of_all(self, on_bytes: OnBytes) -> Blob | None:  # noqa: ARG002
        """Return None: there are no stored bytes."""
        return None

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:  # noqa: ARG002
        """Return no hashes: there are no stored bytes."""
        return LayerHashes("", ""), self.missing_bytes


NO_DIGEST_OF_ITS_OWN = "a container's own layer has no digest to be checked against"
"""`missing_bytes` of the readers of what a container wrote."""
