"""The screen of the biggest files, flat: of all layers or one, wasted or not, filtered and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.keys import KEYS, KeyAction, KeyContext, back, bindings
from layerscope.app.sizes.biggest_lines import BiggestLines, BiggestState, fate_text
from layerscope.app.widgets.column_heads import head_segments, order_at
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.filter import FilterBar
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.input_line import InputLine
from layerscope.app.widgets.jump import Jump
from layerscope.app.widgets.lines import Detail, Details
from layerscope.app.widgets.overview import Overview
from layerscope.app.widgets.summary import Summary
from layerscope.sizes.biggest import FileOrder
from layerscope.text import escape
from layerscope.units import size_text
from layerscope.wording.sentences import layer_text
from layerscope.wording.style import cells, cut_end, cut_middle


class BiggestHeads(Widget):
    """Two lines: which files are listed and how many, and the heads of the columns. It posts Picked for a clicked head."""

    class Picked(Message):
        """The user wants the files in this order."""

        def __init__(self, order: FileOrder) -> None:
            self.order = order
            super().__init__()

    COMPONENT_CLASSES: ClassVar[set[str]] = {"biggest--title", "biggest--head", "biggest--sorted"}

    def __init__(self, state: BiggestState, lines: BiggestLines, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._state, self._lines = state, lines

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        if y:
            plain, chosen = (self.get_component_rich_style(f"biggest--{name}", partial=True) for name in ("head", "sorted"))
            parts = head_segments(self._lines.heads_in(self._lines.room), self._state.order, plain=plain, chosen=chosen)
            return Strip(parts).crop_extend(0, width, base).apply_style(base)
        title, sums = f" {self._state.title}", f"{self._state.sums} "
        gap = width - cells(title + sums)
        bold = self.get_component_rich_style("biggest--title", partial=True)
        parts = [Segment(title, bold), Segment(" " * gap + sums if gap > 0 else "")]
        return Strip(parts).crop_extend(0, width, base).apply_style(base)

    def on_click(self, event: events.Click) -> None:
        """Ask for the order of the head under the mouse."""
        order = order_at(self._lines.heads_in(self._lines.room), event.x) if event.y else None
        if order is not None:
            self.post_message(self.Picked(order))


class BiggestScreen(Overview):
    """Lists the files of a BiggestState, which it changes. It ends with where to go in the files, or None.

    `layer` is the number of the layer under the explorer's cursor.
    """

    NAME = "biggest"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.BIGGEST), back("back")]
    AUTO_FOCUS = "#biggest"

    def __init__(self, state: BiggestState, layer: int, *, keys: Sequence[KeyAction] = KEYS, is_ascii: bool = False) -> None:
        super().__init__()
        self._state, self._layer, self._keys, self._is_ascii = state, layer, keys, is_ascii
        self._is_prepared = False

    def compose(self) -> ComposeResult:
        lines = BiggestLines(self._state, id="biggest", is_ascii=self._is_ascii)
        yield Summary(self._state.analysis.image.reference, id="summary", is_ascii=self._is_ascii)
        yield BiggestHeads(self._state, lines, id="biggest-heads")
        yield lines
        yield FilterBar(id="filter")
        yield Details(id="biggest-note")
        yield Footer(self._keys, id="footer", without=f"explore.{self.NAME}")

    def on_mount(self) -> None:
        summary, analysis = self.query_one(Summary), self._state.analysis
        summary.show_image(analysis.image)
        summary.show_analysis(analysis)
        self.query_one("#biggest-note").can_focus = False
        self._show()

    @property
    def pane(self) -> BiggestLines:
        """Return the list."""
        return self.query_one(BiggestLines)

    @property
    def bar(self) -> FilterBar:
        """Return the line of the filter."""
        return self.query_one(FilterBar)

    def _show(self) -> None:
        self.pane.show(text=self.bar.text.strip())
        self.query_one(BiggestHeads).refresh()
        self._tell()

    def on_resize(self) -> None:
        """Cut the note again."""
        self._tell()

    @on(CursorLines.Moved)
    def _tell(self) -> None:
        state, pane = self._state, self.pane
        state.cursor = pane.cursor
        said = note(state, pane.cursor, self.size.width - 3) if pane.count else []
        self.query_one("#biggest-note", Details).show([Detail(line) for line in said])

    @on(CursorLines.Chosen)
    def action_show_in_files(self) -> None:
        """Show the file in the tree, at the layer that wrote it."""
        if self.pane.count:
            files = self._state.files
            self.end(Jump(int(files.layer[self.pane.cursor]), int(files.node[self.pane.cursor])))

    # The filter.

    @on(FilterBar.Found)
    def _show_found(self, event: FilterBar.Found) -> None:
        if event.mask is not None and event.text != self.bar.text:
            return  # of a search that was ended while its answer was under way
        self._state.filter(event.mask)
        self._show()
        if event.mask is not None:
            self.bar.show_count(len(self._state.files), is_complete=event.is_complete)

    @on(InputLine.Closed)
    def _unfilter(self) -> None:
        self._state.filter(None)
        self._show()
        self.set_focus(self.pane)

    @on(InputLine.Entered)
    def _to_list(self) -> None:
        self.set_focus(self.pane)

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the filter key while a filter is typed."""
        if action == "filter" and self.bar.is_typed_in:
            return False
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Open the filter; names are indexed only when they are searched for the first time."""
        if not self._is_prepared:
            analysis = self._state.analysis
            self.bar.prepare(analysis.tree.view(max(analysis.tree.layers, 1)), analysis.waste)
            self._is_prepared = True
        self.bar.open()

    def action_fate(self) -> None:
        self._state.next_fate()
        self._show()

    def action_sort(self) -> None:
        self._state.next_order()
        self._show()

    @on(BiggestHeads.Picked)
    def _sort_by_head(self, event: BiggestHeads.Picked) -> None:
        self._state.sort(event.order)
        self._show()

    def action_this_layer(self) -> None:
        """List only the files of the layer that the explorer is at, or of all layers again."""
        self._state.show_layer(0 if self._state.layer else self._layer)
        self._show()

    def action_layer(self, step: int) -> None:
        """List the files of the next or previous layer; all layers stand between the last and the first."""
        self._state.show_layer((self._state.layer + step) % (self._state.analysis.tree.layers + 1))
        self._show()

    def action_back(self) -> None:
        """Clear the filter, else go back to the files."""
        if self.bar.is_on:
            self.bar.close()
        else:
            self.end(None)


def note(state: BiggestState, line: int, room: int) -> list[str]:
    """Return two lines of at most `room` cells about a version: its path and what became of it, and what wrote it."""
    files, analysis = state.files, state.analysis
    layer, row = int(files.layer[line]), int(files.row[line])
    fate = f"wasted, {fate_text(analysis, row)}" if row >= 0 else "a container sees it"
    said = f"  {size_text(int(files.size[line]))}, {fate}"
    path = cut_middle("/" + escape(analysis.tree.nodes.paths[int(files.node[line])]), max(room - cells(said), 1))
    return [path + said, cut_end(f"layer {layer}: {layer_text(analysis.image.layers[layer - 1])}", room)]
