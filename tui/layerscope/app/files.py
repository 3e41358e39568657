"""The pane of files: the merged tree after a layer, with what changed, what it takes and what of it is wasted."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.message import Message

from layerscope.app.bindings import bindings
from layerscope.app.cells import bar_cell, fitted, size_cell
from layerscope.app.keys import Place
from layerscope.app.lines import Lines
from layerscope.app.node_line import NodeLine, NodeLines
from layerscope.report.style import cut_middle
from layerscope.rows.order import Order
from layerscope.rows.rows import Rows
from layerscope.rows.shape import Flags
from layerscope.tree.tree import Change, View
from layerscope.units import count_text, size_text
from layerscope.waste.find import Waste

MARKS = {Change.UNCHANGED: " ", Change.ADDED: "+", Change.MODIFIED: "~", Change.REMOVED: "-"}
WIDTHS = {"mode": 11, "owner": 10, "size": 9, "bar": 9, "wasted": 9}
"""Cells of each column, with the space after it."""
DROPPED = ("owner", "bar", "mode", "wasted", "size")
"""Columns go in this order where names would have less than NAME cells."""
NAME = 26
WIDE_NAMES = 36
"""Cells of names from which each level is indented by two."""
MARK = 3
TWISTY = {True: "▾ ", False: "▸ "}


class Files(Lines):
    """Shows the rows of a View. It posts Lines.Moved, and Opened for a file that is to be viewed."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.FILES)

    class Opened(Message):
        """The user wants to see the file under the cursor."""

    def __init__(self, columns: tuple[str, ...], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._columns = columns
        self._waste: Waste | None = None
        self._rows: Rows | None = None
        self._look: NodeLines | None = None
        self._absent = 0
        self.has_attributes = True

    # What the screen asks for.

    @property
    def rows(self) -> Rows | None:
        """The visible rows, None until there is an image."""
        return self._rows

    @property
    def node(self) -> int:
        """The node under the cursor, 0 (the root) where there are no rows."""
        return int(self._rows.nodes[self.cursor]) if self._rows is not None and len(self._rows) else 0

    @property
    def _meant(self) -> int:
        """The node the user put the cursor on, though it may be on one above it while that cannot be shown."""
        return self._absent or self.node

    def go(self, line: int, *, is_centred: bool = False) -> None:
        """The cursor is moved: what it stood for is forgotten."""
        self._absent = 0
        super().go(line, is_centred=is_centred)

    @property
    def line(self) -> NodeLine | None:
        """What is under the cursor."""
        return self._look.line(self.node) if self._look is not None and self.node else None

    def show_tree(self, view: View, order: Order, waste: Waste | None = None) -> None:
        """Show another tree, such as more of the image that is being read: paths that were open stay so."""
        old, node, hidden = self._rows, self.node, self._rows.hidden if self._rows else frozenset()
        self._waste = waste
        self._rows = Rows(view, order=order)
        self._rows.set_hidden(hidden)
        self._look = NodeLines(view, waste, is_ascii=self.is_ascii)
        if old is not None:
            self._unfold_as(old)
        self.set_count(len(self._rows))
        if old is not None and self.cursor:
            self.go_to_path(old.view.tree.nodes.paths[node])

    def show_view(self, view: View) -> None:
        """Show the same tree after another layer, the cursor on its path and on its place on the screen."""
        if self._rows is None:
            return
        node, above = self._meant, self.cursor - round(self.scroll_y)
        self._rows.show(view)
        self._look = NodeLines(view, self._waste, is_ascii=self.is_ascii)
        self._redrawn(node, above)

    def show_waste(self, waste: Waste) -> None:
        """The waste was found."""
        self._waste = waste
        if self._rows is not None:
            self._look = NodeLines(self._rows.view, waste, is_ascii=self.is_ascii)
            self.refresh()

    def sort(self, order: Order) -> None:
        """Sort anew, the cursor on its path."""
        if self._rows is not None:
            node, above = self._meant, self.cursor - round(self.scroll_y)
            self._rows.set_order(order)
            self._redrawn(node, above)

    def hide(self, hidden: frozenset[Change]) -> None:
        """Leave out what changed so."""
        if self._rows is not None:
            node, above = self._meant, self.cursor - round(self.scroll_y)
            self._rows.set_hidden(hidden)
            self._redrawn(node, above)

    def filter(self, hits: Flags | None, best: int | None = None) -> None:
        """Show what fits and the way to it; None shows all again, the cursor staying on its path."""
        if self._rows is None:
            return
        node, above = self._meant, self.cursor - round(self.scroll_y)
        self._rows.filter(hits)
        if hits is None:
            self._rows.reveal(node)
        self._redrawn(node if best is None else best, above)

    def go_to(self, node: int) -> None:
        """Unfold what is around a node, and put the cursor on it."""
        if self._rows is not None:
            row = self._rows.reveal(node)
            self.set_count(len(self._rows))
            self.go(row, is_centred=True)

    def go_to_path(self, path: bytes) -> None:
        """The same by path: as far as there is one."""
        if self._rows is not None:
            nodes = self._rows.view.tree.nodes
            while path and nodes.find(path) is None:
                path = path.rpartition(b"/")[0]
            self.go_to(nodes.find(path) or 0)

    def go_to_change(self, step: Literal[1, -1]) -> bool:
        """The next or previous change; False when there is none."""
        node = self._rows.next_change(self.cursor, step) if self._rows is not None and len(self._rows) else None
        if node is not None:
            self.go_to(node)
        return node is not None

    def _redrawn(self, node: int, above: int) -> None:
        """The rows are other ones: the cursor goes back to its node, `above` lines below the top."""
        assert self._rows is not None
        row = self._rows.nearest(node)
        self.set_count(len(self._rows))
        self.cursor = min(row, max(self.count - 1, 0))
        self._absent = node if node != self.node else 0
        self.scroll_to(y=max(self.cursor - above, 0), animate=False, force=True)
        self.show_cursor()
        self.refresh()
        self.post_message(self.Moved(self))

    def _unfold_as(self, old: Rows) -> None:
        assert self._rows is not None
        paths, nodes = old.view.tree.nodes.paths, self._rows.view.tree.nodes
        for node in old.nodes[[old.is_open(int(each)) for each in old.nodes]].tolist() if len(old) else []:
            now = nodes.find(paths[node])
            if now is not None:
                self._rows.open(self._rows.reveal(now))

    # What keys and the mouse do.

    def action_open(self) -> None:
        """Fold or unfold a directory; look at anything else."""
        if self._rows is None or not len(self._rows):
            return
        line = self.line
        if line is not None and line.is_directory:
            self._rows.toggle(self.cursor)
            self.set_count(len(self._rows))
        else:
            self.post_message(self.Opened())

    def action_fold(self) -> None:
        """Fold what is open, else go to the directory around it."""
        if self._rows is None or not len(self._rows):
            return
        if self._rows.is_open(self.node):
            self._rows.close(self.cursor)
            self.set_count(len(self._rows))
        elif (parent := self._rows.parent_row(self.cursor)) is not None:
            self.go(parent)

    def action_unfold(self) -> None:
        """Unfold what is closed, else go to the first inside it."""
        line = self.line
        if self._rows is None or line is None or not line.is_directory:
            return
        if not self._rows.is_open(self.node):
            self._rows.open(self.cursor)
            self.set_count(len(self._rows))
        elif self._rows.has_children(self.node):
            self.go(self.cursor + 1)

    def unfold_all(self, *, is_open: bool) -> None:
        """Unfold or fold everything."""
        if self._rows is not None:
            node, above = self._meant, self.cursor - round(self.scroll_y)
            self._rows.open_all() if is_open else self._rows.close_all()
            self._redrawn(node, above)

    def clicked(self, x: int, *, is_again: bool) -> None:
        """A click on a directory's sign or name folds it or unfolds it; a second one on a file looks at it."""
        line = self.line
        if line is not None and (x >= self._name_at() if line.is_directory else is_again):
            self.action_open()

    # What a line looks like.

    def shown_columns(self, room: int) -> list[str]:
        """The columns that fit beside names of a useful length."""
        columns = [name for name in self._columns if self.has_attributes or name not in ("mode", "owner")]
        for name in DROPPED:
            if room - MARK - sum(WIDTHS[each] for each in columns) >= NAME:
                break
            if name in columns:
                columns.remove(name)
        return columns

    def _name_at(self) -> int:
        return MARK + sum(WIDTHS[name] for name in self.shown_columns(self.room))

    def segments(self, line: int, room: int) -> list[Segment]:
        """Marks, the columns that fit, the name at its depth."""
        assert self._rows is not None
        assert self._look is not None
        node = int(self._rows.nodes[line])
        shown = self._look.line(node)
        ink = self._ink(shown)
        parts = [
            Segment("-" if shown.is_gone else MARKS[shown.change], ink),
            Segment("! " if shown.wasted and not shown.is_directory else "  ", self.ink("wasted")),
        ]
        parts += [self._column(name, shown, ink) for name in self.shown_columns(room)]
        return [*parts, *self._name_parts(node, shown, room - self._name_at(), ink)]

    def _ink(self, shown: NodeLine) -> Style | None:
        if shown.gone_in:
            return self.ink("removed") + self.ink("dim")
        return self.ink(shown.change.name.lower()) if shown.change is not Change.UNCHANGED else None

    def _column(self, name: str, shown: NodeLine, ink: Style | None) -> Segment:
        if name == "mode":
            return Segment(f"{shown.mode:<{WIDTHS['mode'] - 1}} ", self.ink("dim"))
        if name == "owner":
            return Segment(fitted(shown.owner, WIDTHS["owner"] - 1) + " ", self.ink("dim"))
        if name == "size":
            return Segment(size_cell(shown.size) + " ", ink)
        if name == "wasted":
            return Segment(size_cell(shown.wasted) + " ", self.ink("wasted"))
        # What went earlier is no part of what its directory holds now.
        return Segment(
            bar_cell(0 if shown.gone_in else shown.size, shown.within, WIDTHS["bar"] - 1, is_ascii=self.is_ascii) + " ",
            self.ink("bar"),
        )

    def _name_parts(self, node: int, shown: NodeLine, room: int, ink: Style | None) -> list[Segment]:
        assert self._rows is not None
        indent = min((2 if room >= WIDE_NAMES else 1) * (shown.depth - 1), max(room - NAME // 2, 0))
        sign = "  "
        if shown.is_directory and self._rows.has_children(node):
            sign = TWISTY[self._rows.is_open(node)]
        name_ink = (ink or Style()) + self.ink("gone") if shown.is_gone else ink
        link = f" {shown.link}" if shown.link else ""
        if self._rows.is_hit(node):
            name_ink = (name_ink or Style()) + self.ink("hit")
        name = shown.name + ("/" if shown.is_directory else "")
        note = self._note(shown)
        left = room - indent - 2
        if len(note) > left - cell_len(name) - cell_len(link):
            note = f"  ~{shown.changes:,}" if shown.is_directory and shown.changes and not shown.is_gone else ""
        if len(note) > left - cell_len(name) - cell_len(link):
            note = ""
        name = cut_middle(name, left) if cell_len(name) > left else name
        parts = [Segment(" " * indent + sign, self.ink("dim")), Segment(name, name_ink)]
        if link:
            parts.append(Segment(fitted(link, left - cell_len(name)).rstrip(), self.ink("link")))
        return [*parts, Segment(note, self.ink("dim"))] if note else parts

    def _note(self, shown: NodeLine) -> str:
        """What stands after the name: how much changed below a directory, or when a file went."""
        if shown.gone_in:
            return f"  removed by {shown.gone_in}"
        if shown.is_directory and shown.changes and shown.change not in (Change.ADDED, Change.REMOVED):
            size = f", {size_text(shown.changed)}" if shown.changed else ""
            return f"  {count_text(shown.changes, 'change')}{size}"
        return ""


def changed_counts(view: View) -> dict[Change, int]:
    """How many nodes changed how, without the root."""
    counts = np.bincount(view.change[1:], minlength=len(Change)).tolist()
    return {change: counts[change] for change in Change}
