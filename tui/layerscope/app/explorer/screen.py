"""The main screen: layers, their details, and the files after each of them. It wires; the panes show and tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on
from textual.binding import BindingType
from textual.content import Content

from layerscope.app.explorer.filter import FilterBar
from layerscope.app.explorer.layer_range import Span, span_of
from layerscope.app.explorer.layers import Layers
from layerscope.app.explorer.loader import Analysed, Opened, Progressed, Read, Rebuilt
from layerscope.app.explorer.panes import Panes
from layerscope.app.explorer.state import Known
from layerscope.app.explorer.title import files_title
from layerscope.app.explorer.tree import Files
from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import Place
from layerscope.app.widgets.lines import Lines
from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.app.waste.outline import Jump, Outline
    from layerscope.tree.tree import View

NEEDS_TREE = {
    "change", "view", "blame", "extract", "copy_path", "sort", "so_far", "mark", "expand_all", "collapse_all", "toggle_change",
    "attributes",
}  # fmt: skip
NEEDS_ANALYSIS = {"waste", "filter"}


class Explorer(Panes):
    """Steps through an image's layers."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Place.EXPLORER)

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self._known = Known()
        self._outline: Outline | None = None
        self._is_so_far = False
        self._shown: tuple[int, int] = (0, 0)

    @property
    def contents(self) -> Contents | None:
        """What was read so far."""
        return self._known.contents

    @property
    def analysis(self) -> Analysis | None:
        """All that is known; None until the waste was found."""
        return self._known.analysis

    @property
    def view(self) -> View | None:
        """What the tree shows."""
        return self.file_pane.rows.view if self.file_pane.rows is not None else None

    @property
    def span(self) -> Span:
        """The layers whose changes are to be shown, by the mark, `t`, and the layer under the cursor."""
        last, marked = max(self.layer_pane.number, 1), self.layer_pane.marked
        return span_of(last, marked=marked, is_so_far=self._is_so_far, base_layers=self._known.base_layers)

    # While it loads.

    @on(Progressed)
    def _show_progress(self, message: Progressed) -> None:
        self.summary.show_progress(message if message.stage else None)

    @on(Opened)
    def _show_image(self, message: Opened) -> None:
        self._known.image, self._known.base = message.image, message.base
        self.summary.show_image(message.image)
        self.layer_pane.show_image(message.image, message.base.layers)
        self.layer_pane.step_to(len(message.image.layers))
        self._show_details()

    @on(Read)
    def _show_contents(self, message: Read) -> None:
        self._known.contents, self._known.numbers = message.contents, message.numbers
        self.layer_pane.show_figures(self._known.figures(message.contents))
        span = self.span
        self.file_pane.show_tree(message.contents.tree.view(span.first, span.last), self.scope.order)
        if message.is_complete:
            self.summary.show_progress(Progressed("looking for waste", 0, 0, 0))
        self._show_titles()
        self._show_details()

    @on(Analysed)
    def _show_analysis(self, message: Analysed) -> None:
        analysis = message.analysis
        self._known.learn(analysis)
        self._outline = None
        self.summary.show_analysis(analysis)
        self.layer_pane.show_figures(self._known.figures(analysis.contents))
        self.file_pane.show_waste(analysis.waste)
        self.bar.prepare(analysis)
        self._show_details()
        self.refresh_bindings()
        if self.scope.settings.start == "waste":
            self.action_waste()

    @on(Rebuilt)
    def _show_rebuilt(self, message: Rebuilt) -> None:
        """Another build of what is watched: the cursors stay on their layer and path."""
        from layerscope.report.comparison import summary_sentence

        number = self.layer_pane.number
        self._known = Known(message.image, message.base, comparison=message.comparison)
        self.summary.show_image(message.image)
        self.layer_pane.mark(0)
        self.layer_pane.show_image(message.image, message.base.layers)
        self.layer_pane.step_to(min(number, len(message.image.layers)))
        numbers = frozenset(layer.number for layer in message.image.layers)
        self._show_contents(Read(message.analysis.contents, numbers, is_complete=True))
        self._show_analysis(Analysed(message.analysis))
        self.bar.search_again()
        self.notify(summary_sentence(message.comparison), title="Built anew", markup=False)

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
        span, view, contents = self.span, self.view, self._known.contents
        if contents is not None and view is not None and (view.first, view.last) != (span.first, span.last):
            self.file_pane.show_view(contents.tree.view(span.first, span.last))
            self.bar.search_again()
        self._show_titles()

    def _show_titles(self) -> None:
        files = self.file_pane
        if files.rows is not None:
            read, room = len(self._known.numbers), files.size.width - 4
            files.show_title(files_title(files.rows, files.node, self.span, read=read, room=room))

    def _show_details(self) -> None:
        image, number = self._known.image, self.layer_pane.number
        if image is not None:
            details = self.detail_pane
            details.border_title = f"Layer {number} of {len(image.layers)}" if number else "Image"
            details.show(self._known.parts(image, number, self.view))

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows only what works now."""
        is_missing = (
            (action in NEEDS_TREE and self.contents is None)
            or (action in NEEDS_ANALYSIS and self.analysis is None)
            or (action == "step" and self._known.image is None)
            or (action == "filter" and self.bar.is_typed_in)
        )
        return False if is_missing else super().check_action(action, parameters)

    def action_step(self, step: int) -> None:
        """To the next or previous layer."""
        self.layer_pane.action_move(step)

    def action_change(self, step: Literal[1, -1]) -> None:
        """To the next or previous change."""
        if not self.file_pane.go_to_change(step):
            self.notify("No further change " + ("below" if step > 0 else "above"))

    def action_waste(self) -> None:
        """Show all waste."""
        from layerscope.app.waste.outline import Outline
        from layerscope.app.waste.screen import WasteScreen

        if self._outline is None and self.analysis is not None:
            self._outline = Outline(self.analysis)
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
        from layerscope.app.file.screen import FileScreen

        if self.contents is not None and self.file_pane.node:
            waste = self.analysis.waste if self.analysis else None
            self.app.push_screen(FileScreen(self.contents, self.file_pane.node, self.span.last, shows=shows, waste=waste))

    def action_filter(self) -> None:
        """Open the filter, beside the files."""
        if self.has_class("-details"):
            self.action_details()
        self.bar.open()

    def action_sort(self) -> None:
        """Sort by the next order, and remember it."""
        self.scope.order = self.scope.order.next
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

    def action_toggle_change(self, word: str) -> None:
        """Hide or show what changed so."""
        self.file_pane.toggle_change(word)
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

    def action_extract(self) -> None:
        """Copy what is under the cursor out of the image, as it is after this layer."""
        view, node = self.view, self.file_pane.node
        if self.contents is None or view is None:
            return
        if not view.is_visible[node]:
            # What these layers removed is taken as it was before them.
            line = self.file_pane.line
            view = self.contents.tree.view(max((line.gone_in if line else 0) or view.first, 2) - 1)
        if view.is_visible[node]:
            self.scope.ask_where_to(self.contents, view, node)

    def action_copy_path(self) -> None:
        """Copy the path under the cursor."""
        if self.contents is not None:
            path = "/" + escape(self.contents.tree.nodes.paths[self.file_pane.node])
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
        elif self.analysis is None:
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
