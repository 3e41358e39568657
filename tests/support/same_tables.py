"""Two tables of one layer, held against each other column by column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerscope.layers.table import Entries, LayerTable, SparseMap, Strings

COLUMNS = ("kind", "mode", "uid", "gid", "size", "mtime", "content_offset")
PARTS = ("whiteouts", "opaques", "omitted", "problems", "sparse", "xattrs", "devices", "unpacked_bytes")


def assert_same(found: LayerTable, wanted: LayerTable) -> None:
    """All but the content ids."""
    assert found.entries.paths.tolist() == wanted.entries.paths.tolist()
    assert found.entries.links.tolist() == wanted.entries.links.tolist()
    for name in COLUMNS:
        assert getattr(found.entries, name).tolist() == getattr(wanted.entries, name).tolist(), name
    for name in PARTS:
        assert getattr(found, name) == getattr(wanted, name), name


def sorted_by_path(table: LayerTable) -> LayerTable:
    """The same without what only the order of entries decides."""
    paths = table.entries.paths.tolist()
    order = sorted(range(len(paths)), key=lambda row: paths[row])
    links = table.entries.links.tolist()
    columns = {name: getattr(table.entries, name)[order] for name in COLUMNS}
    columns["content_offset"] = np.zeros(len(order), np.int64)
    entries = Entries(
        paths=Strings.of([paths[row] for row in order]),
        links=Strings.of([links[row] for row in order]),
        content_id=table.entries.content_id[order],
        **columns,
    )
    number = {row: place for place, row in enumerate(order)}
    xattrs = {number[row]: found for row, found in table.xattrs.items()}
    devices = {number[row]: found for row, found in table.devices.items()}
    sparse: dict[int, SparseMap] = {number[row]: found for row, found in table.sparse.items()}
    whiteouts, opaques = tuple(sorted(table.whiteouts)), tuple(sorted(table.opaques))
    rare = replace(table, xattrs=xattrs, devices=devices, sparse=sparse)
    return replace(rare, entries=entries, whiteouts=whiteouts, opaques=opaques, omitted=(), unpacked_bytes=0)
