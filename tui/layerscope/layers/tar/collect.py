"""Collects batches of tar headers into the table of a layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.errors import CorruptLayer
from layerscope.layers.table import Entries, Kind, LayerTable, Omitted, Problem, Severity, SparseMap
from layerscope.layers.tar.headers import HeaderBatch, HeaderRows, decode, problems_of
from layerscope.layers.tar.names import OVERLAYFS, VFS, Markers, normalize, sort_out
from layerscope.layers.tar.pax import xattr_cost
from layerscope.limits import RARE_BYTES

MAX_PATH = 4096
"""Linux's PATH_MAX. Each directory of a path is a node with its own path: longer ones cost memory by the square."""
MAX_SHOWN = 100
NO_ROOT = f"an entry that is not a directory names the root: {OVERLAYFS} skip it, as layerscope does; umoci and {VFS} refuse it"

Mask = npt.NDArray[np.bool_]


class Collector:
    """Decodes tar headers, separates whiteouts from entries, and collects a LayerTable. Callers may add to `problems`."""

    def __init__(self, layer: int) -> None:
        self.layer = layer
        self.problems: list[Problem] = []
        self._parts: list[Entries] = []
        self._count = self._spent = 0
        self._markers = Markers()
        self._whiteout_rows: list[int] = []
        self._opaque_rows: list[int] = []
        self._omitted: list[Omitted] = []
        self._sparse: dict[int, SparseMap] = {}
        self._xattrs: dict[int, dict[bytes, bytes]] = {}
        self._devices: dict[int, tuple[int, int]] = {}

    def add(self, rows: HeaderRows) -> None:
        """Decode and collect `rows`. Raises CorruptLayer at the first damaged row, after collecting the rows before it."""
        if not rows.blocks:
            return
        batch, damage = decode(rows)
        if batch is not None:
            self.take(batch, rows.sparse)
        if damage:
            raise CorruptLayer(damage)

    def take(self, batch: HeaderBatch, sparse: dict[int, SparseMap]) -> None:
        """Collect decoded rows; `sparse` has the maps of sparse files by row. Raises CorruptLayer for too large xattrs."""
        self.problems += problems_of(batch, self.layer)
        paths = batch.names
        keep = sort_out(paths, self._markers)
        for row, path in self._markers.omitted:
            self._omitted.append(Omitted(path, int(batch.size[row]), bool(batch.kind[row] == Kind.DIRECTORY)))
        self._markers.omitted.clear()
        self._leave_out(paths, batch.kind, keep)
        for row in np.flatnonzero(batch.kind == Kind.HARDLINK).tolist():
            batch.links[row] = normalize(batch.links[row])
        self._leave_out_links(batch, keep)
        self._place_markers(keep)
        kept = paths if keep.all() else [path for path, is_kept in zip(paths, keep.tolist(), strict=True) if is_kept]
        self._parts.append(batch.entries(keep, kept))
        self._take_rare(batch, sparse, keep)
        self._count += len(kept)

    def _place_markers(self, keep: Mask) -> None:
        """Record how many entries precede each marker of these rows."""
        markers = self._markers
        if markers.whiteout_rows or markers.opaque_rows:
            before = self._count + np.cumsum(keep)
            self._whiteout_rows += before[markers.whiteout_rows].tolist()
            self._opaque_rows += before[markers.opaque_rows].tolist()
            markers.whiteout_rows.clear()
            markers.opaque_rows.clear()

    def _leave_out(self, paths: list[bytes], kind: npt.NDArray[np.uint8], keep: Mask) -> None:
        """Clear `keep` for rows that no system can unpack: paths that are too long, and a root that is not a directory."""
        if max(map(len, paths)) <= MAX_PATH and b"" not in paths:
            return
        for row, path in enumerate(paths):
            if len(path) > MAX_PATH:
                text = f"an entry whose path of {len(path)} bytes is longer than any system allows; left out"
                self.problems.append(Problem(self.layer, path[:MAX_SHOWN] + b"...", text, Severity.DAMAGE))
                keep[row] = False
            elif not path and keep[row] and kind[row] != Kind.DIRECTORY:
                self.problems.append(Problem(self.layer, b"", NO_ROOT, Severity.DIFFERS))
                keep[row] = False

    def _leave_out_links(self, batch: HeaderBatch, keep: Mask) -> None:
        """Clear `keep` for links whose targets are longer than any system allows."""
        for row in [row for row, target in batch.links.items() if len(target) > MAX_PATH and keep[row]]:
            keep[row] = False
            text = f"a link whose target of {len(batch.links[row])} bytes is longer than any system allows; left out"
            self.problems.append(Problem(self.layer, batch.names[row], text, Severity.DAMAGE))

    def _take_rare(self, batch: HeaderBatch, sparse: dict[int, SparseMap], keep: Mask) -> None:
        if not sparse and not batch.devices and not batch.xattrs:
            return
        kept, numbers = keep.tolist(), (self._count + np.cumsum(keep) - 1).tolist()
        self._sparse |= {numbers[row]: runs for row, runs in sparse.items() if kept[row]}
        self._devices |= {numbers[row]: device for row, device in batch.devices.items() if kept[row]}
        self._spent += sum(map(xattr_cost, batch.xattrs.values())) - 512 * len(batch.xattrs)
        if self._spent > RARE_BYTES:
            raise CorruptLayer(f"its xattrs need more than {RARE_BYTES >> 20} MiB and 512 bytes an entry")
        self._xattrs |= {numbers[row]: xattrs for row, xattrs in batch.xattrs.items() if kept[row]}

    def table(self, *, unpacked_bytes: int, damage: str = "") -> LayerTable:
        """Build the table of all collected rows; `damage` is added as a fatal problem."""
        problems = self.problems + [Problem(self.layer, *found) for found in self._markers.problems]
        if damage:
            problems.append(Problem(self.layer, b"", damage, Severity.DAMAGE))
        return LayerTable(
            entries=Entries.join(self._parts) if self._parts else Entries.none(),
            whiteouts=tuple(self._markers.whiteouts),
            opaques=tuple(self._markers.opaques),
            whiteout_rows=tuple(self._whiteout_rows),
            opaque_rows=tuple(self._opaque_rows),
            omitted=tuple(self._omitted),
            problems=tuple(problems),
            sparse=self._sparse,
            xattrs=self._xattrs,
            devices=self._devices,
            unpacked_bytes=unpacked_bytes,
        )
