"""A layer in a registry: read by its table of contents or headers, or while it is streamed. Nothing of it is stored here."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from layerscope.cache.cache import Cache
from layerscope.cache.directory import CLAIMED, PROVED, CacheKey
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import SEEK_DISTANCE, Compression, SeekPoint
from layerscope.layers.content import LayerContent
from layerscope.layers.fetched import Fetched, FetchWay
from layerscope.layers.hashing import Algorithms, LayerHashes
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.far_content import FarContent
from layerscope.layers.readers.headers_afar import UNFETCHED as ONLY_HEADERS
from layerscope.layers.readers.protocol import ReadOptions
from layerscope.layers.readers.stream import hash_passing, numbered, read_passing
from layerscope.layers.readers.toc.checkpoints import CheckpointCheck
from layerscope.layers.readers.toc.content import ONLY_TABLE, TocContent
from layerscope.layers.readers.toc.differences import difference
from layerscope.layers.readers.toc.ztoc import UNFETCHED as ONLY_ZTOC
from layerscope.layers.readers.window_keeper import WindowKeeper
from layerscope.layers.table import Entries, LayerTable, Problem, Severity
from layerscope.oci.digest import Digest
from layerscope.progress import ignore
from layerscope.sources.registry.layer_parts import LayerParts
from layerscope.sources.registry.ranged_blob import PassingBlob, RangedBlob
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.soci import SociIndex
from layerscope.sources.registry.visit import RegistryVisit
from layerscope.sources.spool import spool


@dataclass(frozen=True, slots=True, eq=False)
class RegistryReader:
    """Reads the blob `digest` of `stored_bytes` by the way that fetches least: what `cache` knows of it, its table of contents,
    the headers of a plain tar, or one streaming pass, in which every byte is hashed.

    `media_type` and `annotations` are its descriptor's. `trust_toc` says whether a table of contents may stand for the layer
    although nothing proves it; None: unless bytes are to be hashed. `unreadable` says why nothing in it can be read (it is
    encrypted). `visit` has layers that were read for another image of the same command, `soci` the tables of contents that are
    beside the image. With `compare_contents`, contents of files may be fetched just to compare them.
    With `keep_windows`, the cache receives parts of a streamed gzip layer, to read files in it sooner.
    """

    repository: Repository
    digest: Digest
    stored_bytes: int
    media_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    cache: Cache | None = None
    trust_toc: bool | None = None
    unreadable: str = ""
    visit: RegistryVisit | None = None
    compare_contents: bool = False
    soci: SociIndex | None = None
    keep_windows: bool = False

    missing_bytes = ""
    may_be_missing = False
    is_as_pulled = True
    is_plain = False  # the network is waited for: layers are read side by side
    work = 0  # nothing that another process should do, which could not share the connection

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        """Return the table of another image's layer, or the cached one; a blob never changes under its digest, so that nothing
        is asked of the registry.

        What parts of the blob claimed is returned only where reading parts again would do.
        """
        shared = self.visit.take(self.digest, layer, options.hash_with, self._place) if self.visit else None
        if shared is not None:
            on_bytes(0)
            return shared
        if self.cache is None or self.unreadable:
            return None
        kept = self.cache.load(CacheKey(self.digest, PROVED), layer)
        if kept is not None and kept.read.hashes is not None and kept.read.hashes.are_of(self._algorithms(options)):
            if options.keep_seek_points and self._lacks_windows(kept.read):
                return None
            on_bytes(0)
            return replace(kept.read, fetched=Fetched(FetchWay.CACHE, 0))
        claimed = self.cache.load(self._claim, layer) if self._may_trust(options) else None
        if claimed is None or claimed.read.fetched is None:
            return None
        on_bytes(0)
        return claimed.read

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Read the layer from parts of its blob if possible, else as a stream. Raises RegistryFailed; see LayerReader."""
        if self.unreadable:
            problem = Problem(layer, b"", f"its files cannot be read ({self.unreadable})", Severity.DAMAGE)
            return ReadLayer(LayerTable(Entries.none(), problems=(problem,)), Compression.NONE)
        read = self._without_download(options, layer, on_bytes) or self._streamed(options, layer, on_bytes)
        if self.visit is not None:
            self.visit.keep(self.digest, read, self._place)
        return read

    def content(self, read: ReadLayer) -> LayerContent | None:
        """Return the contents of a read layer's files; None if they are unreadable. Raises RegistryFailed; see LayerReader."""
        if self.unreadable:
            return None
        if read.stored_contents is not None:
            unfetched = "" if self.compare_contents else ONLY_TABLE
            return TocContent(self._ranged, read.compression, read.stored_contents, unfetched)
        is_far = read.fetched is not None and read.fetched.way is FetchWay.HEADERS
        unfetched = "" if self.compare_contents else ONLY_ZTOC if read.ztoc else ONLY_HEADERS if is_far else ""
        points = functools.cache(functools.partial(self._points, replace(read, table=LayerTable(Entries.none()))))
        return FarContent(self._ranged, self.stored_bytes, read.compression, points, read.table.sparse, unfetched)

    def blob_of_all(self, on_bytes: OnBytes) -> Blob | None:
        """Download the layer into a temporary file. Raises RegistryFailed and CannotWrite."""
        pieces = self.repository.stream(self.digest, self.stored_bytes)
        return spool(_counted(pieces, on_bytes), f"layer {self.digest.short}", "fetching", ignore)

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:
        """Hash the streamed layer and compare its table of contents with the tar. Raises RegistryFailed; see LayerReader."""
        fault, said = (None, None) if self.unreadable else self._parts.table_to_check()
        if fault is None and said is None:
            hashes, damage = hash_passing(self._passing(on_bytes), size=self.stored_bytes, algorithms=algorithms)
            return (hashes, damage) if not self.unreadable else (LayerHashes(hashes.stored, ""), self.unreadable)
        size, unpacked = self.stored_bytes, said.table.unpacked_bytes if said else 0
        check = CheckpointCheck(said.seek_points if said else (), stored_bytes=size, unpacked_bytes=unpacked)
        read = read_passing(self._passing(on_bytes), size=size, algorithms=algorithms, witness=check)
        if read.hashes is None:
            hashes, damage = hash_passing(self._passing(ignore), size=size, algorithms=algorithms)
            return replace(hashes, table_fault=fault), damage
        found = (difference(said.table, read.table, has_offsets=said.ztoc is not None) or check.fault) if said else fault
        return replace(read.hashes, table_fault=found), ""

    def _points(self, read: ReadLayer) -> tuple[SeekPoint, ...]:
        kept = self.cache.windows(self.digest) if self.cache and self.keep_windows and not read.seek_points else None
        return kept or self._parts.points(read)

    def _lacks_windows(self, read: ReadLayer) -> bool:
        """Tell whether files of a cached layer can be read sooner if the layer is streamed again, once."""
        is_worth_it = self.keep_windows and _has_use_for_windows(read)
        return is_worth_it and self.cache is not None and not self.cache.has_windows(self.digest)

    def _streamed(self, options: ReadOptions, layer: int, on_bytes: OnBytes) -> ReadLayer:
        algorithms, keep = self._algorithms(options), options.keep_seek_points
        windows = WindowKeeper() if self.keep_windows and self.cache is not None else None
        passing, size = self._passing(on_bytes), self.stored_bytes
        read = read_passing(passing, size=size, algorithms=algorithms, keep_seek_points=keep, witness=windows)
        if self.cache is not None and read.hashes is not None and read.hashes.stored == self.digest:
            self.cache.store(CacheKey(self.digest, PROVED), read, None)
            if windows is not None and _has_use_for_windows(read):
                self.cache.keep_windows(self.digest, windows.points)
        return replace(numbered(read, layer), fetched=Fetched(FetchWay.STREAM, self.stored_bytes))

    def _without_download(self, options: ReadOptions, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        """Read the layer by parts of it; None where that is not wanted, not possible, or not worth it."""
        read = self._parts.read(layer, on_bytes) if self._may_trust(options) else None
        if read is None:
            return None
        if self.cache is not None:
            self.cache.store(self._claim, read, None)
        return read

    def _may_trust(self, options: ReadOptions) -> bool:
        return options.hash_with is None if self.trust_toc is None else self.trust_toc

    @property
    def _claim(self) -> CacheKey:
        return CacheKey(Digest.of(f"{self._place}@{self.digest}".encode()), CLAIMED)

    @property
    def _place(self) -> str:
        """Name the registry and the repository that are asked: what they claim about a blob stands for no other."""
        connection = self.repository.connection
        return f"{connection.base}/{connection.endpoint.repository}"

    @property
    def _parts(self) -> LayerParts:
        return LayerParts(self.repository, self.digest, self.stored_bytes, self.media_type, self.annotations, self.soci)

    def _passing(self, on_bytes: OnBytes) -> PassingBlob:
        return PassingBlob(self.repository.stream(self.digest, self.stored_bytes), on_bytes)

    def _ranged(self, end: int) -> RangedBlob:
        return RangedBlob(self.repository, self.digest, end)

    def _algorithms(self, options: ReadOptions) -> Algorithms:
        return options.hash_with or Algorithms()


def _counted(pieces: Iterator[bytes], on_bytes: OnBytes) -> Iterator[bytes]:
    for piece in pieces:
        on_bytes(len(piece))
        yield piece


def _has_use_for_windows(read: ReadLayer) -> bool:
    return read.compression is Compression.GZIP and read.table.unpacked_bytes > SEEK_DISTANCE
