"""The pane of files: the merged tree after a layer, with what changed, its sizes and what of it is wasted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from textual.binding import BindingType
from textual.message import Message

from layerscope.app.explorer.tree_lines import TreeLines
from layerscope.app.keys import KeyContext, bindings

if TYPE_CHECKING:
    from layerscope.rows import Rows
    from layerscope.settings import Order
    from layerscope.tree.nodes import Flags
    from layerscope.tree.tree import Change, View


class FileTree(TreeLines):
    """The pane of files: unfolds, sorts, hides and filters the rows of a View, while the cursor stays on its path.

    With `opens_itself`, directories are open as far as there is room, until the user opens or closes one.

    It posts Moved, and Opened for a file that the user wants to view.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.FILES)

    class Opened(Message):
        """The user wants to see the file under the cursor."""

    class HeadClicked(Message):
        """The user wants the files sorted by `order`."""

        def __init__(self, order: Order) -> None:
            self.order = order
            super().__init__()

    def __init__(
        self,
        columns: tuple[str, ...],
        *,
        opens_itself: bool = False,
        id: str | None = None,  # noqa: A002 - Textual's name
        is_ascii: bool = False,
    ) -> None:
        super().__init__(columns, id=id, is_ascii=is_ascii)
        self._opens_itself = opens_itself

    _absent = 0
    """A hidden node that the cursor returns to, from the row nearest to it, as soon as it is shown again; 0 for none."""

    @property
    def _meant(self) -> int:
        return self._absent or self.node

    def go(self, line: int, *, is_centered: bool = False) -> None:
        """Move the cursor, which then no longer returns to a node that is hidden now."""
        self._absent = 0
        super().go(line, is_centered=is_centered)

    def fit(self) -> None:
        """Open as many directories as there is room for now, and post Moved, so that the title is written anew."""
        if self._rows is not None and self._fills:
            node, above = self._place
            self._fill()
            self._restore(node, above)
        self.post_message(self.Moved(self))

    @property
    def _fills(self) -> bool:
        return self._opens_itself and self._rows is not None and not self._rows.is_filtered

    def _fill(self) -> None:
        """Open directories until the pane is full, unless the user has opened or closed one."""
        if self._fills and self.lines_shown > 0:
            assert self._rows is not None
            self._rows.open_until(self.lines_shown)

    # What is shown.

    def show_tree(self, view: View, order: Order) -> None:
        """Show another tree, such as more of the image while it is read. Open directories stay open, by path."""
        from layerscope.rows import Rows  # numpy, which the first frame does not wait for

        old, node = self._rows, self.node
        if old is not None:
            paths, nodes = old.view.tree.nodes.paths, view.tree.nodes
            self.marked = {now for each in self.marked if (now := nodes.find(paths[each])) is not None}
        self._wasted, self._dropped, self._absent = None, frozenset(), 0
        self._rows = Rows(view, order=order)
        self._rows.set_hidden(old.hidden if old is not None else frozenset())
        self.update_renderer()
        if old is not None and not self._fills:
            self._unfold_as(old)
        self._fill()
        self.set_count(len(self._rows))
        if old is not None and self.cursor:
            opens_itself = self._opens_itself
            self.go_to_path(old.view.tree.nodes.paths[node])
            self._opens_itself = opens_itself

    def _unfold_as(self, old: Rows) -> None:
        """Open the directories that are open in `old`, which shows another tree."""
        assert self._rows is not None
        paths, nodes = old.view.tree.nodes.paths, self._rows.view.tree.nodes
        for node in old.nodes[[old.is_open(int(each)) for each in old.nodes]].tolist() if len(old) else []:
            now = nodes.find(paths[node])
            if now is not None:
                self._rows.open(self._rows.reveal(now))

    def show_view(self, view: View) -> None:
        """Show the same tree after another layer."""
        if self._rows is not None:
            node, above = self._place
            self._rows.show(view)
            self._fill()
            self.update_renderer()
            self._restore(node, above)

    def sort(self, order: Order) -> None:
        """Sort the rows. The cursor stays on its path, but at the top if it is there, so that the first are in sight."""
        if self._rows is not None:
            is_at_top, (node, above) = not self.cursor, self._place
            self._rows.set_order(order)
            self._restore(int(self._rows.nodes[0]) if is_at_top and len(self._rows) else node, above)

    def hide(self, hidden: frozenset[Change]) -> None:
        """Hide the rows that have one of the changes `hidden`, and show all other rows."""
        if self._rows is not None:
            node, above = self._place
            self._rows.set_hidden(hidden)
            self._fill()
            self._restore(node, above)

    def toggle_change(self, word: str) -> None:
        """Hide or show nodes that were `added`, `modified`, `removed` or `unchanged`."""
        from layerscope.tree.tree import Change

        if self._rows is not None:
            self.hide(self._rows.hidden ^ {Change[word.upper()]})

    def filter(self, hits: Flags | None, best: int | None = None, *, text: str = "") -> None:
        """Show only the nodes flagged in `hits` and the directories around them; None shows all. `text` is what was typed.

        The cursor goes to the node `best`, if it is given.
        """
        if self._rows is None:
            return
        node, above = self._place
        self._filter_text = text
        self._rows.filter(hits)
        if hits is None:
            self._rows.reveal(node if best is None else best)
        if best is None:
            self._restore(node, above)
        else:
            self._restore(best, self.count)

    def unmark(self) -> None:
        """Remove all marks."""
        self.marked.clear()
        self.refresh()
        self.post_message(self.Moved(self))

    def unfold_all(self, *, is_open: bool) -> None:
        if self._rows is not None:
            self._opens_itself = False
            node, above = self._place
            self._rows.open_all() if is_open else self._rows.close_all()
            self._restore(node, above)

    @property
    def _place(self) -> tuple[int, int]:
        """Return the node of the cursor, and how many lines below the top it is."""
        return self._meant, self.cursor - round(self.scroll_y)

    def _restore(self, node: int, above: int) -> None:
        """Put the cursor on `node`, or the row nearest to it, after rows changed: if possible `above` lines below the top."""
        assert self._rows is not None
        row = self._rows.nearest(node)
        self.set_count(len(self._rows))
        self.cursor = min(row, max(self.count - 1, 0))
        self._absent = node if node != self.node else 0
        self.scroll_to_line(self.cursor - above)
        self.show_cursor()
        self.refresh()
        self.post_message(self.Moved(self))

    def unfold_as(self, unfolded: Flags, node: int) -> None:
        """Unfold the directories flagged in `unfolded` and no others, and put the cursor on `node`."""
        if self._rows is not None:
            self._opens_itself = False
            self._rows.unfold(unfolded)
            self._restore(node, self.scrollable_content_region.height // 3)

    # Where the cursor goes.

    def go_to(self, node: int) -> None:
        """Unfold the directories around a node, and put the cursor on it."""
        if self._rows is not None:
            self._opens_itself = False
            row = self._rows.reveal(node)
            self.set_count(len(self._rows))
            self.go(row, is_centered=True)

    def go_to_path(self, path: bytes) -> None:
        """Put the cursor on a path, or on the nearest directory above it that is there."""
        if self._rows is not None:
            nodes = self._rows.view.tree.nodes
            while path and nodes.find(path) is None:
                path = path.rpartition(b"/")[0]
            self.go_to(nodes.find(path) or 0)

    def go_to_change(self, step: Literal[1, -1]) -> bool:
        """Go to the next or previous change; return False when there is none."""
        node = self._rows.next_change(self.cursor, step) if self._rows is not None and len(self._rows) else None
        if node is not None:
            self.go_to(node)
        return node is not None

    # What keys and the mouse do.

    def action_open(self) -> None:
        """Unfold or fold a directory; view anything else."""
        if self._rows is None or not len(self._rows):
            return
        line = self.line
        if line is not None and line.is_directory:
            self._opens_itself = False
            self._rows.toggle(self.cursor)
            self.set_count(len(self._rows))
        else:
            self.post_message(self.Opened())

    def mark_under_cursor(self) -> None:
        """Mark what is under the cursor, or remove its mark, and go on to the next line; as many times as was typed."""
        if self._rows is not None and len(self._rows):
            for node in self._rows.nodes[self.cursor : self.cursor + self.times].tolist():
                self.marked ^= {node}
            self.refresh()
            self.post_message(self.Moved(self))
            self.go(self.cursor + self.times)

    def action_fold(self) -> None:
        """Fold an open directory, else go to the directory around the cursor."""
        if self._rows is None or not len(self._rows):
            return
        if self._rows.is_open(self.node):
            self._opens_itself = False
            self._rows.close(self.cursor)
            self.set_count(len(self._rows))
        elif (parent := self._rows.parent_row(self.cursor)) is not None:
            self.go(parent)

    def action_unfold(self) -> None:
        """Unfold a closed directory, else go to the first entry in it."""
        line = self.line
        if self._rows is None or line is None or not line.is_directory:
            return
        if not self._rows.is_open(self.node):
            self._opens_itself = False
            self._rows.open(self.cursor)
            self.set_count(len(self._rows))
        elif self._rows.has_children(self.node):
            self.go(self.cursor + 1)

    def head_clicked(self, x: int) -> None:
        """Ask for the order of the column under the mouse."""
        order = self.order_at(x)
        if order is not None and self._rows is not None:
            self.post_message(self.HeadClicked(order))

    def clicked(self, x: int, *, is_again: bool) -> None:
        """Unfold or fold a directory clicked at its sign or name; view a file clicked twice."""
        line = self.line
        if line is not None and (x >= self.name_column if line.is_directory else is_again):
            self.action_open()
