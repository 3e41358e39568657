"""Gzip that restarts at any bit, with the bytes before it: at every end of a block that zlib tells of."""

from __future__ import annotations

import gzip
import random
import zlib as reference

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob
from layerscope.layers.compression import SeekPoint, unpack, zlib
from layerscope.layers.gzip_window import WINDOW, GzipWindow
from support.deflate_blocks import block_boundaries

NOISE = random.Random(7)
WORDS = [NOISE.randbytes(NOISE.randrange(2, 12)) for _ in range(3000)]
TEXT = b" ".join(NOISE.choices(WORDS, k=120_000))


def point(packed: bytes, content: bytes, stored: int, unpacked: int, bits: int) -> SeekPoint:
    window = GzipWindow(bits, content[max(0, unpacked - WINDOW) : unpacked])
    return SeekPoint(unpacked, stored - bool(bits), window)


@pytest.mark.parametrize("level", [1, 6, 9])
def test_unpacking_restarts_at_every_end_of_a_block(level: int) -> None:
    packed = gzip.compress(TEXT, level)
    found = block_boundaries(packed, len(TEXT))
    assert len({each.bits for each in found}) > 4
    for each in found:
        start = point(packed, TEXT, each.stored, each.unpacked, each.bits)
        assert b"".join(unpack(Blob.of_bytes(packed), start=start)) == TEXT[each.unpacked :]


def test_members_after_the_one_that_was_restarted_are_read(level: int = 6) -> None:
    packed = gzip.compress(TEXT, level) + gzip.compress(b"") + gzip.compress(TEXT[:5000]) + bytes(600)
    content = TEXT + TEXT[:5000]
    for each in block_boundaries(packed[:-600], len(content))[1::7]:
        start = point(packed, content, each.stored, each.unpacked, each.bits)
        assert b"".join(unpack(Blob.of_bytes(packed), start=start)) == content[each.unpacked :]


@given(bits=st.integers(0, 7), data=st.data())
def test_a_lead_puts_the_next_block_at_its_bit(bits: int, data: st.DataObject) -> None:
    # A stored block of five bytes whose three bits of header are the upper ones of a byte, or the next byte's lower ones.
    content = data.draw(st.binary(max_size=50))
    first = data.draw(st.integers(0, 255)) & (1 << (8 - bits)) - 1
    rest = (b"" if bits >= 3 else b"\0") + len(content).to_bytes(2, "little") + (len(content) ^ 0xFFFF).to_bytes(2, "little")
    lead = GzipWindow(bits, b"").lead(first)
    for library in (zlib, reference):
        state = library.decompressobj(-15, zdict=b"")
        assert state.decompress(lead) == b""
        assert state.decompress(rest + content) == content


def test_a_window_that_is_not_of_these_bytes_is_damage() -> None:
    packed = gzip.compress(TEXT)
    each = block_boundaries(packed, len(TEXT))[5]
    others = [(each.stored, bits) for bits in range(8) if bits != each.bits]
    for stored, bits in (*others, (each.stored + 3, each.bits), (len(packed) + 5, 3)):
        with pytest.raises(CorruptLayer):
            list(unpack(Blob.of_bytes(packed), start=point(packed, TEXT, stored, each.unpacked, bits)))
