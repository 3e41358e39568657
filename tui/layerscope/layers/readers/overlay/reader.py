"""Reads a container's own layer from the upper directory of its mount, into the same table as a tar of it would give."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from layerscope.layers.blob import OnBytes
from layerscope.layers.compression import Compression
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.overlay.directory_content import DirectoryContent
from layerscope.layers.readers.overlay.walk import Found, Xattrs, is_opaque, is_own, is_whiteout, redirect_of, walk_directory
from layerscope.layers.readers.protocol import NO_DIGEST_OF_ITS_OWN, KeptUnpacked, ReadOptions
from layerscope.layers.table import Entries, Kind, LayerTable, Problem, Severity, Strings, no_ids
from layerscope.layers.tar.headers import BLOCK
from layerscope.layers.tar.names import Markers, sort_out
from layerscope.text import escape

KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
"""What a tar can hold: no sockets, which engines leave out too."""
SECURITY_LABEL = b"security.selinux"
"""The extended attribute with SELinux's label, which belongs to the machine, not to the file."""


@dataclass(frozen=True, slots=True)
class DirectoryReader(KeptUnpacked):
    """Reads the upper directory of an overlay mount, perhaps of a running container.

    `lowers` are the directories of the lower layers, the topmost first: files may have their bytes there (`metacopy`).
    """

    directory: Path
    lowers: tuple[Path, ...] = ()

    stored_bytes = 0
    missing_bytes = NO_DIGEST_OF_ITS_OWN
    may_be_missing = True

    def read(self, options: ReadOptions, *, layer: int, on_bytes: OnBytes) -> ReadLayer:  # noqa: ARG002 - no total to count to
        """Walk the directory; no content is read. Offsets and `unpacked_bytes` are those of a tar without extended headers.

        What cannot be read is a fatal problem of the table.
        """
        rows = _FoundRows(layer)
        try:
            for found in walk_directory(self.directory, rows.fail):
                rows.add(found)
        except OSError as error:
            text = f"the container's directory {escape(str(self.directory))} cannot be read: {error.strerror}"
            rows.problems.append(Problem(layer, b"", text, Severity.DAMAGE))
        return ReadLayer(rows.table(), Compression.NONE)

    def content(self, read: ReadLayer) -> DirectoryContent:
        """Return access to the files in the directory."""
        return DirectoryContent.of(self.directory, read.table, is_upper=True, lowers=self.lowers)


@dataclass(slots=True, eq=False)
class _FoundRows:
    """The entries found so far, one row each, as parallel lists."""

    layer: int
    found: list[Found] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    links: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    markers: Markers = field(default_factory=Markers)
    inodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """The first path of each file that has several."""

    def add(self, found: Found) -> None:
        """Add one name of the directory: as an entry, or as a whiteout if overlayfs marks it as one; sockets are left out."""
        kind = KINDS.get(stat.S_IFMT(found.status.st_mode))
        if is_whiteout(found.status, found.xattrs):
            self.markers.whiteouts.append(found.path)
        elif kind is not None:
            self._add(found, kind)

    def _add(self, found: Found, kind: Kind) -> None:
        if is_opaque(found.xattrs):
            self.markers.opaques.append(found.path)
        if redirect := redirect_of(found.xattrs):
            text = f"a directory that was renamed from {escape(redirect)}; what the layers below have in it is not shown"
            self.problems.append(Problem(self.layer, found.path, text, Severity.DAMAGE))
        link = found.target
        if kind is not Kind.DIRECTORY and found.status.st_nlink > 1:
            first = self.inodes.setdefault((found.status.st_dev, found.status.st_ino), found.path)
            if first != found.path:
                kind, link = Kind.HARDLINK, first
        self.found.append(found)
        self.kinds.append(kind)
        self.links.append(link)

    def fail(self, path: bytes, error: OSError) -> None:
        """Record a directory that cannot be read."""
        self.problems.append(Problem(self.layer, path, f"a directory that cannot be read: {error.strerror}", Severity.DAMAGE))

    def table(self) -> LayerTable:
        """Build the table. A name that starts with `.wh.` is a marker, as in a tar: fuse-overlayfs may write such files."""
        paths = [found.path for found in self.found]
        kept = np.flatnonzero(sort_out(paths, self.markers)).tolist()
        found = [self.found[row] for row in kept]
        entries = _entries(found, [self.kinds[row] for row in kept], [self.links[row] for row in kept])
        xattrs = {number: own for number, each in enumerate(found) if (own := _file_xattrs(each.xattrs))}
        return LayerTable(
            entries=entries,
            whiteouts=tuple(self.markers.whiteouts),
            opaques=tuple(self.markers.opaques),
            whiteout_rows=(0,) * len(self.markers.whiteouts),
            opaque_rows=(0,) * len(self.markers.opaques),
            problems=(*self.problems, *(Problem(self.layer, *each) for each in self.markers.problems)),
            xattrs=xattrs,
            devices={number: device for number, each in enumerate(found) if (device := _device(each))},
            unpacked_bytes=int(_tar_bytes(entries.size).sum()) + (self._count_markers() + 2) * BLOCK,
        )

    def _count_markers(self) -> int:
        """Count the headers that whiteouts and opaque markers would take in a tar."""
        return len(self.markers.whiteouts) + len(self.markers.opaques)


def _entries(found: list[Found], kinds: list[int], links: list[bytes]) -> Entries:
    stats = [each.status for each in found]
    size = np.array([each.st_size for each in stats], np.int64)
    size[np.array(kinds, np.uint8) != Kind.FILE] = 0
    return Entries(
        paths=Strings.of([each.path for each in found]),
        kind=np.array(kinds, np.uint8),
        mode=np.array([stat.S_IMODE(each.st_mode) for each in stats], np.uint16),
        uid=np.array([each.st_uid for each in stats], np.int64),
        gid=np.array([each.st_gid for each in stats], np.int64),
        size=size,
        mtime=np.array([each.st_mtime_ns // 1_000_000_000 for each in stats], np.int64),
        content_offset=np.cumsum(_tar_bytes(size)) - _tar_bytes(size) + BLOCK,
        content_id=no_ids(len(found)),
        links=Strings.of(links),
    )


def _device(found: Found) -> tuple[int, int] | None:
    status = found.status
    is_device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
    return (os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else None


def _tar_bytes(size: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the bytes that entries take in a tar: a header each, and their content in whole blocks."""
    return BLOCK + -(-size // BLOCK) * BLOCK


def _file_xattrs(xattrs: Xattrs) -> Xattrs:
    """Return the xattrs that belong to the file, not to the mount or the machine."""
    return {name: value for name, value in xattrs.items() if not is_own(name) and name != SECURITY_LABEL}
