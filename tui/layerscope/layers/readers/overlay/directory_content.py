"""File contents of a layer that an engine keeps unpacked in a directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path

from layerscope.errors import CorruptLayer
from layerscope.layers.compression import PIECE, Compression
from layerscope.layers.content import Stretch, UnmappedContent, digest_of, refuse_large_sparse
from layerscope.layers.readers.overlay.rooted import RootedDirectory
from layerscope.layers.readers.overlay.walk import is_without_data, lower_path
from layerscope.layers.table import LayerTable, Strings
from layerscope.text import escape

GONE = "it no longer exists"
_WORDS = {errno.ENOENT: GONE, errno.ENOTDIR: GONE, errno.ESTALE: GONE, errno.EISDIR: "something else is in its place"}


@dataclass(frozen=True, slots=True, eq=False)
class DirectoryContent(UnmappedContent):
    """The contents of a layer whose entries lie below `directory`; `paths` are those of its entries.

    No link leads out of the directory; a symlink among a file's parents, which the layer's own tar may have written through,
    is resolved inside (`RootedDirectory`). Files are opened when they are asked for, so a layer
    that is removed meanwhile raises CorruptLayer then.
    """

    directory: Path
    paths: Strings
    sparse: frozenset[int] = frozenset()
    is_upper: bool = False
    """Whether this is a container's own layer, where overlayfs may have files without their bytes (`metacopy`)."""
    lowers: tuple[Path, ...] = ()
    """Where the bytes of such files are: the directories of the layers below, the uppermost first."""

    @classmethod
    def of(
        cls, directory: Path, table: LayerTable, *, is_upper: bool = False, lowers: tuple[Path, ...] = ()
    ) -> DirectoryContent:
        """Return the content of a layer whose table was read."""
        return cls(directory, table.entries.paths, frozenset(table.sparse), is_upper, lowers)

    @property
    def compression(self) -> Compression:
        """Return NONE: the files are not compressed."""
        return Compression.NONE

    def pieces(self, entry: int, offset: int, size: int) -> Iterator[bytes]:  # noqa: ARG002 - a file begins at its beginning
        """Yield a file's content. Raises CorruptLayer when the file is missing, or its size differs from the layer's table."""
        with RootedDirectory(self.directory) as opened:
            yield from self._pieces(opened, self.paths[entry], size)

    def many(self, wanted: Iterable[Stretch]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Yield several contents; 10 us a file in the order of the layer."""
        with RootedDirectory(self.directory) as opened:
            for entry, _offset, size in wanted:
                yield entry, self._pieces(opened, self.paths[entry], size)

    def digest(self, entry: int, offset: int, size: int) -> bytes:
        if entry in self.sparse:
            refuse_large_sparse(size)
        return digest_of(self.pieces(entry, offset, size))

    def _pieces(self, opened: RootedDirectory, path: bytes, size: int) -> Iterator[bytes]:
        try:
            with os.fdopen(opened.file(path), "rb", buffering=0) as file:
                found = os.fstat(file.fileno()).st_size
                if found != size:
                    raise CorruptLayer(f"{escape(path)}: the engine keeps {found} bytes of it where the layer says {size}")
                if self.is_upper and is_without_data(file.fileno()):
                    yield from self._pieces_below(lower_path(path, file.fileno()), size)
                else:
                    yield from _read(file, path, size)
        except OSError as error:
            reason = _WORDS.get(error.errno or 0, error.strerror)
            raise CorruptLayer(f"{escape(path)} in {escape(str(self.directory))} cannot be read: {reason}") from error

    def _pieces_below(self, path: bytes, size: int) -> Iterator[bytes]:
        """Yield the bytes of a file that has only its metadata here, from the topmost lower layer that has them."""
        for number, directory in enumerate(self.lowers, 1):
            with RootedDirectory(directory) as opened:
                if opened.has_file(path):
                    lower = replace(self, directory=directory, lowers=self.lowers[number:])
                    yield from lower._pieces(opened, path, size)
                    return
        raise CorruptLayer(f"{escape(path)}: the engine keeps its bytes in a lower layer (overlayfs metacopy), not in this one")


def _read(file: FileIO, path: bytes, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = file.read(min(size, PIECE))
        if not piece:
            raise CorruptLayer(f"{escape(path)}: it ends {size} bytes early")
        yield piece
        size -= len(piece)
