"""Sparse files: GNU tar's old header form and its PAX forms 0.0, 0.1 and 1.0 (GNU tar manual, "Sparse Formats")."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.layers.numbers import parse_decimal, parse_field
from layerscope.layers.table import SparseMap

BLOCK = 512
MAX_RUNS = 1 << 17
"""The most data runs we believe a sparse file to have."""


@dataclass(frozen=True, slots=True)
class SparseRecords:
    """What the GNU.sparse.* records of one extended header say; `map` is None when it begins the content (`map_in_content`)."""

    map: SparseMap | None
    size: int | None
    name: bytes
    map_in_content: bool


def parse_sparse_records(records: list[tuple[bytes, bytes]]) -> SparseRecords:
    """Read the records, their GNU.sparse. prefix taken off. Raises ValueError."""
    single = dict(records)
    size = single.get(b"realsize", single.get(b"size"))
    is_version_1 = single.get(b"major") == b"1" and single.get(b"minor") == b"0"
    return SparseRecords(
        map=None if is_version_1 else _map_of_records(records, single),
        size=parse_decimal(size) if size is not None else None,
        name=single.get(b"name", b""),
        map_in_content=is_version_1,
    )


def _map_of_records(records: list[tuple[bytes, bytes]], single: dict[bytes, bytes]) -> SparseMap:
    if b"map" in single:
        numbers = [parse_decimal(number) for number in single[b"map"].split(b",") if number]
    else:
        numbers = [parse_decimal(value) for key, value in records if key in (b"offset", b"numbytes")]
    return runs_of(numbers)


def runs_of(numbers: list[int]) -> SparseMap:
    """Pair offsets and lengths up. Raises ValueError when they are odd, negative, out of order or too many."""
    if len(numbers) % 2 or len(numbers) > 2 * MAX_RUNS:
        raise ValueError("a damaged sparse map")
    runs = tuple((offset, length) for offset, length in zip(numbers[::2], numbers[1::2], strict=True) if length)
    end = 0
    for offset, length in runs:
        if offset < end or length < 0:
            raise ValueError("a sparse map whose runs overlap")
        end = offset + length
    return SparseMap(runs)


def parse_header_runs(block: bytes, start: int, count: int) -> list[int]:
    """The offset and length fields of an old GNU sparse header (`start` 386, 4 runs) or extension block (0, 21). Raises
    ValueError.
    """
    fields = [block[at : at + 12] for at in range(start, start + 24 * count, 12)]
    return [parse_field(field) for field in fields if field[0]]


def parse_content_map(content: bytes) -> tuple[SparseMap, int] | None:
    """The map that begins the content of a version 1.0 file: decimal lines, padded to a block.

    Returns the map and its length in bytes, None when `content` holds only a part of it. Raises ValueError.
    """
    numbers: list[int] = []
    position, wanted = 0, 1
    while len(numbers) < wanted:
        end = content.find(b"\n", position, position + 24)
        if end < 0:
            if len(content) - position >= 24:
                raise ValueError("a damaged sparse map")
            return None
        numbers.append(parse_decimal(content[position:end]))
        position = end + 1
        wanted = 1 + 2 * numbers[0]
        if numbers[0] > MAX_RUNS:
            raise ValueError("a sparse map of absurd length")
    return runs_of(numbers[1:]), -(-position // BLOCK) * BLOCK
