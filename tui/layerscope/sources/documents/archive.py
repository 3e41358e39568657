"""A tar that holds an image: its members by name, with links followed and contents mapped instead of copied."""

from __future__ import annotations

import posixpath

from layerscope.errors import NotFound
from layerscope.layers.blob import Blob
from layerscope.layers.readers.blob import read_plain
from layerscope.layers.table import Kind, LayerTable
from layerscope.layers.tar.names import normalize
from layerscope.sources.documents.files import raw_name
from layerscope.text import escape

MAX_HOPS = 16
"""Links followed from one name; `docker save` before version 25 wrote chains of one."""


class Archive:
    """The members of an uncompressed tar, as `Files`. The last member of a name counts, as in tar(1).

    `stored` is the tar as it was given, which may be compressed.
    """

    def __init__(self, place: str, blob: Blob, table: LayerTable, stored: Blob | None = None) -> None:
        self.place = place
        self.stored = stored or blob
        self._blob = blob
        self._table = table
        self._rows = {path: row for row, path in enumerate(table.entries.paths.tolist())}

    @classmethod
    def of(cls, place: str, blob: Blob, *, stored: Blob | None = None) -> Archive:
        """Index the tar in `blob`. A damaged tar is indexed up to its damage."""
        return cls(place, blob, read_plain(blob), stored)

    @property
    def damage(self) -> str:
        return next((problem.text for problem in self._table.problems if problem.is_fatal), "")

    @property
    def has_whiteouts(self) -> bool:
        """Tell whether this tar has whiteouts, which only layers have."""
        return bool(self._table.whiteouts or self._table.opaques)

    def has(self, name: str) -> bool:
        try:
            self._row(name)
        except NotFound:
            return False
        return True

    def blob(self, name: str) -> Blob:
        row = self._row(name)
        entries = self._table.entries
        return self._blob.region(int(entries.content_offset[row]), int(entries.size[row]))

    def names(self) -> list[bytes]:
        return list(self._rows)

    def _row(self, name: str) -> int:
        """Return the entry number of the regular file behind `name`, after following links."""
        shown, path = escape(name), normalize(raw_name(name))
        for _ in range(MAX_HOPS):
            row = self._rows.get(path)
            if row is None:
                raise NotFound(f"{shown} is missing")
            kind = self._table.entries.kind[row]
            if kind not in (Kind.SYMLINK, Kind.HARDLINK):
                return self._plain_file(row, shown)
            target = self._table.entries.links[row]
            path = target if kind == Kind.HARDLINK else normalize(posixpath.join(posixpath.dirname(path), target))
        raise NotFound(f"{shown} is a broken link")

    def _plain_file(self, row: int, shown: str) -> int:
        if self._table.entries.kind[row] != Kind.FILE:
            raise NotFound(f"{shown} is not a file")
        if row in self._table.sparse:
            raise NotFound(f"{shown} is stored as a sparse file; write the archive again without --sparse")
        return row
