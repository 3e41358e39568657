"""Puts a layer's tar together again, from an engine's tar-split record and the files that it keeps unpacked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np

from layerscope.errors import CannotWrite, CorruptLayer
from layerscope.layers.blob import Blob, OnBytes
from layerscope.layers.readers.overlay.directory_content import DirectoryContent
from layerscope.layers.readers.tar_split_records import FILE, records_of
from layerscope.layers.table import Kind, LayerTable
from layerscope.unnamed import unnamed_file


def put_together(record: Blob, content: DirectoryContent, table: LayerTable, on_bytes: OnBytes) -> Blob:
    """Write the tar into a temporary file, byte for byte as it was, if the files are as they were: its digest tells.

    Raises CorruptLayer for a damaged record or a missing file, CannotWrite where there is no room.
    """
    try:
        with unnamed_file() as file:
            for piece in _pieces(record, content, table):
                file.write(piece)
                on_bytes(len(piece))
            file.flush()
            return Blob.of_open_file(file)
    except OSError as error:
        directory = tempfile.tempdir or "the temporary directory"
        raise CannotWrite(
            f"a layer cannot be written to {directory}: {error.strerror}; set TMPDIR to a directory with room"
        ) from error


def _pieces(record: Blob, content: DirectoryContent, table: LayerTable) -> Iterator[bytes]:
    entries, position = table.entries, 0
    if table.sparse:
        raise CorruptLayer("it has sparse files, whose maps the engine's record does not hold")
    rows = np.flatnonzero((entries.kind == Kind.FILE) & (entries.size > 0))
    stretches = [(int(row), int(entries.content_offset[row]), int(entries.size[row])) for row in rows.tolist()]
    expected = iter(stretches)
    row, offset, size = next(expected, (-1, -1, 0))
    files = content.many(stretches)
    for records in records_of(record):
        for each in records:
            if each.type != FILE:
                position += len(each.payload or b"")
                yield each.payload or b""
            elif each.size and position == offset:
                if each.size != size:
                    raise CorruptLayer(f"its entry {row} has {each.size} bytes by its record, {size} by its header")
                yield from next(files)[1]
                position += size
                row, offset, size = next(expected, (-1, -1, 0))
