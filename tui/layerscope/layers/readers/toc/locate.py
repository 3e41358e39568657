"""Finds a layer's table of contents by the annotations of its descriptor, or by the footer at the blob's end.

eStargz (stargz-snapshotter `docs/stargz-estargz.md`) ends in an empty gzip member of 51 bytes, or 47 in its first form, whose
extra field is the offset of the member with the table. zstd:chunked (containers/storage `pkg/chunked`) ends in a skippable
frame of 40 or 64 bytes of content: offset, length and unpacked length of the table, its kind, and in the longer one those of
a tar-split record.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from layerscope.layers.compression import Compression

STARGZ_CHECKSUM = "containerd.io/snapshot/stargz/toc.digest"
STARGZ_UNPACKED = "io.containers.estargz.uncompressed-size"
"""How long the whole tar is, in bytes, table included."""
CHUNKED_PREFIXES = ("io.github.containers.zstd-chunked.", "io.containers.zstd-chunked.")
LONGEST_FOOTER = 72
"""Bytes that the longest footer takes, the header of its frame included."""
_STARGZ_FOOTERS = (51, 47)
_STARGZ_FIELD = re.compile(rb"([0-9a-f]{16})STARGZ", re.DOTALL)
_SKIPPABLE = struct.Struct("<4sI")
_SKIPPABLE_MAGIC = b"\x50\x2a\x4d\x18"
_CHUNKED_FOOTERS = ((b"GNUlInUx", struct.Struct("<4Q3Q8s")), (b"GnUlInUx", struct.Struct("<4Q8s")))
_KIND = 1
"""The only kind of table there is: JSON in the form of CRFS."""
_TABLE_NUMBERS, _SPLIT_NUMBERS = 4, 3


@dataclass(frozen=True, slots=True)
class PackedPart:
    """A part of a blob: its stored offset and length, and what it unpacks to (-1: not stated), in bytes."""

    start: int
    size: int
    unpacked: int = -1

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class TableAt:
    """Where a blob seems to have a table of contents.

    `checksum` (empty: not stated) is that of the JSON for eStargz, of the stored bytes for zstd:chunked. `split` is where a
    tar-split record of the same layer is, `tar_bytes` the length of its tar (-1: not stated).
    """

    compression: Compression
    table: PackedPart
    checksum: str = ""
    split: PackedPart | None = None
    tar_bytes: int = -1


def promises_table(annotations: Mapping[str, str]) -> bool:
    """Tell whether a layer's annotations speak of a table of contents."""
    return STARGZ_CHECKSUM in annotations or any(prefix + "manifest-position" in annotations for prefix in CHUNKED_PREFIXES)


def locate_by_annotations(annotations: Mapping[str, str], size: int) -> TableAt | None:
    """Return where, by its annotations, a blob of `size` bytes has its table; None unless they say so (zstd:chunked)."""
    for prefix in CHUNKED_PREFIXES:
        numbers = _numbers(annotations.get(prefix + "manifest-position", ""))
        if len(numbers) == _TABLE_NUMBERS and numbers[3] == _KIND:
            split = _numbers(annotations.get(prefix + "tarsplit-position", ""))
            parts = [PackedPart(*numbers[:3]), *([PackedPart(*split)] if len(split) == _SPLIT_NUMBERS else [])]
            return _chunked(parts, annotations, size)
    return None


def locate_by_footer(tail: bytes, size: int, annotations: Mapping[str, str]) -> TableAt | None:
    """Return where, by its footer, a blob of `size` bytes has its table; None if it has no footer.

    `tail` are the blob's last bytes, at least LONGEST_FOOTER of them.
    """
    for magic, form in _CHUNKED_FOOTERS:
        head = tail[-form.size - _SKIPPABLE.size : -form.size]
        if tail.endswith(magic) and head == _SKIPPABLE.pack(_SKIPPABLE_MAGIC, form.size):
            *numbers, _ = form.unpack(tail[-form.size :])
            parts = [PackedPart(*numbers[:3]), *([PackedPart(*numbers[4:])] if len(numbers) > _TABLE_NUMBERS else [])]
            return _chunked(parts, annotations, size) if numbers[3] == _KIND else None
    for length in _STARGZ_FOOTERS:
        found = _STARGZ_FIELD.search(tail[-length:])
        if tail[-length:].startswith(b"\x1f\x8b\x08\x04") and found is not None:
            return _stargz(int(found[1], 16), length, annotations, size)
    return None


def _chunked(parts: list[PackedPart], annotations: Mapping[str, str], size: int) -> TableAt | None:
    if any(not 0 < part.start < part.end <= size or part.unpacked <= 0 for part in parts):
        return None
    stated = [annotations.get(prefix + "manifest-checksum", "") for prefix in CHUNKED_PREFIXES]
    return TableAt(Compression.ZSTD, parts[0], stated[0] or stated[1], parts[1] if len(parts) > 1 else None)


def _stargz(offset: int, footer: int, annotations: Mapping[str, str], size: int) -> TableAt | None:
    if not 0 <= offset < size - footer:
        return None
    stated = annotations.get(STARGZ_UNPACKED, "")
    tar_bytes = int(stated) if re.fullmatch(r"[0-9]{1,18}", stated) else -1
    part = PackedPart(offset, size - footer - offset)
    return TableAt(Compression.GZIP, part, annotations.get(STARGZ_CHECKSUM, ""), tar_bytes=tar_bytes)


def _numbers(stated: str) -> list[int]:
    parts = stated.split(":")
    return [int(part) for part in parts] if all(re.fullmatch(r"[0-9]{1,18}", part) for part in parts) else []
