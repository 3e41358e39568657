"""The cache for layers in files: a cached table is only used if the layer's stored bytes match its fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from layerscope.cache.cache import Cache, is_keepable
from layerscope.cache.fingerprint import PassingHash
from layerscope.cache.key import STORED, CacheKey
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.compression.streams import Compression, compression_of, unpacked_limit
from layerscope.layers.hashing import Algorithms
from layerscope.layers.readers.blob import ReadLayer
from layerscope.oci.digest import Digest
from layerscope.progress import ignore

WORTH_KEEPING = 256 << 10
"""The least stored bytes of a compressed layer for which a cache lookup is faster than inflating it (1 ms)."""


def find_stored(
    cache: Cache,
    blob: Blob,
    digest: Digest | None,
    *,
    layer: int,
    on_bytes: OnBytes = ignore,
    hash_with: Algorithms | None = None,
) -> ReadLayer | None:
    """Look up the layer of these stored bytes and verify all of them. `digest` is what the image states for them, stored or
    unpacked.

    Returns None, too, if they unpack to more than LAYERSCOPE_MAX_UNPACKED now allows, or if hashes are needed (`hash_with`)
    that were not stored; stored hashes are those of these very bytes. There are no seek points: contents are found by unpacking
    from the start.
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
    """Read a blob by `reader(on_bytes=...)` and cache the result if reading was slow: a plain tar is read as fast as it is
    verified.
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
