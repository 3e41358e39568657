"""The main screen: layers, their details, and the files after each of them. It wires; the panes show and tell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from layerscope.analysis import Analysis, Contents
from layerscope.app.bindings import bindings
from layerscope.app.details import Details, Part, comparison_parts, digest_parts, efficiency_parts, image_parts, layer_parts
from layerscope.app.file_screen import FileScreen
from layerscope.app.files import Files, changed_counts
from layerscope.app.filter_bar import FilterBar
from layerscope.app.footer import Footer
from layerscope.app.keys import Place
from layerscope.app.layers import Figures, Layers
from layerscope.app.lines import Lines
from layerscope.app.loading import Analysed, Opened, Progressed, Read, Rebuilt
from layerscope.app.summary import Summary
from layerscope.app.waste_outline import Jump, Outline
from layerscope.app.waste_screen import WasteScreen
from layerscope.report.comparison import summary_sentence
from layerscope.report.style import cut_middle
from layerscope.rows.order import Order
from layerscope.text import escape
from layerscope.tree.tree import Change, View

if TYPE_CHECKING:
    from layerscope.app.app import LayerscopeApp
    from layerscope.compare.comparison import Comparison
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image

ORDERS = {Order.NAME: Order.SIZE, Order.SIZE: Order.CHANGE, Order.CHANGE: Order.NAME}
WORDS = {Change.ADDED: "added", Change.MODIFIED: "changed", Change.REMOVED: "deleted", Change.UNCHANGED: "unchanged"}

WIDE = 110
"""Cells from which panes stand side by side."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which layers' changes the tree shows: `first` to `last`, and how that is said."""

    first: int
    last: int
    title: str


