"""What becomes of each entry of an image, and the layers' tables as they are afterwards."""

from __future__ import annotations

from dataclasses import fields, replace
from enum import IntEnum
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Entries, LayerStack, LayerTable, Strings
from layerscope.tree.nodes import ranges

T = TypeVar("T")
Fates = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


class EntryFate(IntEnum):
    """What becomes of an entry. The numbers are the column's values."""

    KEEP = 0
    DROP = 1
    EMPTY = 2
    """Nobody sees it, but its path has to stay: it implies a directory, or hides something below. A file without content."""


def stack_after(stack: LayerStack, fates: Fates) -> tuple[LayerStack, Rows]:
    """Return the layers without what is dropped, and the number that each of their entries has in `stack` (int64).

    `fates` (uint8) has a EntryFate for each entry of `stack`.
    """
    tables = [
        _table_after(table, fates[slice(*bounds)]) for table, bounds in zip(stack.tables, pairwise(stack.first), strict=True)
    ]
    return LayerStack.of(tables), np.flatnonzero(fates != EntryFate.DROP)


def _table_after(table: LayerTable, fates: Fates) -> LayerTable:
    if not fates.any():
        return table
    kept = np.flatnonzero(fates != EntryFate.DROP)
    before = np.concatenate([[0], np.cumsum(fates != EntryFate.DROP)])
    number = {old: new for new, old in enumerate(kept.tolist())} if table.sparse or table.xattrs or table.devices else {}
    emptied = fates[kept] == EntryFate.EMPTY
    entries = taken(table.entries, kept)
    entries = replace(entries, size=np.where(emptied, 0, entries.size))
    gone = set(kept[emptied].tolist())
    return replace(
        table,
        entries=entries,
        whiteout_rows=tuple(before[list(table.whiteout_rows)].tolist()),
        opaque_rows=tuple(before[list(table.opaque_rows)].tolist()),
        sparse=_renumbered(table.sparse, number, gone),
        xattrs=_renumbered(table.xattrs, number, gone),
        devices=_renumbered(table.devices, number, gone),
    )


def _renumbered(by_entry: dict[int, T], number: dict[int, int], gone: set[int]) -> dict[int, T]:
    return {number[entry]: found for entry, found in by_entry.items() if entry in number and entry not in gone}


def taken(entries: Entries, rows: Rows) -> Entries:
    """Return some of the entries, in the order of `rows`, in columns of their own."""
    columns: dict[str, Any] = {}
    for column in fields(entries):
        value = getattr(entries, column.name)
        columns[column.name] = taken_strings(value, rows) if isinstance(value, Strings) else value[rows]
    return Entries(**columns)


def taken_strings(strings: Strings, rows: Rows) -> Strings:
    """Return some of the strings, in the order of `rows`, in a buffer of their own."""
    starts, stops = strings.offsets[:-1][rows], strings.offsets[1:][rows]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(stops - starts, out=offsets[1:])
    octets = np.frombuffer(strings.buffer, np.uint8)
    return Strings(octets[ranges(starts, stops)].tobytes(), offsets)
