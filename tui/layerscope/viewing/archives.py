"""Recognizes archives and lists their members."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.viewing.ar_members import MAGIC, list_ar
from layerscope.viewing.cancelling import BoundedPieces, IsCancelled
from layerscope.viewing.members import ArchiveListing
from layerscope.viewing.packed import packing_of
from layerscope.viewing.tar_members import is_tar, list_tar
from layerscope.viewing.zip_members import MAGICS, list_zip

PIECE = 1 << 20


def is_worth_reading_on(head: bytes) -> bool:
    """Tell whether reading more than a screen's worth of a file pays: it is an archive, or compressed."""
    return bool(head.startswith((MAGIC, *MAGICS)) or packing_of(head) or is_tar(head))


def list_archive(content: bytes, is_cancelled: IsCancelled, *, is_whole: bool) -> ArchiveListing | None:
    """List an archive that is not compressed as a whole; None if it is not an archive."""
    if content.startswith(MAGICS):
        return list_zip(content) if is_whole else ArchiveListing("zip", (), damage="too large to be listed")
    if content.startswith(MAGIC):
        return list_ar(content, is_cancelled)
    if is_tar(content):
        return list_tar(BoundedPieces(_slices(content), len(content), is_cancelled), "tar")
    return None


def _slices(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
