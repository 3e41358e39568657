"""The columns of a table's entries, written and read back."""

from __future__ import annotations

from dataclasses import fields

import msgspec
import numpy as np
import numpy.typing as npt

from layerscope.cache.columns import ColumnReader, ColumnWriter, Names, Stretch, Unusable
from layerscope.layers.table import Entries, Kind, no_ids

MODES = 0o7777


class EntryStretches(msgspec.Struct, array_like=True, frozen=True):
    """The position of each column of `Entries` in the body."""

    paths: Names
    kind: Stretch
    mode: Stretch
    uid: Stretch
    gid: Stretch
    size: Stretch
    mtime: Stretch
    content_offset: Stretch
    content_id: Stretch | None
    links: Names


def add_entries(writer: ColumnWriter, entries: Entries) -> EntryStretches:
    """Write every column of `entries`; ids that are all unknown take no space."""
    return EntryStretches(
        paths=writer.add_names(entries.paths),
        kind=writer.add(entries.kind, "<u1"),
        mode=writer.add(entries.mode, "<u2"),
        uid=writer.add_narrow(entries.uid),
        gid=writer.add_narrow(entries.gid),
        size=writer.add_narrow(entries.size),
        mtime=writer.add_narrow(entries.mtime),
        content_offset=writer.add_narrow(entries.content_offset),
        content_id=writer.add(entries.content_id, "<u8") if entries.content_id.any() else None,
        links=writer.add_names(entries.links),
    )


def read_entries(columns: EntryStretches, reader: ColumnReader) -> Entries:
    """Read the entries. Raises Unusable for columns that do not match each other or hold impossible values."""
    kind = reader.numbers(columns.kind, "<u1").astype(np.uint8)
    entries = Entries(
        paths=reader.strings(columns.paths),
        kind=kind,
        mode=reader.numbers(columns.mode, "<u2").astype(np.uint16),
        uid=reader.longs(columns.uid),
        gid=reader.longs(columns.gid),
        size=reader.longs(columns.size),
        mtime=reader.longs(columns.mtime),
        content_offset=reader.longs(columns.content_offset),
        content_id=_ids(columns.content_id, reader, len(kind)),
        links=reader.strings(columns.links),
    )
    if not _is_sound(entries):
        raise Unusable
    return entries


def _ids(stretch: Stretch | None, reader: ColumnReader, count: int) -> npt.NDArray[np.uint64]:
    if stretch is None:
        return no_ids(count)
    ids = reader.numbers(stretch, "<u8").astype(np.uint64)
    if len(ids) != 2 * count:
        raise Unusable
    return ids.reshape(count, 2)


def _is_sound(entries: Entries) -> bool:
    """Tell whether all columns have one length and hold possible values."""
    lengths = {len(getattr(entries, column.name)) for column in fields(entries)}
    if lengths != {len(entries)}:
        return False
    if not len(entries):
        return True
    is_known = entries.kind.max() <= max(Kind) and entries.mode.max() <= MODES
    return bool(is_known and entries.size.min() >= 0 and entries.content_offset.min() >= 0)
