"""Builds the table of a layer from some of the entries of a whole file system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerscope.layers.table import Entries, Kind, LayerTable, Strings
from layerscope.layers.tar.headers import BLOCK


@dataclass(frozen=True, slots=True)
class ContainerChange:
    """A path (normalized) that was written or, with `is_removal`, removed."""

    path: bytes
    is_removal: bool = False


def changed_part(whole: LayerTable, changes: Sequence[ContainerChange]) -> LayerTable:
    """Return the layer that contains the paths of `changes` from the table of a file system, and hides the removed ones.

    A path that was removed and exists again was replaced: the layer hides the old one and contains the new one. A hard link to
    an unchanged file is taken for a file of its own.
    """
    removed = {change.path for change in changes if change.is_removal}
    changed = {change.path for change in changes}
    paths = whole.entries.paths.tolist()
    rows = [row for row, path in enumerate(paths) if path in changed]
    numbers = {row: number for number, row in enumerate(rows)}
    entries = _entries(whole.entries, rows, paths)
    there = {paths[row] for row in rows}
    whiteouts, opaques = tuple(sorted(removed - there)), tuple(sorted(removed & there))
    return replace(
        whole,
        entries=entries,
        whiteouts=whiteouts,
        opaques=opaques,
        whiteout_rows=(0,) * len(whiteouts),
        opaque_rows=(0,) * len(opaques),
        omitted=(),
        sparse={numbers[row]: sparse for row, sparse in whole.sparse.items() if row in numbers},
        devices={numbers[row]: found for row, found in whole.devices.items() if row in numbers},
        xattrs={numbers[row]: found for row, found in whole.xattrs.items() if row in numbers},
        unpacked_bytes=int((BLOCK - (-entries.size // BLOCK) * BLOCK).sum()) + (len(removed) + 2) * BLOCK,
    )


def _entries(whole: Entries, rows: list[int], paths: list[bytes]) -> Entries:
    links = [whole.links[row] for row in rows]
    kind, source = whole.kind[rows].copy(), np.array(rows, np.int64)
    first = {path: number for number, path in enumerate(paths[row] for row in rows)}
    for number in np.flatnonzero(kind == Kind.HARDLINK).tolist():
        target = links[number]
        if target in first:
            links[number] = paths[rows[first[target]]]
        else:
            first[target] = number
            kind[number], links[number], source[number] = Kind.FILE, b"", paths.index(target)
    return Entries(
        paths=Strings.of([paths[row] for row in rows]),
        kind=kind,
        mode=whole.mode[rows],
        uid=whole.uid[rows],
        gid=whole.gid[rows],
        size=whole.size[source],
        mtime=whole.mtime[rows],
        content_offset=whole.content_offset[source],
        content_id=whole.content_id[source],
        links=Strings.of(links),
    )
