"""Parses sparse maps: GNU tar's old header form and its PAX forms 0.0, 0.1 and 1.0 (GNU tar manual, "Sparse Formats")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from layerscope.layers.table import SparseMap
from layerscope.layers.tar.numbers import LARGEST, parse_decimal, parse_field

BLOCK = 512
MAX_RUNS = 1 << 17
"""The most data runs accepted in a sparse file."""
MAX_SPARSE = 1 << 44
"""The largest sparse file accepted, in bytes: ext4's limit. Sums of many still fit a column."""

Run = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SparseRecords:
    """What the GNU.sparse.* records of one extended header say.

    `runs` is None in form 1.0, in which they are at the start of the file's content.
    """

    runs: tuple[Run, ...] | None
    size: int | None
    name: bytes
    fault: str = ""
    """Why no engine accepts it, although it can be read."""


def parse_sparse_records(records: Mapping[bytes, bytes]) -> SparseRecords | None:
    """Parse the GNU.sparse.* records of an extended header. Raises ValueError.

    Returns None unless they state a version that Go knows, or no version and a map.
    """
    version = records.get(b"GNU.sparse.major", b""), records.get(b"GNU.sparse.minor", b"")
    text = records.get(b"GNU.sparse.map", b"")
    is_form_0 = version in ((b"0", b"0"), (b"0", b"1")) or (version == (b"", b"") and text != b"")
    if not is_form_0 and version != (b"1", b"0"):
        return None
    runs, fault = None, ""
    if is_form_0:
        runs = _paired([parse_decimal(number) for number in text.split(b",")] if text else [])
        if not _counts(records.get(b"GNU.sparse.numblocks", b""), len(runs)):
            fault = "a sparse file whose records do not say how many runs it has"
    size = records.get(b"GNU.sparse.size") or records.get(b"GNU.sparse.realsize")
    return SparseRecords(runs, parse_decimal(size) if size else None, records.get(b"GNU.sparse.name", b""), fault)


def _counts(text: bytes, count: int) -> bool:
    try:
        return parse_decimal(text) == count
    except ValueError:
        return False


def _paired(numbers: list[int]) -> tuple[Run, ...]:
    if len(numbers) > 2 * MAX_RUNS:
        raise ValueError(f"a sparse file of more than {MAX_RUNS} runs")
    if len(numbers) % 2:
        raise ValueError("a damaged sparse map")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def checked_map(runs: tuple[Run, ...], size: int) -> SparseMap:
    """Check the runs of a sparse file of `size` bytes, and return them without the empty ones.

    Raises ValueError when runs are negative, out of order or beyond the file.
    """
    if size < 0 or any(offset < 0 or length < 0 or offset + length > LARGEST for offset, length in runs):
        raise ValueError("a sparse map with negative or absurd numbers")
    if any(sum(run) > following[0] for run, following in pairwise(runs)):
        raise ValueError("a sparse map whose runs overlap")
    if size > MAX_SPARSE or any(sum(run) > size for run in runs):
        raise ValueError(f"its map does not fit a file of {size} bytes")
    return SparseMap(tuple(run for run in runs if run[1]))


def parse_header_runs(block: bytes, start: int, count: int) -> list[Run]:
    """Parse the runs of an old GNU sparse header (`start` 386, `count` 4) or extension block (0, 21).

    A run that starts with a NUL ends them. Raises ValueError.
    """
    runs = []
    for at in range(start, start + 24 * count, 24):
        if not block[at]:
            break
        runs.append((parse_field(block[at : at + 12]), parse_field(block[at + 12 : at + 24])))
    return runs


def parse_content_map(content: bytes) -> tuple[tuple[Run, ...], int] | None:
    """Parse the map at the start of a version 1.0 file's content: decimal lines, padded to a block.

    Returns the runs and the map's length in bytes, None when `content` holds only a part of it. Raises ValueError.
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
        if not 0 <= numbers[0] <= MAX_RUNS:
            raise ValueError("a sparse map of absurd length")
    length = -(-position // BLOCK) * BLOCK
    return (_paired(numbers[1:]), length) if length <= len(content) else None
