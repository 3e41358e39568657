"""Reads a layer in a registry by parts of its blob, or by a table of contents beside the image, instead of downloading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from layerscope.errors import BadDocument, CorruptLayer
from layerscope.layers.blob import OnBytes
from layerscope.layers.compression import Compression, SeekPoint
from layerscope.layers.fetched import Fetched, FetchWay, ZtocAt
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.headers_afar import read_by_headers
from layerscope.layers.readers.toc.locate import promises_table
from layerscope.layers.readers.toc.read import read_by_table
from layerscope.layers.readers.toc.ztoc import read_ztoc
from layerscope.limits import ZTOC_BYTES
from layerscope.oci.digest import Digest
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.ranged_blob import RangedBlob
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.soci import SociIndex

WORTH_A_TABLE, WORTH_A_LOOK = 256 << 10, 1 << 20
"""Stored bytes from which on a layer is read by parts before it is streamed: if its annotations promise a table of contents,
and otherwise.
"""
WORTH_A_ZTOC = 10 << 20
"""Stored bytes from which on SOCI makes a table of contents of a layer; below, none is looked for."""
LENGTH_BYTES = 4
"""The last bytes of gzip: how many bytes the last member unpacks to, modulo 2^32 (RFC 1952, 2.3.1)."""
MOST_PADDING = 1 << 20
"""Bytes that a tar may have after its end marker, where Go's reader, and so SOCI, stops counting."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerParts:
    """What of a layer can be read without downloading it; the fields are those of RegistryReader."""

    repository: Repository
    digest: Digest
    stored_bytes: int
    media_type: str
    annotations: Mapping[str, str]
    soci: SociIndex | None

    def read(self, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        """Read the layer by its table of contents, by the headers of a plain tar, or by SOCI's table of contents.

        Returns None if that is not possible, or not worth it. Whatever the reason is: reading the layer itself says more.
        """
        if not self._is_worth_a_look:
            return None
        blob = RangedBlob(self.repository, self.digest, self.stored_bytes, is_exact=True, on_bytes=on_bytes)
        for read_by in (self._by_blob, self._by_soci):
            try:
                read = read_by(blob, layer)
            except (RegistryFailed, BadDocument, CorruptLayer):
                continue
            if read is not None:
                is_by_headers = self._is_plain and read.ztoc is None
                fetched = blob.fetched + (read.ztoc.size if read.ztoc else 0)
                return replace(read, fetched=Fetched(FetchWay.HEADERS if is_by_headers else FetchWay.TABLE, fetched))
        return None

    def table_to_check(self) -> tuple[str | None, ReadLayer | None]:
        """Return what is wrong with the layer's table of contents, or else what it says; two None for a layer that has none."""
        if not self._is_worth_a_look:
            return None, None
        blob = RangedBlob(self.repository, self.digest, self.stored_bytes, is_exact=True)
        try:
            return None, (None if self._is_plain else self._by_blob(blob, 0)) or self._by_soci(blob, 0)
        except RegistryFailed:
            return None, None
        except (BadDocument, CorruptLayer) as error:
            return str(error), None

    def points(self, read: ReadLayer) -> tuple[SeekPoint, ...]:
        """Return a layer's seek points, from its ztoc if that has them. Without them, contents are found from its start."""
        if read.ztoc is None or read.seek_points:
            return read.seek_points
        try:
            return self._by_ztoc(read.ztoc, 0).seek_points
        except (RegistryFailed, BadDocument, CorruptLayer):
            return ()

    def _by_blob(self, blob: RangedBlob, layer: int) -> ReadLayer | None:
        return read_by_headers(blob, layer=layer) if self._is_plain else read_by_table(blob, self.annotations, layer=layer)

    def _by_soci(self, blob: RangedBlob, layer: int) -> ReadLayer | None:
        if self.soci is None or self.stored_bytes < WORTH_A_ZTOC or promises_table(self.annotations) or self._is_zstd:
            return None
        at = self.soci.ztoc_of(self.digest)
        if at is None:
            return None
        read = self._by_ztoc(at, layer)
        if read.compression is Compression.NONE:
            return read
        stated = int.from_bytes(blob.read(self.stored_bytes - LENGTH_BYTES, LENGTH_BYTES), "little")
        padding = (stated - read.table.unpacked_bytes) % (1 << 32)
        unpacked = read.table.unpacked_bytes + (padding if padding < MOST_PADDING else 0)
        return replace(read, table=replace(read.table, unpacked_bytes=unpacked))

    def _by_ztoc(self, at: ZtocAt, layer: int) -> ReadLayer:
        raw = self.repository.blob(at.digest, at.size, ZTOC_BYTES)
        return replace(read_ztoc(raw, layer=layer, stored_bytes=self.stored_bytes), ztoc=at)

    @property
    def _is_worth_a_look(self) -> bool:
        least = WORTH_A_TABLE if promises_table(self.annotations) else WORTH_A_LOOK
        return self.stored_bytes >= least

    @property
    def _is_plain(self) -> bool:
        return self.media_type.endswith("tar") and not promises_table(self.annotations)

    @property
    def _is_zstd(self) -> bool:
        return self.media_type.endswith("zstd")
