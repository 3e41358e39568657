"""The explorer: layers and their details, and the files after each layer. It connects the panes, which do the drawing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.signal import Signal
from textual.widget import Widget

from layerscope.app.explorer.layers import LayerList
from layerscope.app.explorer.loader import Analyzed, Failed, ImageSource, Loader, Opened, Read, Rebuilt
from layerscope.app.explorer.panes import Panes, Split
from layerscope.app.explorer.places import FilePlace, FilePlaces
from layerscope.app.explorer.state import ExplorerState
from layerscope.app.explorer.tree import FileTree
from layerscope.app.explorer.tree_lines import LayerRange, apart, files_title, hidden_words, marked_words
from layerscope.app.export.requests import ExportRequested, SaveRequested, SlimRequested
from layerscope.app.key_queue import counted
from layerscope.app.keys import KEYS, KeyAction, KeyContext, back, bindings
from layerscope.app.slim.slim_line import SlimLine
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.filter import FilterBar
from layerscope.app.widgets.footer import Footer, key_text
from layerscope.app.widgets.input_line import InputLine
from layerscope.app.widgets.lines import Details
from layerscope.app.widgets.summary import Progressed, Summary
from layerscope.errors import FileChanged
from layerscope.settings import Order, Settings
from layerscope.text import escape
from layerscope.units import count_text

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.app.slim.planner import SlimPlanner
    from layerscope.app.widgets.overview import OverviewName
    from layerscope.tree.tree import View

WIDE = 110
"""The width of the terminal, in cells, from which panes stand side by side."""
NEEDS_TREE = {
    "change", "view", "blame", "extract", "save", "sort", "so_far", "mark", "expand_all", "collapse_all", "toggle_change",
    "attributes", "mark_node",
}  # fmt: skip
NEEDS_ANALYSIS = {"overview", "drop", "slim"}
ORDERS = (Order.NAME, Order.SIZE, Order.CHANGE, Order.WASTED)


class Explorer(Screen[None]):
    """Opens an image, reads it in a thread, and steps through its layers.

    In a wide terminal layers and details stand beside the files; in a narrow one layers stand above the files, and details
    take the place of the files when asked for.

    It posts SortChanged, and lets the loader's Analyzed, Rebuilt and Failed bubble to the app. It hands the requests for
    other screens to `ask`, which must act at once: keys that are already waiting belong to the screen that opens.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.EXPLORER, KeyContext.OVERVIEWS), back("back")]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual's
    AUTO_FOCUS = "#layers"

    class SortChanged(Message):
        """The files are now sorted by `order`."""

        def __init__(self, order: Order) -> None:
            self.order = order
            super().__init__()

    class OverviewRequested(Message):
        """The user wants to see the overview `name`; the cursors are on the layer number `layer` and on `node` of the files.

        `planner` has the marks on what is to go from a smaller image.
        """

        def __init__(self, planner: SlimPlanner, name: OverviewName, *, layer: int, node: int) -> None:
            self.planner, self.analysis = planner, planner.marks.analysis
            self.name, self.layer, self.node = name, layer, node
            super().__init__()

    class FileRequested(Message):
        """The user wants to see the version of `node` that is seen after `layer`, or every layer that touched it."""

        def __init__(self, contents: Contents, node: int, layer: int, *, shows: Literal["content", "blame"]) -> None:
            self.contents, self.node, self.layer, self.shows = contents, node, layer, shows
            super().__init__()

    class ExtractRequested(Message):
        """The user wants to copy `parts` out of the image: nodes, each as it is in a view; or all that `layer` wrote."""

        def __init__(self, contents: Contents, parts: Sequence[tuple[View, int]], *, layer: int = 0) -> None:
            self.contents, self.parts, self.layer = contents, parts, layer
            super().__init__()

    class Left(Message):
        """The user pressed Escape with nothing left to step back from."""

    class Stopped(Message):
        """The user stopped the reading."""

    def __init__(
        self,
        source: ImageSource,
        *,
        settings: Settings,
        order: Order = Order.NAME,
        keys: Sequence[KeyAction] = KEYS,
        is_ascii: bool = False,
        ask: Callable[[Message], object] | None = None,
    ) -> None:
        super().__init__()
        self._ask = ask or self.post_message
        self.source, self._settings, self._order, self._keys, self._is_ascii = source, settings, order, keys, is_ascii
        self._loader = Loader(source, self.post_message)
        self.progressed: Signal[Progressed] = Signal(self, "progressed")
        self.split = Split()
        """Where the divider between the panes is. Explorers that follow one another may share it."""
        self._state = ExplorerState()
        self._is_reading = True
        self._is_so_far = False
        self._before_details: Widget | None = None
        self._planner: SlimPlanner | None = None
        self._places = FilePlaces()
        self._jumped_to = 0
        """The layer that a jump led to, from which Escape leads back; 0 for none."""
        self._before_filter: bytes | None = None

    def compose(self) -> ComposeResult:
        yield Summary(self.source.reference, id="summary", is_ascii=self._is_ascii)
        with Panes(self.split, id="panes"):
            with Container(id="side"):
                yield LayerList(id="layers", is_ascii=self._is_ascii)
                yield Details(id="details")
            with Container(id="main"):
                opens = self._settings.open_files
                yield FileTree(self._settings.columns, id="files", opens_itself=opens, is_ascii=self._is_ascii)
                yield FilterBar(id="filter")
        yield SlimLine(id="slim-line")
        yield Footer(self._keys, id="footer")

    def on_mount(self) -> None:
        """Set titles and focus; start reading once the first frame is out."""
        self.layer_pane.border_title = "Layers"
        self.file_pane.border_title = "Files"
        if self._settings.start == "files":
            self.set_focus(self.file_pane)
        self.call_after_refresh(self._load)

    def _load(self) -> None:
        self.run_worker(self._loader.run, thread=True, group="load")

    def action_read_again(self) -> None:
        """Open and read the image again, as it is now; the cursors stay on their layer number and path."""
        self._loader.stop()
        self._loader = Loader(self.source, self.post_message)
        self._is_reading = True
        self.summary.show_progress(Progressed("opening", 0, 0, 0))
        self._load()

    def stop_reading(self) -> None:
        """Stop reading, and keep the layers that were read so far."""
        self.stop()
        self._is_reading = False
        self._say_stopped()
        self._ask(self.Stopped())
        if not self._state.is_whole:
            self.run_worker(partial(self._keep, self._loader), thread=True, group="load")

    def _keep(self, loader: Loader) -> None:
        if (kept := loader.kept()) is not None:
            self.post_message(kept)

    def _say_stopped(self) -> None:
        image, read = self._state.image, len(self._state.numbers)
        layers = f"{read} of {count_text(len(image.layers), 'layer')}" if image is not None else "nothing was read"
        self.summary.show_note(f"stopped: {layers}; r reads again")
        self.refresh_bindings()

    def on_unmount(self) -> None:
        """Stop reading when the screen is closed."""
        self.stop()

    def stop(self) -> None:
        self._loader.stop()

    @property
    def panes(self) -> Panes:
        """Return what holds the panes and shares the room among them."""
        return self.query_one(Panes)

    @property
    def summary(self) -> Summary:
        """Return the line above the panes."""
        return self.query_one(Summary)

    @property
    def layer_pane(self) -> LayerList:
        """Return the pane of layers."""
        return self.query_one(LayerList)

    @property
    def file_pane(self) -> FileTree:
        """Return the pane of files."""
        return self.query_one(FileTree)

    @property
    def detail_pane(self) -> Details:
        """Return the pane of details."""
        return self.query_one(Details)

    @property
    def bar(self) -> FilterBar:
        """Return the line of the filter."""
        return self.query_one(FilterBar)

    @property
    def contents(self) -> Contents | None:
        """Return what was read so far."""
        return self._state.contents

    @property
    def analysis(self) -> Analysis | None:
        """Return the analysis, None until the waste was found."""
        return self._state.analysis

    @property
    def view(self) -> View | None:
        """Return the View that the file tree shows: the files after a layer, and the changes of some layers; None at first."""
        return self.file_pane.rows.view if self.file_pane.rows is not None else None

    @property
    def layer_range(self) -> LayerRange:
        """Return the layers whose changes are to be shown, given the layer under the cursor, the mark, and the switch `t`."""
        last, marked = max(self.layer_pane.number, 1), self.layer_pane.marked
        return LayerRange.of(last, marked=marked, is_so_far=self._is_so_far, base_layers=self._state.base_layers)

    # While the image is opened, read and analyzed.

    @on(Progressed)
    def _show_progress(self, message: Progressed) -> None:
        self.summary.show_progress(message if message.stage else None)
        self.progressed.publish(message)

    @on(Opened)
    def _show_image(self, message: Opened) -> None:
        number = self.layer_pane.number or len(message.image.layers)
        self._state = ExplorerState(message.image, message.base)
        self._plan_with(None)
        self.summary.show_image(message.image)
        self.layer_pane.mark(0)
        self.layer_pane.show_image(message.image, message.base.layers)
        self.layer_pane.step_to(min(number, len(message.image.layers)))
        self._show_details()

    @on(Read)
    def _show_contents(self, message: Read) -> None:
        self._state.contents, self._state.numbers = message.contents, message.numbers
        self.layer_pane.show_figures(self._state.figures(message.contents))
        shown = self.layer_range
        self.file_pane.show_tree(message.contents.tree.view(shown.first, shown.last), self._order)
        self.panes.want(len(message.contents.tree.nodes) + self.file_pane.heads)  # the root has no row, but the title has one
        self.bar.prepare(self.view, None)
        if not self._is_reading:
            self._say_stopped()
        elif message.is_complete:
            self.summary.show_progress(Progressed("looking for waste", 0, 0, 0))
        self._show_titles()
        self._show_details()

    @on(Analyzed)
    def _show_analysis(self, message: Analyzed) -> None:
        analysis = message.analysis
        self._is_reading = False
        self._state.learn(analysis)
        self.summary.show_analysis(analysis)
        self.layer_pane.show_figures(self._state.figures(analysis.contents))
        self.file_pane.show_waste(analysis.waste)
        self.bar.prepare(self.view, analysis.waste)
        self._plan_with(analysis)
        self._show_details()
        self.refresh_bindings()
        if self._settings.start == "waste":
            self.action_overview("waste")

    def _plan_with(self, analysis: Analysis | None) -> None:
        """Begin with no marks on what is to go from a smaller image."""
        if analysis is None:
            self._planner = None
        else:
            from layerscope.app.slim.planner import SlimPlanner  # numpy, which the first frame does not wait for

            self._planner = SlimPlanner(self.app, analysis)
            self._planner.changed.subscribe(self.file_pane, lambda _: self.file_pane.refresh())
            self.file_pane.show_dropped(self._planner.marks.nodes)
        self.query_one(SlimLine).show(self._planner)

    @on(Failed)
    def _say_failed(self, message: Failed) -> None:
        """Keep what was read before if the image cannot be read again; else let the app end."""
        self._is_reading = False
        error = message.error
        if self.file_pane.rows is not None or isinstance(error, FileChanged):
            message.stop()
            sentence = error.what_happened if isinstance(error, FileChanged) else escape(str(error))
            self.summary.show_note(f"{sentence}; r reads it again")

    @on(Rebuilt)
    def _show_rebuilt(self, message: Rebuilt) -> None:
        """Show a new build of the watched image; the cursors stay on their layer number and path."""
        from layerscope.report.diff_text import summary_sentence

        number = self.layer_pane.number
        self._state = ExplorerState(message.image, message.base, comparison=message.comparison)
        self.summary.show_image(message.image)
        self.layer_pane.mark(0)
        self.layer_pane.show_image(message.image, message.base.layers)
        self.layer_pane.step_to(min(number, len(message.image.layers)))
        numbers = frozenset(layer.number for layer in message.image.layers)
        self._show_contents(Read(message.analysis.contents, numbers, is_complete=True))
        self._show_analysis(Analyzed(message.analysis))
        self.notify(summary_sentence(message.comparison), title="Rebuilt", markup=False)

    # What follows the cursors.

    @on(LayerList.Stepped)
    def _step(self) -> None:
        self._show_layers()
        self._show_details()

    @on(LayerList.Opened)
    @on(InputLine.Entered)
    def _go_to_files(self) -> None:
        self.set_focus(self.file_pane)

    @on(CursorLines.Moved)
    def _cursor_moved(self, event: CursorLines.Moved) -> None:
        if event.lines is self.file_pane:
            self._show_titles()

    def _show_layers(self) -> None:
        """Show the tree with the changes of the current range of layers."""
        shown, view, contents = self.layer_range, self.view, self._state.contents
        if contents is not None and view is not None and (view.first, view.last) != (shown.first, shown.last):
            self.file_pane.show_view(contents.tree.view(shown.first, shown.last))
            self.bar.search_again(self.view)
        self._show_titles()

    def _show_titles(self) -> None:
        files = self.file_pane
        if files.rows is not None:
            marked = marked_words(files.rows.view, files.marked)
            warning = f"{marked} ─ " if marked else ""
            if files.rows.hidden:
                key = next(key for key in self._keys if key.id == "files.all").keys.split(",")[0]
                warning += f"{', '.join(hidden_words(files.rows))} hidden, {key_text(key)} shows all ─ "
            read, room = len(self._state.numbers), files.size.width - 4 - len(warning)
            title = files_title(files.rows, files.node, self.layer_range, read=read, room=room)
            files.show_title(title, warning=warning)

    def _show_details(self) -> None:
        image, number = self._state.image, self.layer_pane.number
        if image is not None:
            details = self.detail_pane
            details.border_title = f"Layer {number} of {len(image.layers)}" if number else "Image"
            details.show(self._state.details(image, number, self.view))

    def on_resize(self, event: events.Resize) -> None:
        """List the steps of the image's history that made no layer if the terminal is wide enough."""
        self.layer_pane.show_steps(has_steps=self._settings.empty_steps and event.size.width >= WIDE)

    # The filter.

    @on(FilterBar.Found)
    def _show_found(self, event: FilterBar.Found) -> None:
        files, view = self.file_pane, self.view
        if event.mask is not None and (event.text != self.bar.text or view is None or event.tree is not view.tree):
            return  # of a search that was ended while its answer was under way, or among files of which more were read since
        files.filter(event.mask, event.best, text=event.text.strip())
        if files.rows is not None and event.mask is not None:
            self.bar.show_count(files.rows.hit_count, is_complete=event.is_complete)

    @on(InputLine.Closed)
    def _unfilter(self, event: InputLine.Closed) -> None:
        """Show all files again: after typing as before the filter, else with the cursor on the match that was gone to."""
        path, rows = self._before_filter if event.was_typed_in else None, self.file_pane.rows
        before = rows.view.tree.nodes.find(path) if path is not None and rows is not None else None
        self.file_pane.filter(None, before)
        self.set_focus(self.file_pane)

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable keys that do nothing now, so that the footer leaves them out."""
        is_missing = (
            (action in NEEDS_TREE and self.contents is None)
            or (action in NEEDS_ANALYSIS and self.analysis is None)
            or (action == "show_all" and (self.file_pane.rows is None or not self.file_pane.rows.hidden))
            or (action in ("step", "export") and self._state.image is None)
            or (action == "filter" and self.bar.is_typed_in)
        )
        return False if is_missing else super().check_action(action, parameters)

    def action_pane(self, step: int) -> None:
        """Go to the next or previous pane: layers, files, details, as far as they are shown; from the filter to the files."""
        if self.bar.is_typed_in:
            self.set_focus(self.file_pane)
            return
        panes = [pane for pane in (self.layer_pane, self.file_pane, self.detail_pane) if pane.is_on_screen]
        at = next((index for index, pane in enumerate(panes) if pane.has_focus), -1)
        self.set_focus(panes[(at + step) % len(panes)])

    def action_details(self) -> None:
        """Show details instead of files in a narrow terminal; move the focus to them in a wide one."""
        details = self.detail_pane
        is_there = self.has_class("-details") if self.has_class("-narrow") else details.has_focus
        if self.has_class("-narrow"):
            self.set_class(not is_there, "-details")
            self.panes.share()
        if is_there:
            self.set_focus(self._before_details or self.layer_pane)
        else:
            self._before_details = self.focused
            self.set_focus(details)

    def action_step(self, step: int) -> None:
        """Step to the next or previous layer."""
        self.layer_pane.action_move(step)

    def action_change(self, step: Literal[1, -1]) -> None:
        """Go to the next or previous change in the files, as many times as was typed."""
        if not all(self.file_pane.go_to_change(step) for _ in range(counted(self.app) or 1)):
            self.notify("No further change " + ("below" if step > 0 else "above"))

    def action_overview(self, name: OverviewName) -> None:
        """Show the waste, the treemap or the biggest files."""
        if self._planner is not None:
            layer, node = max(self.layer_pane.number, 1), self.file_pane.node
            self._ask(self.OverviewRequested(self._planner, name, layer=layer, node=node))

    def jump(self, layer: int, node: int) -> None:
        """Show a file, unfiltered, among the changes of the layer that wrote it."""
        if self.bar.is_on:
            self.bar.close()
            self.file_pane.filter(None)
        if (place := self._place) is not None:
            self._places.leave(place)
            self._jumped_to = layer
        self._is_so_far = False
        self.layer_pane.mark(0)
        self.layer_pane.step_to(layer)
        self._show_layers()
        self.file_pane.hide(frozenset())
        self.file_pane.go_to(node)
        self.set_focus(self.file_pane)

    @property
    def _place(self) -> FilePlace | None:
        """Return where the user is in the files; None before there are any."""
        rows, layers = self.file_pane.rows, self.layer_pane
        if rows is None:
            return None
        node, tree = self.file_pane.node, rows.view.tree
        return FilePlace(tree, node, rows.unfolded, rows.hidden, layers.number, layers.marked, self._is_so_far)

    def _go_to_place(self, place: FilePlace) -> None:
        if self.bar.is_on:
            self.bar.close()
            self.file_pane.filter(None)
        self._jumped_to = 0
        self._is_so_far = place.is_so_far
        self.layer_pane.step_to(place.layer)
        self.layer_pane.mark(place.marked)
        self._show_layers()
        self.file_pane.hide(place.hidden)
        self.file_pane.unfold_as(place.unfolded, place.node)
        self._show_titles()

    def action_travel(self, step: int) -> None:
        """Go back to where the last jump started, or forward again."""
        now = self._place
        place = self._places.go(step, now) if now is not None else None
        if place is None:
            self.notify("There is no place to go " + ("back to" if step < 0 else "forward to"))
        else:
            self._go_to_place(place)

    def action_bookmarks(self) -> None:
        """Show the bookmarks, to go to one or to add one."""
        from layerscope.app.export.menu import Menu

        now = self._place
        if now is None:
            return
        found = self._places.bookmarks(now)

        def go(index: int | None) -> None:
            if index == 0:
                self._places.mark(now)
            elif index is not None:
                self._places.leave(now)
                self._go_to_place(found[index - 1])
                self.set_focus(self.file_pane)

        self.app.push_screen(Menu("Bookmarks", self._places.menu(now)), go)

    def _step_back_from_jump(self) -> bool:
        """Give back the place and the folds from before a jump, once, while its layer is shown; tell whether there was one."""
        jumped_to, self._jumped_to = self._jumped_to, 0
        now = self._place
        if now is None or not jumped_to or now.layer != jumped_to:
            return False
        place = self._places.go(-1, now)
        if place is not None:
            self._go_to_place(place)
        return place is not None

    @on(FileTree.Opened)
    def _view_file(self) -> None:
        self._request_file("content")

    def action_view(self) -> None:
        """View the file under the cursor; of a layer, the details."""
        if self._is_in_files:
            self._request_file("content")
        elif self.layer_pane.has_focus:
            self.action_details()
        else:
            self.notify("These are the details of the layer. A file is viewed from the files.")

    def action_blame(self) -> None:
        """Show every layer that touched the path."""
        if self._is_in_files:
            self._request_file("blame")
        else:
            self.notify("Blame tells which layers touched a path: choose one in the files.")

    def _request_file(self, shows: Literal["content", "blame"]) -> None:
        if self.contents is not None and self.file_pane.node:
            self._ask(self.FileRequested(self.contents, self.file_pane.node, self.layer_range.last, shows=shows))

    def action_filter(self) -> None:
        """Open the filter line below the files; in a narrow terminal, show the files instead of the details."""
        if self.has_class("-details"):
            self.action_details()
        if not self.bar.is_on:
            rows, node = self.file_pane.rows, self.file_pane.node
            self._before_filter = rows.view.tree.nodes.paths[node] if rows is not None and node else None
        self.bar.open()

    def action_sort(self) -> None:
        """Sort the files by the next of the sort orders."""
        self._sort_by(self._order.next_of(ORDERS))

    @on(FileTree.HeadClicked)
    def _sort_by_head(self, event: FileTree.HeadClicked) -> None:
        self._sort_by(event.order)

    def _sort_by(self, order: Order) -> None:
        self._order = order
        self.file_pane.sort(order)
        self._show_titles()
        self.post_message(self.SortChanged(self._order))

    def action_so_far(self) -> None:
        """Switch between the changes of the layer under the cursor and all changes since the base image."""
        self._is_so_far = not self._is_so_far
        self.layer_pane.mark(0)
        self._show_layers()

    def action_mark(self) -> None:
        """Mark the layer under the cursor, or remove its mark: changes are then shown from the marked layer to the cursor's."""
        number = self.layer_pane.number
        self.layer_pane.mark(0 if self.layer_pane.marked == number else number)
        self._show_layers()

    def action_mark_node(self) -> None:
        """Mark the path under the cursor of the files, to extract it with others."""
        if self._is_in_files:
            self.file_pane.mark_under_cursor()
        else:
            self.notify("What is marked with * is extracted: choose it in the files.")

    def action_toggle_change(self, word: str) -> None:
        """Hide or show files by their change."""
        self.file_pane.toggle_change(word)
        self._show_titles()
        self.refresh_bindings()

    def action_show_all(self) -> None:
        """Show the files again that are hidden by their change."""
        self.file_pane.hide(frozenset())
        self._show_titles()
        self.refresh_bindings()

    def action_expand_all(self) -> None:
        self.file_pane.unfold_all(is_open=True)

    def action_collapse_all(self) -> None:
        self.file_pane.unfold_all(is_open=False)

    def action_zoom(self) -> None:
        """Give the pane with the focus all the room; again, or with Escape, share it as before."""
        self.toggle_class("-zoomed")
        self.panes.share()

    def action_share(self, step: int) -> None:
        """Give the pane with the focus more room, or less; as many times as was typed."""
        step *= counted(self.app) or 1
        self.panes.move_divider(-step if self._is_in_files else step)

    def action_attributes(self) -> None:
        """Show or hide mode and owner."""
        self.file_pane.toggle_attributes()

    def action_extract(self) -> None:
        """Ask where to copy what is marked to, or else what is under the cursor.

        It is copied as it is after this layer, or as it was before its removal. In the panes of the layer, that is what
        it wrote.
        """
        if self.contents is None or self.view is None:
            return
        if not self._is_in_files and (number := self.layer_pane.number):
            self._ask(self.ExtractRequested(self.contents, [(self.contents.tree.written_by(number), 0)], layer=number))
            return
        nodes = apart(self.contents.tree, self.file_pane.marked) or [self.file_pane.node]
        parts = [(view, node) for node in nodes if (view := self._view_with(node)).is_visible[node]]
        if parts:
            self._ask(self.ExtractRequested(self.contents, parts))

    def _view_with(self, node: int) -> View:
        """Return the view that is shown, or the one before the layer that removed the node."""
        view, contents = self.view, self.contents
        assert view is not None
        assert contents is not None
        if view.is_visible[node]:
            return view
        line = self.file_pane.line_of(node)
        return contents.tree.view(max((line.gone_in if line else 0) or view.first, 2) - 1)

    def action_export(self, how: Literal["copy", "open", "pipe"]) -> None:
        """Copy, open or pipe the path under the cursor; in the other panes, the layer."""
        from layerscope.app.export.subject import ExportSubject

        image, contents = self._state.image, self.contents
        if contents is not None and self._is_in_files:
            self._ask(ExportRequested(ExportSubject.of_path(contents, self.file_pane.node, self.layer_range.last), how))
        elif image is not None:
            self._ask(ExportRequested(ExportSubject(image, self.layer_pane.number), how))

    def action_save(self) -> None:
        """Ask which view to save: the tree as it is shown, or what is known of the image."""
        from layerscope.app.export.menu import MenuRow
        from layerscope.app.export.saving import Savable, text_page

        image, rows = self._state.image, self.file_pane.rows
        if image is not None and rows is not None:
            name = escape(image.name or image.reference)
            text = self.file_pane.as_text(f"{name} after layer {rows.view.last}: {self.layer_range.title}")
            row = MenuRow("t", "tree", f"{count_text(len(rows), 'row')}, as shown")
            self._ask(SaveRequested(Savable(row, lambda: text().encode(), lambda: text_page(f"Files of {name}", text()))))

    def action_drop(self) -> None:
        """Mark the path under the cursor, to leave it out of a smaller image, or remove its mark."""
        if not self._is_in_files or not self.file_pane.node:
            self.notify("Choose a file or directory to leave out of a smaller image; or waste, with w.")
        elif self._planner is not None:
            if refusal := self._planner.marks.toggle_node(self.file_pane.node):
                self.notify(refusal, severity="warning")
            self._planner.follow()

    def action_slim(self) -> None:
        """Ask where to write a smaller image."""
        if self._planner is not None:
            self._ask(SlimRequested(self._planner))

    @property
    def _is_in_files(self) -> bool:
        """Tell whether keys are about the path under the cursor of the files, and not about the layer."""
        return self.focused not in (self.layer_pane, self.detail_pane)

    def action_back(self) -> None:
        """Step back from zoom, details, filter, marks, range; stop reading; go to the layers; or post Left."""
        if self.has_class("-zoomed"):
            self.action_zoom()
        elif self.has_class("-details"):
            self.action_details()
        elif self.bar.is_on:
            self.bar.close()
        elif self.file_pane.marked:
            self.file_pane.unmark()
        elif self._step_back_from_jump():
            pass
        elif self.layer_pane.marked or self._is_so_far:
            self._is_so_far = False
            self.layer_pane.mark(0)
            self._show_layers()
        elif self._is_reading:
            self.stop_reading()
        elif self.layer_pane.has_focus:
            self._ask(self.Left())
        else:
            self.set_focus(self.layer_pane)
