"""Content ids made of checksums that others recorded (CRC-64 or sha256).

They share the column `content_id` with computed xxh3_128 hashes and are told from them by a mark.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CRC_MARK, SHA_MARK = b"CRC64ISO", b"SHA256.."
"""The low half of an id whose high half is a CRC-64, or the first 64 bits of a sha256.

One xxh3_128 in 2^64 ends so by chance.
"""
CRC_BYTES = 8
UNKNOWN_ID = bytes(16)
COMPUTED = 0
"""The kind of ids that are computed (xxh3_128), or not known."""

Ids = npt.NDArray[np.uint64]

_MARKS = [np.uint64(int.from_bytes(mark, "big")) for mark in (CRC_MARK, SHA_MARK)]


def crc_id(checksum: bytes | None) -> bytes:
    """Return the 16 bytes of a content id, high half first, for a CRC-64; zeros for a checksum of another length, or None.

    The CRC-64 is of the ISO polynomial, 8 bytes, big endian. Two contents of one size with the same id are taken to be the
    same. By chance that is wrong once in 2^64 pairs; a CRC is no defense against someone who makes two files with the same CRC.
    The only consequence is a wrong cause of waste.
    """
    return checksum + CRC_MARK if checksum is not None and len(checksum) == CRC_BYTES else UNKNOWN_ID


def sha_ids(digests: npt.NDArray[np.uint8]) -> Ids:
    """Return the ids of sha256 digests, shape (n, 32); all zeros stand for one that is not known."""
    ids = np.zeros((len(digests), 2), np.uint64)
    ids[:, 0] = digests[:, :8].copy().view(">u8")[:, 0]
    ids[digests.any(axis=1), 1] = _MARKS[1]
    return ids


def recorded_kind(ids: Ids) -> npt.NDArray[np.uint8]:
    """Return the kind of each id in a `content_id` column: COMPUTED, 1 (CRC-64) or 2 (sha256).

    Only ids of the same kind can be compared.
    """
    kinds = np.full(len(ids), COMPUTED, np.uint8)
    for kind, mark in enumerate(_MARKS, 1):
        kinds[ids[:, 1] == mark] = kind
    return kinds
