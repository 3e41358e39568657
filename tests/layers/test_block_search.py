"""Starts of blocks that are found without being told: each is one that zlib tells of, and unpacking restarts there."""

from __future__ import annotations

import gzip
import io
import random
import zlib as reference

import pytest

from layerscope.layers.blob import Blob
from layerscope.layers.block_search import find_block
from layerscope.layers.compression import SeekPoint, unpack, zlib
from layerscope.layers.gzip_window import WINDOW
from layerscope.layers.readers.stream import read_passing
from layerscope.layers.readers.window_keeper import WindowKeeper
from support.deflate_blocks import block_boundaries
from support.image_builder import file, layer

pytestmark = pytest.mark.slow

NOISE = random.Random(3)
WORDS = [NOISE.randbytes(NOISE.randrange(2, 12)) for _ in range(3000)]
TEXT = b" ".join(NOISE.choices(WORDS, k=300_000))
CONTENTS = {
    "text": TEXT,
    "noise": NOISE.randbytes(2 << 20),
    "mixed": b"".join(TEXT[at : at + 50_000] + NOISE.randbytes(90_000) for at in range(0, 1_000_000, 50_000)),
}


def packed(content: bytes, level: int) -> bytes:
    stream = reference.compressobj(level, reference.DEFLATED, 31)
    return stream.compress(content) + stream.flush()


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("name", CONTENTS)
def test_the_next_block_is_found_from_anywhere(name: str, level: int) -> None:
    content = CONTENTS[name]
    whole = packed(content, level)
    known = {(each.stored, each.unpacked) for each in block_boundaries(whole, len(content))}
    found = 0
    for stored in range(5000, len(whole) - 400_000, 150_001):
        state = zlib.decompressobj(31)
        before = state.decompress(whole[:stored])
        point = find_block(SeekPoint(len(before), stored, state), whole[stored : stored + 400_000], before[-WINDOW:])
        if point is None:
            continue
        found += 1
        bits = point.state.bits
        # A stored block may begin a few bits earlier: what lies between is its header and padding.
        assert any((point.stored + bool(bits) + extra, point.unpacked) in known for extra in (0, -1))
        assert b"".join(unpack(Blob.of_bytes(whole), start=point)) == content[point.unpacked :]
    assert found >= len(range(5000, len(whole) - 400_000, 150_001)) - 1 > 1


def test_zeros_need_no_place_to_restart() -> None:
    whole = packed(bytes(400 << 20), 1)
    state = zlib.decompressobj(31)
    before = state.decompress(whole[:5000])
    assert find_block(SeekPoint(len(before), 5000, state), whole[5000:400_000], before[-WINDOW:]) is None


@pytest.mark.parametrize("members", [1, 3])
def test_windows_are_kept_while_a_layer_is_streamed(members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.layers.compression.SEEK_DISTANCE", 1 << 19)
    tar = layer(*(file(f"{number}", TEXT[number * 1000 :]) for number in range(3))).tar()
    step = -(-len(tar) // members)
    whole = b"".join(gzip.compress(tar[at : at + step]) for at in range(0, len(tar), step))
    keeper = WindowKeeper()
    read = read_passing(io.BytesIO(whole), size=len(whole), witness=keeper)
    assert read.hashes is not None
    assert len(keeper.points) >= len(tar) // (1 << 20) > 4
    for point in keeper.points:
        assert b"".join(unpack(Blob.of_bytes(whole), start=point)) == tar[point.unpacked :]
