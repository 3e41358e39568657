"""Reads flatbuffers (flatbuffers.dev, "Internals") as whole columns: a field of many tables at once, never beyond the bytes.

Offsets in a flatbuffer may be anything: each is checked before it is followed, and texts and lists of all tables together may
not be longer than the buffer, which they are not unless several tables share them to look larger than they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.layers.readers.toc.table import BadTable

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]
LIST_ITEM = 4
"""Bytes of an item of a list of tables or texts: an offset."""
_SLOTS = 4
"""Bytes of a vtable before its first slot: its own length, and that of a table."""


@dataclass(frozen=True, slots=True, eq=False)
class FlatTables:
    """Tables of one type in a flatbuffer, at the offsets `at` of `data`. Methods raise BadTable for offsets outside of it.

    `slot` is a field's number in the schema.
    """

    data: Bytes
    at: Longs

    @classmethod
    def root(cls, raw: bytes) -> FlatTables:
        """Return the one table that the buffer `raw` starts with."""
        data = np.frombuffer(raw, np.uint8)
        return cls(data, numbers_at(data, np.zeros(1, np.int64), "<u4"))

    def part(self, first: int, last: int) -> FlatTables:
        """Return the tables `first` to `last` - 1."""
        return FlatTables(self.data, self.at[first:last])

    def numbers(self, slot: int, kind: str, default: int = 0) -> Longs:
        """Return a field of numbers of the numpy type `kind`, as int64."""
        found = np.full(len(self.at), default, np.int64)
        rows, places = self._field(slot)
        found[rows] = numbers_at(self.data, places, kind)
        return found

    def table(self, slot: int) -> FlatTables:
        """Return the table in a field of the first table; none where the field is missing."""
        _, places = self.part(0, 1)._field(slot)
        return FlatTables(self.data, places + numbers_at(self.data, places, "<u4"))

    def lists(self, slot: int, width: int = 1) -> tuple[Longs, Longs]:
        """Return where each list (or text) in a field starts, and how many items of `width` bytes it has, or 0."""
        starts, counts = np.zeros(len(self.at), np.int64), np.zeros(len(self.at), np.int64)
        rows, places = self._field(slot)
        places = places + numbers_at(self.data, places, "<u4")
        starts[rows], counts[rows] = places + LIST_ITEM, numbers_at(self.data, places, "<u4")
        if (starts + counts * width > len(self.data)).any() or int(counts.sum()) * width > len(self.data):
            raise BadTable("its flatbuffer has lists that are longer than it is")
        return starts, counts

    def tables(self, slot: int) -> tuple[FlatTables, Longs]:
        """Return the tables in all lists of a field, and how many are each list's."""
        starts, counts = self.lists(slot, LIST_ITEM)
        ends = np.cumsum(counts)
        places = np.repeat(starts - LIST_ITEM * (ends - counts), counts) + LIST_ITEM * np.arange(int(counts.sum()))
        return FlatTables(self.data, places + numbers_at(self.data, places, "<u4")), counts

    def texts(self, slot: int) -> list[bytes]:
        """Return the texts in a field; empty where it is missing."""
        starts, lengths = self.lists(slot)
        raw = self.data.data
        return [bytes(raw[start:end]) for start, end in zip(starts.tolist(), (starts + lengths).tolist(), strict=True)]

    def _field(self, slot: int) -> tuple[Longs, Longs]:
        """Return the rows of the tables that have a field, and where it is in each."""
        vtables = self.at - numbers_at(self.data, self.at, "<i4")
        place = _SLOTS + 2 * slot
        rows = np.flatnonzero(numbers_at(self.data, vtables, "<u2") >= place + 2)
        offsets = numbers_at(self.data, vtables[rows] + place, "<u2")
        rows, offsets = rows[offsets > 0], offsets[offsets > 0]
        return rows, self.at[rows] + offsets


def numbers_at(data: Bytes, places: Longs, kind: str) -> Longs:
    """Return the numbers of the numpy type `kind` at these offsets of `data`. Raises BadTable for offsets outside of it."""
    width = np.dtype(kind).itemsize
    if len(places) and (places.min() < 0 or places.max() > len(data) - width):
        raise BadTable("its flatbuffer has an offset outside of it")
    taken = data[places[:, None] + np.arange(width)]
    return taken.view(kind)[:, 0].astype(np.int64) if len(places) else np.zeros(0, np.int64)
