"""The list of the biggest files: a line for each version of a file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.segment import Segment

from layerscope.analysis import Analysis
from layerscope.app.widgets.column_heads import ColumnHead
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import SIZE, bar_cell, size_cell
from layerscope.sizes.biggest import Biggest, Fate, FileOrder
from layerscope.text import escape
from layerscope.tree.nodes import Flags
from layerscope.units import size_text
from layerscope.waste.find import Cause
from layerscope.wording.findings import WASTED_MARK
from layerscope.wording.style import cells, code_points, cut_middle

FATE = len("! overwritten by ")
"""Cells of what became of a version, without the number of the layer."""
BAR = 8
WITH_BAR = 100
"""The least width of a line with a bar."""
ORDERS, FATES = list(FileOrder), list(Fate)


class BiggestState:
    """What the list shows of an image, which is kept while its screen is closed: which files, their order, and the cursor."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self._all = Biggest.of(analysis)
        self.files = self._all
        self.layer = 0
        self.fate, self.order = Fate.ANY, FileOrder.SIZE
        self.cursor = 0
        self._nodes: Flags | None = None

    @property
    def is_filtered(self) -> bool:
        return self._nodes is not None

    def filter(self, nodes: Flags | None) -> None:
        """List only files whose node is flagged, from the first; None lists all, with the cursor on the same file."""
        self._nodes = nodes
        self._choose()
        if nodes is not None:
            self.cursor = 0

    def show_layer(self, layer: int) -> None:
        """List only what a layer wrote, or all (0)."""
        self.layer = layer
        self._choose()

    def next_fate(self) -> None:
        self.fate = FATES[(FATES.index(self.fate) + 1) % len(FATES)]
        self._choose()

    def next_order(self) -> None:
        self.sort(ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)])

    def sort(self, order: FileOrder) -> None:
        self.order = order
        self._choose()

    def _choose(self) -> None:
        """List other files. The cursor stays on its file, or goes to the first."""
        at = self.files.size[self.cursor :][:1], self.files.node[self.cursor :][:1], self.files.layer[self.cursor :][:1]
        files = self._all.part(layer=self.layer, fate=self.fate, nodes=self._nodes)
        self.files = files if self.order is FileOrder.SIZE else files.in_order(self.order)
        now = self.files
        is_same = (now.size == at[0]) & (now.node == at[1]) & (now.layer == at[2]) if len(at[0]) else None
        self.cursor = int(np.argmax(is_same)) if is_same is not None and len(now) else 0

    @property
    def title(self) -> str:
        """Say which files are listed, and how they are sorted."""
        layers = f"layer {self.layer} of {self.analysis.tree.layers}" if self.layer else "all layers"
        return f"Biggest files ─ {layers} ─ {self.fate.value} · by {self.order.value}"

    @property
    def sums(self) -> str:
        """Say how many files are listed, and their bytes."""
        return f"{len(self.files):,} file version{'' if len(self.files) == 1 else 's'}, {size_text(int(self.files.size.sum()))}"


class BiggestLines(CursorLines):
    """Draws size, layer, what became of a version, and its path."""

    def __init__(self, state: BiggestState, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._state = state
        self._filter_text = ""
        self._largest = 0

    def show(self, *, text: str = "") -> None:
        """Show the files of the state, `text` being what they are filtered by."""
        self._filter_text = text
        self._largest = int(self._state.files.size.max()) if len(self._state.files) else 0
        cursor = self._state.cursor
        self.set_count(len(self._state.files))
        self.go(cursor)
        self.refresh()

    @property
    def nothing(self) -> str:
        """Return why nothing is listed."""
        if self._state.is_filtered:
            return f"No match for `{self._filter_text}` among these files. Esc clears the filter."
        return "No such files."

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw a version of a file."""
        files, tree = self._state.files, self._state.analysis.tree
        size, row = int(files.size[line]), int(files.row[line])
        parts = [Segment(f" {size_cell(size)} ")]
        if room >= WITH_BAR:
            parts.append(Segment(bar_cell(size, self._largest, BAR, is_ascii=self.is_ascii) + " ", self.style("bar")))
        digits = len(str(tree.layers))
        parts.append(Segment(f"{int(files.layer[line]):>{digits}}  ", self.style("dim")))
        fate = f"{WASTED_MARK} {fate_text(self._state.analysis, row)}" if row >= 0 else ""
        parts.append(Segment(f"{fate:<{FATE + digits}} ", self.style("wasted")))
        path = "/" + escape(tree.nodes.paths[int(files.node[line])])
        path = code_points(path) if self.is_ascii else path
        left = room - sum(cells(part.text) for part in parts)
        return [*parts, Segment(cut_middle(path, max(left, 1)))]

    def heads_in(self, room: int) -> Iterator[ColumnHead[FileOrder]]:
        """Yield the heads of the columns in a line of `room` cells."""
        digits = len(str(self._state.analysis.tree.layers))
        yield ColumnHead("size", SIZE + 2, FileOrder.SIZE, is_right=True)
        if room >= WITH_BAR:
            yield ColumnHead("", BAR + 1, FileOrder.SIZE)
        yield ColumnHead(f"{'L':>{digits}}", digits + 2, FileOrder.LAYER, is_rising=True)
        yield ColumnHead("wasted", FATE + digits + 1)
        yield ColumnHead("path", room, FileOrder.PATH, is_rising=True)


def fate_text(analysis: Analysis, row: int) -> str:
    """Return what became of a wasted version: `overwritten by 8`."""
    waste = analysis.waste
    return f"{Cause(int(waste.cause[row])).word} by {int(waste.buried_by[row])}"
