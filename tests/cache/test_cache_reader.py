"""Layers of engines: read by the engine's reader once, then from the cache."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from layerscope.cache.cache import Cache
from layerscope.cache.cached_reader import CachedReader
from layerscope.cache.directory import IdKind
from layerscope.layers.blob import OnBytes
from layerscope.layers.content import BlobContent, LayerContent
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.layers.readers.protocol import KeptUnpacked, ReadOptions
from layerscope.oci.digest import Digest
from layerscope.progress import ignore
from support.image_builder import blob, layer

TAR = layer("a", "b").tar()
DIFF_ID = Digest.of(TAR)


@dataclass
class EngineReader(KeptUnpacked):
    """Reads a tar and notes each time."""

    reads: list[int] = field(default_factory=list)
    stored_bytes: int = len(TAR)

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:
        self.reads.append(layer)
        return read_layer(blob(TAR), layer=layer, on_bytes=on_bytes)

    def content(self, read: ReadLayer) -> LayerContent | None:
        return BlobContent.of(blob(TAR), read)


def is_known(reader: CachedReader) -> bool:
    return reader.known(ReadOptions(), layer=1, on_bytes=ignore) is not None


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "layers")


def test_a_layer_is_asked_for_once(cache: Cache) -> None:
    engine = EngineReader()
    reader = CachedReader(engine, cache, DIFF_ID, IdKind.NONE)
    assert not is_known(reader)
    for number in (1, 5):
        counted: list[int] = []
        read = reader.read(ReadOptions(), layer=number, on_bytes=counted.append)
        assert read.table.entries.paths.tolist() == [b"a", b"b"]
        assert sum(counted) == reader.stored_bytes == len(TAR)
    assert is_known(reader)
    assert engine.reads == [1]


def test_contents_come_from_the_engine(cache: Cache) -> None:
    reader = CachedReader(EngineReader(), cache, DIFF_ID, IdKind.NONE)
    reader.read(ReadOptions(), layer=1, on_bytes=ignore)
    read = reader.read(ReadOptions(), layer=1, on_bytes=ignore)
    content = reader.content(read)
    assert content is not None
    offset, size = int(read.table.entries.content_offset[1]), int(read.table.entries.size[1])
    assert b"".join(content.pieces(1, offset, size)) == b"content of b\n"


def test_ids_of_another_kind_will_do_only_where_it_says_so(cache: Cache) -> None:
    CachedReader(EngineReader(), cache, DIFF_ID, IdKind.XXH3).read(ReadOptions(), layer=1, on_bytes=ignore)
    assert not is_known(CachedReader(EngineReader(), cache, DIFF_ID, IdKind.CRC64))
    assert is_known(CachedReader(EngineReader(), cache, DIFF_ID, IdKind.CRC64, usable=(IdKind.XXH3,)))


def test_a_kept_layer_that_is_damaged_is_asked_for_again(cache: Cache) -> None:
    engine = EngineReader()
    reader = CachedReader(engine, cache, DIFF_ID, IdKind.NONE)
    for number in (1, 2):
        reader.read(ReadOptions(), layer=number, on_bytes=ignore)
        (kept,) = cache.entries()
        (cache.directory / kept.name).write_bytes(b"broken")
    assert engine.reads == [1, 2]
