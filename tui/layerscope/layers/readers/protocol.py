"""What every reader of a layer offers, wherever the layer's bytes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from layerscope.layers.blob import OnBytes
from layerscope.layers.content import LayerContent
from layerscope.layers.hashing import Algorithms, LayerHashes
from layerscope.layers.readers.blob import ReadLayer


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What is wanted besides the table: points from which to unpack single files later, and hashes of all bytes."""

    keep_seek_points: bool = False
    hash_with: Algorithms | None = None


class LayerReader(Protocol):
    """Reads one layer. Callers never ask which kind of reader it is."""

    @property
    def stored_bytes(self) -> int:
        """What the layer takes where it is kept, in bytes; 0 where only reading tells. Progress counts in it."""

    @property
    def work(self) -> int:
        """How long `read` takes, in bytes of an uncompressed layer whose headers are hopped over."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing is decompressed: `read` holds Python's lock then, and there are no seek points to keep."""

    @property
    def is_as_pulled(self) -> bool:
        """Whether a pull moves `stored_bytes` as they are, which registries do not do with uncompressed layers of archives."""

    @property
    def missing_bytes(self) -> str:
        """Why the stored bytes are not at hand, so that no digest of them can be checked; empty where they are."""

    @property
    def may_be_missing(self) -> bool:
        """Whether the stored bytes need not be at hand (OCI image-spec `layer.md`, non-distributable layers)."""

    @property
    def unreadable(self) -> str:
        """Why nothing of the layer's files can be read; empty where it can."""

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        """What `read` would return, where that takes next to no time; None where it has to be read."""

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """The table, the same as that of the layer's tar. Damage does not raise: it is a fatal problem of the table.

        `layer` is the number that problems name; `on_bytes` is called with the stored bytes got through since the last call.
        """

    def content(self, read: ReadLayer) -> LayerContent | None:
        """Access to the bytes of its files; None if there is none."""

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:
        """Hashes of all stored bytes, and a sentence on what kept them from being unpacked (empty: nothing).

        Only where no bytes are missing (`missing_bytes`).
        """


class KeptUnpacked:
    """What readers have in common of which nobody has the stored bytes: only the headers, and perhaps the files."""

    __slots__ = ()

    missing_bytes = "only headers are read in an engine's storage"
    may_be_missing = False
    unreadable = ""
    is_plain = True
    is_as_pulled = False

    @property
    def work(self) -> int:
        """Next to none."""
        return 0

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:  # noqa: ARG002
        """It is always read."""
        return None

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:  # noqa: ARG002
        """There is nothing to hash."""
        return LayerHashes("", ""), self.missing_bytes


NO_DIGEST_OF_ITS_OWN = "a container's own layer has no digest to be checked against"
"""`missing_bytes` of the readers of what a container wrote."""
