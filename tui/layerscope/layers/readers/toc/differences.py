"""Finds where a layer's table of contents contradicts the layer's tar."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from layerscope.layers.table import Kind, LayerTable
from layerscope.text import escape

WORDS = {"kind": "another kind", "mode": "another mode", "uid": "another owner", "gid": "another group", "size": "another size"}
ROUNDED = 1
"""Seconds by which a time may differ: eStargz rounds to whole ones, a tar's are cut off."""
RARE = {"xattrs": "other extended attributes", "devices": "another device number"}


def difference(said: LayerTable, tar: LayerTable, *, has_offsets: bool = False) -> str:
    """Return a sentence on the first difference between a table of contents and its layer's tar; empty if there is none.

    Contents are not compared: their digests are sha256, and they are checked when they are fetched. With
    `has_offsets`, the table has none, but says where in the tar contents are, which is compared.
    """
    found = chain(_path_differences(said, tar), _column_differences(said, tar), _moved(said, tar) if has_offsets else ())
    return next(found, "")


def _moved(said: LayerTable, tar: LayerTable) -> Iterator[str]:
    """Yield a sentence on the first file whose content is elsewhere than a table with the same paths says."""
    mine, theirs = said.entries, tar.entries
    is_moved = (mine.content_offset != theirs.content_offset) & (mine.size > 0) & (mine.kind == Kind.FILE)
    for row in np.flatnonzero(is_moved)[:1].tolist():
        yield f"the content of {escape(mine.paths[row])} is at another place in the layer's tar"


def _path_differences(said: LayerTable, tar: LayerTable) -> Iterator[str]:
    mine, theirs = said.entries.paths.tolist(), tar.entries.paths.tolist()
    lost, made = set(theirs).difference(mine), set(mine).difference(theirs)
    if lost:
        yield f"{escape(min(lost))} is not in its table of contents"
    if made:
        yield f"{escape(min(made))} is not in the layer's tar"
    if mine != theirs:
        yield "its table of contents has the entries in another order than the layer's tar"
    if (said.whiteouts, said.opaques) != (tar.whiteouts, tar.opaques):
        yield "its table of contents hides other paths than the layer's tar"


def _column_differences(said: LayerTable, tar: LayerTable) -> Iterator[str]:
    """Yield a sentence on the first difference in each column of two tables with the same paths."""
    mine, theirs = said.entries, tar.entries
    for name, words in WORDS.items():
        for row in np.flatnonzero(getattr(mine, name) != getattr(theirs, name))[:1].tolist():
            yield f"{escape(mine.paths[row])} has {words} in the layer's tar"
    for row in np.flatnonzero(np.abs(mine.mtime - theirs.mtime) > ROUNDED)[:1].tolist():
        yield f"{escape(mine.paths[row])} has another time in the layer's tar"
    if mine.links.tolist() != theirs.links.tolist():
        yield "its table of contents has links to something else than the layer's tar"
    for name, words in RARE.items():
        one, other = getattr(said, name), getattr(tar, name)
        for row in sorted(row for row in {*one, *other} if one.get(row) != other.get(row))[:1]:
            yield f"{escape(mine.paths[row])} has {words} in the layer's tar"
