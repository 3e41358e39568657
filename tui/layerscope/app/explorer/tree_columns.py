"""Drawing a row of the tree: the facts of its node as figures and words, marks, the columns that fit, the name at its depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from layerscope.app.widgets.lines import TWISTY, bar_cell, fitted, size_cell
from layerscope.layers.table import Kind
from layerscope.report.listings import Describer
from layerscope.rows import Rows
from layerscope.text import escape
from layerscope.tree.tree import Change, Longs, View
from layerscope.units import count_text, size_text
from layerscope.wording.findings import CHANGE_MARKS, WASTED_MARK
from layerscope.wording.style import cells, code_points, cut_middle

MARK = 3
"""Cells of the marks, with the space after them."""
WIDTHS = {"mode": 11, "owner": 10, "size": 9, "bar": 9, "wasted": 10}
"""Cells of each column, with the space after it."""
NAME, WIDE_NAME = 26, 36
"""The fewest cells for names: a column is left out if it leaves fewer than NAME, that of wasted bytes if fewer than WIDE_NAME.

From WIDE_NAME on, each level of directories is indented by two cells instead of one.
"""
DROPPED = {"wasted": WIDE_NAME, "owner": NAME, "bar": NAME, "mode": NAME, "size": NAME}
"""The columns in the order in which they are left out, each if names would have fewer cells than the number with it."""


@dataclass(frozen=True, slots=True)
class NodeLine:
    """What a row shows of a node.

    `size` is that of its subtree, with what was removed in it, and `within` that of its parent directory. `gone_in` is the
    layer that removed it before the layers shown, 0 if it is there or they removed it. `changes` and `changed` are the
    number and the bytes of changes below it.
    """

    name: str
    depth: int
    change: Change
    gone_in: int
    is_directory: bool
    mode: str
    owner: str
    size: int
    within: int
    wasted: int
    link: str
    changes: int
    changed: int

    @property
    def is_gone(self) -> bool:
        """Tell whether the node is no longer there, and shown as removed."""
        return self.change is Change.REMOVED or self.gone_in > 0


class NodeLines:
    """Looks up what rows show of nodes. `wasted` is the wasted bytes at and below each node, None until the waste was found."""

    def __init__(self, view: View, wasted: Longs | None, *, is_ascii: bool) -> None:
        self._view, self._tree, self._is_ascii = view, view.tree, is_ascii
        self._describe = Describer(view.tree).entry
        self._wasted = wasted

    def line(self, node: int) -> NodeLine:
        """Return what a row shows of a node."""
        view, tree = self._view, self._tree
        version, gone_in = self._version(node)
        look = self._describe(int(tree.versions.entry[version]) if version >= 0 else -1)
        is_directory = look.type == "directory"
        return NodeLine(
            name=self.shown(tree.nodes.name(node)),
            depth=int(tree.nodes.depth[node]),
            change=Change(int(view.change[node])),
            gone_in=gone_in,
            is_directory=is_directory,
            mode="" if look.mode is None else look.mode_text,
            owner="" if look.uid is None else f"{look.uid}:{look.gid}",
            size=look.size if gone_in and not is_directory else self._size(node, is_directory=is_directory),
            within=self._size(int(tree.nodes.parent[node]), is_directory=True),
            wasted=int(self._wasted[node]) if self._wasted is not None else 0,
            link=self._link(version, look.link),
            changes=int(view.subtree_changes[node]) - int(view.change[node] != Change.UNCHANGED),
            changed=int(view.subtree_changed_bytes[node]),
        )

    def shown(self, name: bytes) -> str:
        """Escape a name; if the terminal shows only ASCII, replace all other characters."""
        text = escape(name)
        return text if text.isascii() or not self._is_ascii else code_points(text)

    def _size(self, node: int, *, is_directory: bool) -> int:
        """Return the bytes below a directory, where hard links count once, or of a file, where each hard link has them all."""
        view = self._view
        if is_directory:
            return int(view.subtree_bytes[node]) + int(view.subtree_removed_bytes[node])
        return int(view.size[node]) + int(view.removed_size[node])

    def _link(self, version: int, target: bytes) -> str:
        """Return where a link leads: the target as written for a symlink, the path for a hard link."""
        if target:
            return f"→ {self.shown(target)}"
        entry = int(self._tree.versions.entry[version]) if version >= 0 else -1
        entries = self._tree.entries
        is_hard = entry >= 0 and entries.kind[entry] == Kind.HARDLINK
        return f"⇒ /{self.shown(entries.links[entry])}" if is_hard else ""

    def _version(self, node: int) -> tuple[int, int]:
        """Return the version to show, -1 for none, and the layer that removed it if that was before the layers shown."""
        view = self._view
        if view.seen[node] >= 0:
            return int(view.seen[node]), 0
        if view.before[node] >= 0:
            return int(view.before[node]), 0
        versions = self._tree.versions
        past = [number for number in self._tree.versions_of(node) if versions.layer[number] <= view.last]
        return (past[-1], int(versions.until[past[-1]])) if past else (-1, 0)


def fitting_columns(wanted: Sequence[str], room: int) -> list[str]:
    """Return the columns of `wanted` that leave names a useful length."""
    columns = list(wanted)
    for name, needed in DROPPED.items():
        if name in columns and room - _width(columns) < needed:
            columns.remove(name)
    return columns


class RowRenderer:
    """Draws nodes of `rows`. `style` returns the style of a name; `wasted` are the bytes at and below each node, if known."""

    def __init__(self, rows: Rows, wasted: Longs | None, *, style: Callable[[str], Style], is_ascii: bool) -> None:
        self._rows, self._style, self._is_ascii = rows, style, is_ascii
        self.line = NodeLines(rows.view, wasted, is_ascii=is_ascii).line

    def segments(self, node: int, wanted: Sequence[str], room: int) -> list[Segment]:
        """Draw marks, the `wanted` columns that fit, and the name, in at most `room` cells."""
        shown, columns = self.line(node), fitting_columns(wanted, room)
        style = self._style(shown.change.name.lower()) if shown.change is not Change.UNCHANGED else None
        if shown.gone_in:
            style = self._style("removed") + self._style("dim")
        parts = [
            Segment(CHANGE_MARKS[Change.REMOVED if shown.is_gone else shown.change], style),
            Segment(f"{WASTED_MARK} " if shown.wasted and not shown.is_directory else "  ", self._style("wasted")),
        ]
        parts += [self._column(name, shown, style) for name in columns]
        return [*parts, *self._name_parts(node, shown, room - _width(columns), style)]

    def name_column(self, wanted: Sequence[str], room: int) -> int:
        """Return the cell where the column of names begins, with the sign of a directory before the name."""
        return _width(fitting_columns(wanted, room))

    def _column(self, name: str, shown: NodeLine, style: Style | None) -> Segment:
        if name == "mode":
            return Segment(f"{shown.mode:<{WIDTHS['mode'] - 1}} ", self._style("dim"))
        if name == "owner":
            return Segment(fitted(shown.owner, WIDTHS["owner"] - 1) + " ", self._style("dim"))
        if name == "size":
            return Segment(size_cell(shown.size) + " ", style)
        if name == "wasted":
            return Segment(f"{WASTED_MARK if shown.wasted else ' '}{size_cell(shown.wasted)} ", self._style("wasted"))
        # What went earlier is no part of what its directory holds now.
        size = 0 if shown.gone_in else shown.size
        return Segment(bar_cell(size, shown.within, WIDTHS["bar"] - 1, is_ascii=self._is_ascii) + " ", self._style("bar"))

    def _name_parts(self, node: int, shown: NodeLine, room: int, style: Style | None) -> list[Segment]:
        """Draw sign, name, link target, and the longest note that fits."""
        indent = min((2 if room >= WIDE_NAME else 1) * (shown.depth - 1), max(room - NAME // 2, 0))
        left = room - indent - 2
        name = shown.name + ("/" if shown.is_directory else "")
        link = f" {shown.link}" if shown.link else ""
        used = cells(name) + cells(link)
        note = next((each for each in _notes(shown) if used + len(each) <= left), "")
        sign = TWISTY[self._rows.is_open(node)] if shown.is_directory and self._rows.has_children(node) else "  "
        name = cut_middle(name, left) if cells(name) > left else name
        parts = [
            Segment(" " * indent + sign, self._style("dim")),
            Segment(name, self._name_style(node, shown, style)),
            Segment(fitted(link, left - cells(name)).rstrip() if link else "", self._style("link")),
            Segment(note, self._style("dim")),
        ]
        return [part for part in parts if part.text]

    def _name_style(self, node: int, shown: NodeLine, style: Style | None) -> Style | None:
        if shown.is_gone:
            style = (style or Style()) + self._style("gone")
        return (style or Style()) + self._style("hit") if self._rows.is_hit(node) else style


def _width(columns: Sequence[str]) -> int:
    return MARK + sum(WIDTHS[name] for name in columns)


def _notes(shown: NodeLine) -> list[str]:
    """Return the notes that may follow the name, longest first: the layer that removed it, or the changes below a directory."""
    if shown.gone_in:
        return [f"  removed by {shown.gone_in}"]
    if not (shown.is_directory and shown.changes) or shown.change in (Change.ADDED, Change.REMOVED):
        return []
    size = f", {size_text(shown.changed)}" if shown.changed else ""
    return [f"  {count_text(shown.changes, 'change')}{size}", f"  ~{shown.changes:,}"]
