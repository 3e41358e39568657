"""Readers that take layers from the cache if they are in it, and store them if not; bytes in files must match a fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from layerscope.cache.cache import Cache, is_keepable
from layerscope.cache.directory import STORED, CacheKey, IdKind
from layerscope.cache.format import PassingHash
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression import Compression, compression_of, unpacked_limit
from layerscope.layers.content import LayerContent
from layerscope.layers.hashing import Algorithms, LayerHashes
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.protocol import LayerReader, ReadOptions
from layerscope.layers.readers.stored import BlobReader
from layerscope.oci.digest import Digest
from layerscope.progress import ignore

WORTH_KEEPING = 256 << 10
"""The least stored bytes of a compressed layer for which a cache lookup is faster than inflating it (1 ms)."""


def with_cache(reader: LayerReader, cache: Cache, stated: Digest | None) -> LayerReader:
    """Put the cache before a reader of stored bytes, which should have the digest `stated`; return any other unchanged."""
    return CachedBlobReader(reader, cache, stated) if isinstance(reader, BlobReader) and stated else reader


class DelegatingReader:
    """The parts of a cached reader that it delegates to the `reader` behind the cache."""

    __slots__ = ()

    reader: LayerReader

    @property
    def stored_bytes(self) -> int:
        """Return the count of the reader behind the cache, so that a report is the same with and without the cache."""
        return self.reader.stored_bytes

    @property
    def work(self) -> int:
        return self.reader.work

    @property
    def is_plain(self) -> bool:
        return self.reader.is_plain

    @property
    def is_as_pulled(self) -> bool:
        return self.reader.is_as_pulled

    @property
    def missing_bytes(self) -> str:
        return self.reader.missing_bytes

    @property
    def may_be_missing(self) -> bool:
        return self.reader.may_be_missing

    @property
    def unreadable(self) -> str:
        return self.reader.unreadable

    def content(self, read: ReadLayer) -> LayerContent | None:
        """Return access to the files, by the reader behind the cache; the table in `read` may be from the cache."""
        return self.reader.content(read)

    def blob_of_all(self, on_bytes: OnBytes) -> Blob | None:
        return self.reader.blob_of_all(on_bytes)

    def hashes(self, algorithms: Algorithms, on_bytes: OnBytes) -> tuple[LayerHashes, str]:
        """Hash the layer with the reader behind the cache."""
        return self.reader.hashes(algorithms, on_bytes)


@dataclass(frozen=True, slots=True, eq=False)
class CachedReader(DelegatingReader):
    """Puts the cache before a slow reader of a layer that an engine keeps.

    `ids` is the kind of content ids in the tables of the reader behind the cache; `usable` are other acceptable kinds. The
    layers of one image must have one kind, so all readers of an image name the same.
    """

    reader: LayerReader
    cache: Cache
    diff_id: Digest
    ids: IdKind
    usable: tuple[IdKind, ...] = ()

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:  # noqa: ARG002
        """Return the layer in the cache; None if it has none that is usable."""
        known = self.cache.find(self.diff_id, (self.ids, *self.usable), layer=layer)
        if known is not None:
            on_bytes(self.stored_bytes)
        return known

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Return the layer in the cache, or else read it with the reader behind the cache and store it."""
        known = self.known(options, layer=layer, on_bytes=on_bytes)
        if known is not None:
            return known
        read = self.reader.read(options, layer=layer, on_bytes=on_bytes)
        self.cache.keep(self.diff_id, read, self.ids)
        return read


@dataclass(frozen=True, slots=True, eq=False)
class CachedBlobReader(DelegatingReader):
    """Puts the cache before the reader of a blob; `stated` is the image's digest of its stored or unpacked bytes."""

    reader: BlobReader
    cache: Cache
    stated: Digest

    def known(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer | None:
        """Return the layer in the cache, if the stored bytes match its fingerprint; else None."""
        blob, hash_with = self.reader.blob, options.hash_with
        found = find_stored(self.cache, blob, self.stated, layer=layer, on_bytes=on_bytes, hash_with=hash_with)
        return None if found is None else self.reader.judged(found, layer)

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        """Read the blob and cache its table. The size that the manifest states is checked after that, so it is not cached."""
        reading = partial(self.reader.read_stored, options, layer=layer)
        return self.reader.judged(keep_stored(self.cache, self.reader.blob, self.stated, reading, on_bytes), layer)


def find_stored(
    cache: Cache,
    blob: Blob,
    digest: Digest | None,
    *,
    layer: int,
    on_bytes: OnBytes = ignore,
    hash_with: Algorithms | None = None,
) -> ReadLayer | None:
    """Look up the cached layer of a blob, and check all of the blob's bytes against its fingerprint; None if there is none.

    `digest` is the one that the image states, of the stored or of the unpacked bytes. Returns None, too,
    if they unpack to more than LAYERSCOPE_MAX_UNPACKED now allows, or if hashes are needed (`hash_with`) that were not stored;
    stored hashes are those of these very bytes. There are no seek points: contents are found by unpacking from the start.
    """
    if digest is None or not _is_worth_keeping(blob):
        return None
    kept = cache.load(CacheKey(digest, STORED), layer)
    if kept is None or kept.fingerprint is None or kept.read.table.unpacked_bytes > unpacked_limit(blob.size):
        return None
    hashes = kept.read.hashes
    if hash_with is not None and (hashes is None or not hashes.are_of(hash_with)):
        return None
    if not kept.fingerprint.fits(blob, on_bytes):
        return None
    # Without `hash_with` a report says the same whether the cache was filled by the gate or not.
    return kept.read if hash_with is not None else replace(kept.read, hashes=None)


def keep_stored(
    cache: Cache, blob: Blob, digest: Digest | None, reader: Callable[..., ReadLayer], on_bytes: OnBytes
) -> ReadLayer:
    """Read a blob by `reader(on_bytes=...)` and store the result in the cache, unless the blob is small or uncompressed.

    An uncompressed tar is read as fast as it would be verified.
    """
    if cache.trouble or digest is None or not _is_worth_keeping(blob):
        return reader(on_bytes=on_bytes)
    passing = PassingHash(blob, on_bytes)
    read = reader(on_bytes=passing.take)
    if is_keepable(read):
        cache.store(CacheKey(digest, STORED), read, passing.fingerprint())
    return read


def _is_worth_keeping(blob: Blob) -> bool:
    return blob.size >= WORTH_KEEPING and compression_of(blob.read(0, 4)) is not Compression.NONE
