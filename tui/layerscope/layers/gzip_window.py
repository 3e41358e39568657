"""Restarts gzip between two blocks, which may end at any bit of a byte, with a decompressor that takes whole bytes."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW = 32 << 10
"""Bytes before a place that deflate may refer to (RFC 1951, 3.2)."""
TRAILER = 8
"""Bytes of checksum and length after a gzip member's blocks (RFC 1952, 2.3.1)."""
_FIXED, _FIXED_BITS = 0b010, 10
"""An empty block with fixed codes: three bits of header, seven of its end, the first bit lowest (RFC 1951, 3.2.6)."""
_LENGTH_SYMBOLS = 19
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_REPEATS = 18
"""The code length symbol for 11 to 138 zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class GzipWindow:
    """What gzip needs to restart between two blocks: `bits` of the byte there belong to the next one (0: all of a byte), and
    `window` is the unpacked bytes before it, at most WINDOW of them. They are content of the layer.
    """

    bits: int
    window: bytes | memoryview

    def lead(self, first: int) -> bytes:
        """Return bytes that a decompressor takes before the byte after `first`, whose upper `bits` bits start the next block.

        They hold empty blocks, as many bits of them as are missing in `first`.
        """
        missing = -self.bits % 8
        odd, odd_bits = _DYNAMIC if missing % 2 else (0, 0)
        count = (missing - odd_bits) % 8 // 2
        filler, length = odd, odd_bits
        for _ in range(count):
            filler |= _FIXED << length
            length += _FIXED_BITS
        whole = filler | (first >> (8 - self.bits)) << length if self.bits else filler
        return whole.to_bytes((length + self.bits) // 8, "little")


def _dynamic() -> tuple[int, int]:
    """Return an empty block with codes of its own, and its length in bits, an odd number (RFC 1951, 3.2.7).

    It has one literal code, for the end of the block, and one distance code, both of length 1.
    """
    fields = [(0, 1), (2, 2), (0, 5), (0, 5), (_LENGTH_SYMBOLS - 4, 4)]
    fields += [(int(symbol in (1, _REPEATS)), 3) for symbol in _ORDER]
    fields += [(1, 1), (127, 7), (1, 1), (107, 7)]  # 138 and 118 literals that have no code
    fields += [(0, 1), (0, 1), (0, 1)]  # two codes of length 1, and the end of the block
    value = length = 0
    for number, bits in fields:
        value |= number << length
        length += bits
    return value, length


_DYNAMIC = _dynamic()
