"""Content ids that an engine recorded as CRC-64: they share the column of xxh3_128 and are distinguished by a mark."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CRC_MARK = b"CRC64ISO"
"""The low half of an id whose high half is a CRC-64. One xxh3_128 in 2^64 ends like that by chance."""
CRC_BYTES = 8
UNKNOWN_ID = bytes(16)

_MARK = np.uint64(int.from_bytes(CRC_MARK, "big"))


def crc_id(checksum: bytes | None) -> bytes:
    """Return the 16 bytes of an id, high half first, for a CRC-64 (ISO polynomial, 8 bytes, big endian); zeros for other
    lengths.

    Two contents of one size with the same id are taken to be the same. By chance that is wrong once in 2^64 pairs; a CRC is no
    defense against someone who makes two files with the same one. The only consequence is a wrong cause of waste.
    """
    return checksum + CRC_MARK if checksum is not None and len(checksum) == CRC_BYTES else UNKNOWN_ID


def is_crc(ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return which rows of a `content_id` column are CRC-64s."""
    return np.asarray(ids[:, 1] == _MARK, bool)