class Explorer(Screen[None]):
    """Steps through an image's layers."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.EXPLORER)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual's
    AUTO_FOCUS = "#layers"

    def __init__(self, reference: str) -> None:
        super().__init__()
        self._reference = reference
        self._image: Image | None = None
        self._base: Base | None = None
        self._contents: Contents | None = None
        self._analysis: Analysis | None = None
        self._outline: Outline | None = None
        self._numbers: frozenset[int] = frozenset()
        self._comparison: Comparison | None = None
        self._is_so_far = False
        self._shown: tuple[int, int] = (0, 0)
        self._before_details: Widget | None = None

    @property
    def scope(self) -> LayerscopeApp:
        """The app, whose settings it reads."""
        return cast("LayerscopeApp", self.app)

    def compose(self) -> ComposeResult:
        """Summary above, layers and details beside (or above) the files, keys below."""
        settings = self.scope.settings
        yield Summary(self._reference, id="summary")
        with Container(id="panes"):
            with Container(id="side"):
                yield Layers(id="layers")
                yield Details(id="details")
            with Container(id="main"):
                yield Files(settings.columns, id="files")
                yield FilterBar(id="filter")
        yield Footer(id="footer")

    def on_mount(self) -> None:
        """Titles, and where to start."""
        self.layer_pane.border_title = "Layers"
        self.file_pane.border_title = "Files"
        if self.scope.settings.start == "files":
            self.set_focus(self.file_pane)

    @property
    def layer_pane(self) -> Layers:
        """The pane of layers."""
        return self.query_one(Layers)

    @property
    def file_pane(self) -> Files:
        """The pane of files."""
        return self.query_one(Files)

    @property
    def bar(self) -> FilterBar:
        """The line of the filter."""
        return self.query_one(FilterBar)

    @property
    def contents(self) -> Contents | None:
        """What was read so far."""
        return self._contents

    @property
    def analysis(self) -> Analysis | None:
        """All that is known; None until the waste was found."""
        return self._analysis

    @property
    def view(self) -> View | None:
        """What the tree shows."""
        return self.file_pane.rows.view if self.file_pane.rows is not None else None

    @property
    def span(self) -> Span:
        """The layers whose changes are to be shown, by the mark, `t`, and the layer under the cursor."""
        last = max(self.layer_pane.number, 1)
        marked = self.layer_pane.marked
        if marked and marked != last:
            low, high = min(marked, last), max(marked, last)
            return Span(low + 1, high, f"changes from layer {low} to {high}")
        if self._is_so_far:
            base = self._base.layers if self._base and self._base.layers else 1
            first = min(base + 1, last) if last > base else 1
            return Span(first, last, f"changes of layers {first} to {last}")
        return Span(last, last, "this layer's changes")

    def on_resize(self, event: events.Resize) -> None:
        """Steps that made no layer are shown where there is room for them."""
        self.layer_pane.show_steps(has_steps=self.scope.settings.empty_steps and event.size.width >= WIDE)

    # While it loads.

    @on(Progressed)
    def _show_progress(self, message: Progressed) -> None:
        self.query_one(Summary).show_progress(message if message.stage else None)

    @on(Opened)
    def _show_image(self, message: Opened) -> None:
        self._image, self._base = message.image, message.base
        self.query_one(Summary).show_image(message.image)
        self.layer_pane.show_image(message.image, message.base.layers)
        self.layer_pane.step_to(len(message.image.layers))
        self._show_details()

    @on(Read)
    def _show_contents(self, message: Read) -> None:
        self._contents, self._numbers = message.contents, message.numbers
        self._show_figures()
        self._shown = (0, 0)
        span = self.span
        view = message.contents.tree.view(span.first, span.last)
        self.file_pane.show_tree(view, self.scope.order)
        self._shown = (span.first, span.last)
        if message.is_complete:
            self.query_one(Summary).show_progress(Progressed("looking for waste", 0, 0, 0))
        self._show_titles()
        self._show_details()

    @on(Analysed)
    def _show_analysis(self, message: Analysed) -> None:
        self._analysis = message.analysis
        self._outline = Outline(message.analysis)
        self.query_one(Summary).show_analysis(message.analysis)
        self._show_figures()
        self.file_pane.show_waste(message.analysis.waste)
        self.bar.prepare(message.analysis)
        self._show_details()
        self.refresh_bindings()
        if self.scope.settings.start == "waste":
            self.action_waste()

    @on(Rebuilt)
    def _show_rebuilt(self, message: Rebuilt) -> None:
        """Another build of what is watched: the cursors stay on their layer and path."""
        number = self.layer_pane.number
        self._image, self._base, self._comparison, self._analysis = message.image, message.base, message.comparison, None
        self.query_one(Summary).show_image(message.image)
        self.layer_pane.mark(0)
        self.layer_pane.show_image(message.image, message.base.layers)
        self.layer_pane.step_to(min(number, len(message.image.layers)))
        numbers = frozenset(layer.number for layer in message.image.layers)
        self._show_contents(Read(message.analysis.contents, numbers, is_complete=True))
        self._show_analysis(Analysed(message.analysis))
        self.bar.search_again()
        self.notify(summary_sentence(message.comparison), title="Built anew", markup=False)

    def _show_figures(self) -> None:
        contents = self._contents
        assert contents is not None
        if self._analysis is not None:
            sizes, wasted = self._analysis.layer_content_bytes, self._analysis.waste.by_layer(contents.tree.layers).tolist()
        else:
            bounds = contents.stack.first
            sizes = [int(contents.tree.entries.size[start:stop].sum()) for start, stop in pairwise(bounds)]
            wasted = [0] * len(sizes)
        self.layer_pane.show_figures(
            {
                number: Figures(size, waste, is_read=True)
                for number, (size, waste) in enumerate(zip(sizes, wasted, strict=True), 1)
                if number in self._numbers
            }
        )

    # What follows the cursors.

    @on(Layers.Stepped)
    def _step(self) -> None:
        self._show_span()
        self._show_details()

    @on(Layers.Opened)
    def _go_to_files(self) -> None:
        self.set_focus(self.file_pane)

    @on(Lines.Moved)
    def _cursor_moved(self, event: Lines.Moved) -> None:
        if event.lines is self.file_pane:
            self._show_titles()

    def _show_span(self) -> None:
        """Show the tree for the layers that are meant now."""
        span = self.span
        if self._contents is None or self._shown == (span.first, span.last):
            self._show_titles()
            return
        self._shown = (span.first, span.last)
        self.file_pane.show_view(self._contents.tree.view(span.first, span.last))
        self._show_titles()
        self.bar.search_again()

    def _show_titles(self) -> None:
        files, rows = self.file_pane, self.file_pane.rows
        if rows is None:
            return
        path = escape(rows.view.tree.nodes.paths[files.node])
        hidden = [WORDS[change] for change in Change if change in rows.hidden]
        order = "" if rows.order is Order.NAME else f" · by {rows.order.value}"
        notes = order + (f" · without {', '.join(hidden)}" if hidden else "")
        count, all_of_them = len(self._numbers), rows.view.tree.layers
        so_far = f" ({count} of {all_of_them} layers read)" if count < all_of_them else ""
        start, end = f"after layer {rows.view.last}{so_far} ─ ", f" ─ {self.span.title}{notes}"
        room = files.size.width - cell_len(start) - cell_len(end) - 4
        files.border_title = Content(start + cut_middle(f"/{path}", max(room, 8)) + end)

    def _show_details(self) -> None:
        if self._image is None:
            return
        number = self.layer_pane.number
        parts: list[Part] = []
        if self._comparison is not None:
            parts += comparison_parts(self._comparison)
        if number:
            counts = None
            if self._contents is not None and self.view is not None and number in self._numbers:
                is_shown = self._shown == (number, number)
                counts = changed_counts(self.view if is_shown else self._contents.tree.view(number))
            parts += layer_parts(self._image.layers[number - 1], self._analysis, counts)
        if self._analysis is not None:
            parts += efficiency_parts(self._analysis)
        if number:
            parts += digest_parts(self._image.layers[number - 1])
        parts += image_parts(self._image, self._analysis)
        details = self.query_one(Details)
        details.border_title = f"Layer {number} of {len(self._image.layers)}" if number else "Image"
        details.show(parts)

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows only what works now."""
        needs_tree = {"change", "view", "blame", "extract", "copy_path", "sort", "so_far", "mark", "expand_all"}
        needs_tree |= {"collapse_all", "toggle_change", "attributes"}
        if action in needs_tree and self._contents is None:
            return False
        if action in ("waste", "filter") and self._analysis is None:
            return False
        if action == "filter" and self.bar.is_typed_in:
            return False
        if action == "step" and self._image is None:
            return False
        return super().check_action(action, parameters)

    def action_pane(self, step: int) -> None:
        """To the next or previous pane: layers, files, details, as far as they are shown; from the filter to the files."""
        if self.bar.is_typed_in:
            self.set_focus(self.file_pane)
            return
        panes = [pane for pane in (self.layer_pane, self.file_pane, self.query_one(Details)) if pane.is_on_screen]
        at = next((index for index, pane in enumerate(panes) if pane.has_focus), -1)
        self.set_focus(panes[(at + step) % len(panes)])

    def action_step(self, step: int) -> None:
        """To the next or previous layer."""
        self.layer_pane.action_move(step)

    def action_change(self, step: Literal[1, -1]) -> None:
        """To the next or previous change."""
        if not self.file_pane.go_to_change(step):
            self.notify("No further change " + ("below" if step > 0 else "above"))

    def action_waste(self) -> None:
        """Show all waste."""
        if self._outline is not None:
            self.app.push_screen(WasteScreen(self._outline), self._jump)

    def _jump(self, jump: Jump | None) -> None:
        """Go to a file at the layer that wrote it: its own changes, unfiltered."""
        if jump is None:
            return
        if self.bar.is_on:
            self.bar.close()
        self._is_so_far = False
        self.layer_pane.mark(0)
        self.layer_pane.step_to(jump.layer)
        self._show_span()
        self.file_pane.hide(frozenset())
        self.file_pane.go_to(jump.node)
        self.set_focus(self.file_pane)

    @on(Files.Opened)
    def action_view(self) -> None:
        """Look at the file under the cursor."""
        self._open_file("content")

    def action_blame(self) -> None:
        """Show every layer that touched the path."""
        self._open_file("blame")

    def _open_file(self, shows: Literal["content", "blame"]) -> None:
        if self._contents is not None and self.file_pane.node:
            waste = self._analysis.waste if self._analysis else None
            last = self.span.last
            self.app.push_screen(FileScreen(self._contents, self.file_pane.node, last, shows=shows, waste=waste))

    def action_filter(self) -> None:
        """Open the filter, beside the files."""
        if self.has_class("-details"):
            self.action_details()
        self.bar.open()

    def action_sort(self) -> None:
        """Sort by the next order, and remember it."""
        self.scope.order = ORDERS[self.scope.order]
        self.file_pane.sort(self.scope.order)
        self._show_titles()
        self.scope.remember()

    def action_so_far(self) -> None:
        """This layer's changes, or all since the base."""
        self._is_so_far = not self._is_so_far
        self.layer_pane.mark(0)
        self._show_span()

    def action_mark(self) -> None:
        """Mark the layer, or take its mark away."""
        number = self.layer_pane.number
        self.layer_pane.mark(0 if self.layer_pane.marked == number else number)
        self._show_span()
        if self.layer_pane.marked:
            self.notify(f"Layer {number} is marked: step to another to see what changed between them")

    def action_toggle_change(self, word: str) -> None:
        """Hide or show what changed so."""
        if self.file_pane.rows is not None:
            change = Change[word.upper()]
            self.file_pane.hide(self.file_pane.rows.hidden ^ {change})
            self._show_titles()

    def action_expand_all(self) -> None:
        """Unfold everything."""
        self.file_pane.unfold_all(is_open=True)

    def action_collapse_all(self) -> None:
        """Fold everything."""
        self.file_pane.unfold_all(is_open=False)

    def action_attributes(self) -> None:
        """Show or hide mode and owner."""
        self.file_pane.has_attributes = not self.file_pane.has_attributes
        self.file_pane.refresh()

    def action_details(self) -> None:
        """In a narrow terminal, details instead of files; in a wide one the focus goes to them."""
        details = self.query_one(Details)
        is_there = self.has_class("-details") if self.has_class("-narrow") else details.has_focus
        if self.has_class("-narrow"):
            self.set_class(not is_there, "-details")
        if is_there:
            self.set_focus(self._before_details or self.layer_pane)
        else:
            self._before_details = self.focused
            self.set_focus(details)

    def action_extract(self) -> None:
        """Copy what is under the cursor out of the image, as it is after this layer."""
        view, node = self.view, self.file_pane.node
        if self._contents is None or view is None:
            return
        if not view.is_visible[node]:
            # What these layers removed is taken as it was before them.
            line = self.file_pane.line
            view = self._contents.tree.view(max((line.gone_in if line else 0) or view.first, 2) - 1)
        if view.is_visible[node]:
            self.scope.ask_where_to(self._contents, view, node)

    def action_copy_path(self) -> None:
        """Copy the path under the cursor."""
        if self._contents is not None:
            path = "/" + escape(self._contents.tree.nodes.paths[self.file_pane.node])
            self.app.copy_to_clipboard(path)
            self.notify(Content(path).plain, title="Copied", markup=False)

    def action_back(self) -> None:
        """One step back: from details, the filter, the mark; out of the app only while it still reads."""
        if self.has_class("-details"):
            self.action_details()
        elif self.bar.is_on:
            self.bar.close()
        elif self.layer_pane.marked or self._is_so_far:
            self._is_so_far = False
            self.layer_pane.mark(0)
            self._show_span()
        elif self._analysis is None:
            self.scope.stop()
        else:
            self.set_focus(self.layer_pane)

    # The filter.

    @on(FilterBar.Found)
    def _show_found(self, event: FilterBar.Found) -> None:
        if event.mask is not None and event.text != self.bar.text:
            return  # of a search that was ended while its answer was under way
        best = event.best if event.is_typed else None
        self.file_pane.filter(event.mask, best)
        if self.file_pane.rows is not None and event.mask is not None:
            self.bar.show_count(self.file_pane.rows.hit_count, is_complete=event.is_complete)

    @on(FilterBar.Closed)
    def _filter_closed(self) -> None:
        self.set_focus(self.file_pane)
