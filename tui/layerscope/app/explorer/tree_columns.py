"""Drawing a row of the tree: the facts of its node as figures and words, marks, the columns that fit, the name at its depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from layerscope.app.widgets.column_heads import FALLING, RISING
from layerscope.app.widgets.lines import TWISTY, bar_cell, fitted, size_cell
from layerscope.layers.table import Kind
from layerscope.report.listings import Describer
from layerscope.rows import Rows
from layerscope.settings import Order
from layerscope.text import escape
from layerscope.tree.tree import Change, Longs, View
from layerscope.units import count_text, size_text
from layerscope.wording.findings import CHANGE_MARKS, WASTED_MARK
from layerscope.wording.style import cells, code_points, cut_middle

MANY = 1_000_000
"""The count of files from which there is no room for separators."""
MARK = 3
"""Cells of the marks: the change, the waste, and whether the user marked it."""
MARKED = "◆"
DROPPED_MARK = "✗"
"""Stands before what is to be left out of a smaller image."""
WIDTHS = {"mode": 11, "owner": 10, "size": 9, "bar": 9, "percent": 5, "wasted": 10, "files": 8}
"""Cells of each column, with the space after it."""
NAME, WIDE_NAME = 26, 36
"""The fewest cells for names, and how many there should be; from there on, each level is indented by two cells, not one."""
DROPPED = {
    "files": 48, "percent": 44, "owner": WIDE_NAME, "mode": WIDE_NAME, "bar": NAME, "wasted": NAME, "size": NAME,
}  # fmt: skip
"""The columns in the order in which they are left out, each if names would have fewer cells than the number with it."""
ATTRIBUTES = ("mode", "owner")
ATTRIBUTES_FIRST = ("files", "percent", "bar", "wasted", "owner", "mode", "size")
"""The order in which columns are left out where mode and owner were asked for, each if names would have fewer than NAME."""
SORTS = {"size": Order.SIZE, "bar": Order.SIZE, "percent": Order.SIZE, "wasted": Order.WASTED}
"""What a click on the head of a column sorts by."""


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
            return f"{'->' if self._is_ascii else '→'} {self.shown(target)}"
        entry = int(self._tree.versions.entry[version]) if version >= 0 else -1
        entries = self._tree.entries
        is_hard = entry >= 0 and entries.kind[entry] == Kind.HARDLINK
        return f"{'=>' if self._is_ascii else '⇒'} /{self.shown(entries.links[entry])}" if is_hard else ""

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


def fitting_columns(wanted: Sequence[str], room: int, *, has_attributes: bool | None = None) -> list[str]:
    """Return the columns of `wanted` that leave names a useful length.

    `has_attributes` asks for mode and owner before others (True) or for neither (False); None shows them where there is room.
    """
    columns = [name for name in wanted if has_attributes is not False or name not in ATTRIBUTES]
    for name, needed in (dict.fromkeys(ATTRIBUTES_FIRST, NAME) if has_attributes else DROPPED).items():
        if name in columns and room - width_of(columns) < needed:
            columns.remove(name)
    return columns


@dataclass(frozen=True, slots=True)
class NodeMarks:
    """What the user marked: nodes, and nodes to be left out of a smaller image with all below them."""

    marked: Set[int] = frozenset()
    dropped: Set[int] = frozenset()


class RowRenderer:
    """Draws nodes of `rows`, with a sign before those in `marks`.

    `style` returns the style of a name; `wasted` are the bytes at and below each node, if known.
    """

    def __init__(
        self, rows: Rows, wasted: Longs | None, marks: NodeMarks, *, style: Callable[[str], Style], is_ascii: bool
    ) -> None:
        self._rows, self._marks, self._style, self._is_ascii = rows, marks, style, is_ascii
        self.line = NodeLines(rows.view, wasted, is_ascii=is_ascii).line

    def segments(self, node: int, columns: Sequence[str], room: int) -> list[Segment]:
        """Draw marks, `columns` and the name, in at most `room` cells."""
        shown = self.line(node)
        style = self._style(shown.change.name.lower()) if shown.change is not Change.UNCHANGED else None
        if shown.gone_in:
            style = self._style("removed") + self._style("dim")
        wasted = WASTED_MARK if shown.wasted and not shown.is_directory else " "
        parts = [
            Segment(CHANGE_MARKS[Change.REMOVED if shown.is_gone else shown.change], style),
            *self._marks_of(node, wasted),
        ]
        parts += [self._column(name, node, shown, style) for name in columns]
        return [*parts, *self._name_parts(node, shown, room - width_of(columns), style)]

    def _marks_of(self, node: int, wasted: str) -> list[Segment]:
        """Draw the mark of waste, then the user's own; that of what is left out comes first."""
        ink = self._style("wasted")
        if self._marks.dropped and self._is_dropped(node):
            return [Segment(wasted, ink), Segment(DROPPED_MARK, self._style("dropped"))]
        if node in self._marks.marked:
            return [Segment(wasted, ink), Segment(MARKED, self._style("key"))]
        return [Segment(f"{wasted} ", ink)]

    def _is_dropped(self, node: int) -> bool:
        parent = self._rows.view.tree.nodes.parent
        while node and node not in self._marks.dropped:
            node = int(parent[node])
        return node > 0

    def head(self, columns: Sequence[str]) -> list[Segment]:
        """Draw the heads of the columns, with a mark at the one that the rows are sorted by."""
        order = self._rows.order
        sign = self._head("~", Order.CHANGE, order)
        parts = [Segment(sign.text.ljust(MARK), sign.style)]
        for name in columns:
            head = self._head("%" if name == "percent" else "" if name == "bar" else name, SORTS.get(name), order)
            width = WIDTHS[name] - 1
            text = head.text.ljust(width) if name in ATTRIBUTES else head.text.rjust(width)
            parts.append(Segment(("" if name == "bar" else text).ljust(width + 1), head.style))
        return [*parts, Segment("  "), self._head("name", Order.NAME, order)]

    def _head(self, text: str, sorts: Order | None, order: Order) -> Segment:
        if sorts is not order:
            return Segment(text, self._style("dim"))
        return Segment(text + (RISING if order is Order.NAME else FALLING), self._style("key"))

    def _column(self, name: str, node: int, shown: NodeLine, style: Style | None) -> Segment:
        width, text, ink = WIDTHS[name] - 1, "", self._style("dim")
        # What went earlier is no part of what its directory holds now.
        size = 0 if shown.gone_in else shown.size
        if name == "mode":
            text = shown.mode
        elif name == "owner":
            text = fitted(shown.owner, width)
        elif name == "size":
            text, ink = size_cell(shown.size), style or Style()
        elif name == "wasted":
            text, ink = f"{WASTED_MARK if shown.wasted else ' '}{size_cell(shown.wasted)}", self._style("wasted")
        elif name == "files":
            count = int(self._rows.view.subtree_files[node]) if shown.is_directory else 0
            text = f"{f'{count:,}' if 0 < count < MANY else count or '':>{width}}"
        elif name == "percent":
            share = f"{100 * size / shown.within:.0f}%" if size and shown.within else ""
            text = f"{share:>{width}}"
        else:
            text, ink = bar_cell(size, shown.within, width, is_ascii=self._is_ascii), self._style("bar")
        return Segment(f"{text:<{width}} ", ink)

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


def width_of(columns: Sequence[str]) -> int:
    """Return the cells of marks and columns: where the column of names begins, with the sign of a directory before the name."""
    return MARK + sum(WIDTHS[name] for name in columns)


def _notes(shown: NodeLine) -> list[str]:
    """Return the notes that may follow the name, longest first: the layer that removed it, or the changes below a directory."""
    if shown.gone_in:
        return [f"  removed by {shown.gone_in}"]
    if not (shown.is_directory and shown.changes) or shown.change in (Change.ADDED, Change.REMOVED):
        return []
    size = f", {size_text(shown.changed)}" if shown.changed else ""
    return [f"  {count_text(shown.changes, 'change')}{size}", f"  ~{shown.changes:,}"]
