"""The pane of files: the merged tree after a layer, with what changed, what it takes and what of it is wasted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from rich.segment import Segment
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from layerscope.app.explorer.title import hidden_words
from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import Place
from layerscope.app.widgets.lines import Lines

if TYPE_CHECKING:
    from layerscope.app.explorer.tree_columns import TreeLook
    from layerscope.app.explorer.tree_row import NodeLine
    from layerscope.rows.order import Order
    from layerscope.rows.rows import Rows
    from layerscope.rows.shape import Flags
    from layerscope.tree.tree import Change, Longs, View
    from layerscope.waste.find import Waste


class Files(Lines):
    """Shows the rows of a View. It posts Lines.Moved, and Opened for a file that is to be viewed."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.FILES)

    class Opened(Message):
        """The user wants to see the file under the cursor."""

    def __init__(self, columns: tuple[str, ...], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._columns = columns
        self._wasted: Longs | None = None
        self._rows: Rows | None = None
        self._look: TreeLook | None = None
        self._absent = 0
        self._title = ""
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

    def show_tree(self, view: View, order: Order) -> None:
        """Show another tree, such as more of the image that is being read: paths that were open stay so."""
        from layerscope.rows.rows import Rows  # numpy, which the first frame does not wait for

        old, node = self._rows, self.node
        self._wasted = None
        self._rows = Rows(view, order=order)
        self._rows.set_hidden(old.hidden if old is not None else frozenset())
        self._look_anew()
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
        self._look_anew()
        self._redrawn(node, above)

    def show_waste(self, waste: Waste) -> None:
        """The waste was found."""
        from layerscope.app.explorer.tree_row import wasted_below

        if self._rows is not None:
            self._wasted = wasted_below(self._rows.view.tree, waste)
            self._look_anew()
            self.refresh()

    def show_title(self, title: str) -> None:
        """Say what is shown. To set the same title again would draw all lines again."""
        if title != self._title:
            self._title = title
            self.border_title = Content(title)

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

    def toggle_change(self, word: str) -> None:
        """Leave out, or show again, what was `added`, `modified`, `removed` or `unchanged`."""
        from layerscope.tree.tree import Change

        if self._rows is not None:
            self.hide(self._rows.hidden ^ {Change[word.upper()]})

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

    def _look_anew(self) -> None:
        """The view is another, or what is known of it."""
        from layerscope.app.explorer.tree_columns import TreeLook

        assert self._rows is not None
        self._look = TreeLook(self._rows, self._wasted, ink=self.ink, is_ascii=self.is_ascii)

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
        line, look = self.line, self._look
        if line is None or look is None:
            return
        if x >= look.name_at(self._wanted_columns, self.room) if line.is_directory else is_again:
            self.action_open()

    # What a line looks like.

    @property
    def _wanted_columns(self) -> list[str]:
        """Those of the settings; without mode and owner, if they are not wanted now, there is room for others."""
        return [name for name in self._columns if self.has_attributes or name not in ("mode", "owner")]

    @property
    def nothing(self) -> str:
        """Why there is no line."""
        rows = self._rows
        if rows is None:
            return ""
        if rows.hidden:
            return f"What is {' or '.join(hidden_words(rows))} is hidden, and nothing else is here."
        if not rows.is_filtered:
            return "No files."
        later = " A later layer may have it." if rows.view.last < rows.view.tree.layers else ""
        return f"Nothing fits after layer {rows.view.last}.{later}"

    def segments(self, line: int, room: int) -> list[Segment]:
        """Marks, the columns that fit, the name at its depth."""
        assert self._rows is not None
        assert self._look is not None
        return self._look.segments(int(self._rows.nodes[line]), self._wanted_columns, room)
