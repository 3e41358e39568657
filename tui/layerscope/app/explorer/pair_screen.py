"""The screen of two images: it reads both in a thread, then shows them as one tree, and what `layerscope diff` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.segment import Segment
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import ContentSwitcher

from layerscope.app.explorer.loader import Opener
from layerscope.app.explorer.tree import FileTree
from layerscope.app.explorer.tree_lines import hidden_words
from layerscope.app.keys import KeyAction, KeyContext, back, bindings
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.filter import FilterBar
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.home import Home
from layerscope.app.widgets.input_line import InputLine
from layerscope.app.widgets.lines import Detail, Details, Lines
from layerscope.app.widgets.summary import Progressed, ProgressPoster, Summary
from layerscope.errors import Cancelled, LayerscopeError
from layerscope.settings import Order
from layerscope.text import escape
from layerscope.units import count_text, growth_text, size_text
from layerscope.wording.style import Style, cells, cut_end, cut_middle

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.compare.comparison import Comparison
    from layerscope.compare.merged_tree import MergedTree
    from layerscope.tree.tree import Longs

MOST_PATHS = 1000
NEEDS_TREE = {"filter", "sort", "toggle_change", "change", "expand_all", "collapse_all", "view", "extract", "copy"}
GROWTH = 9
"""Cells of a difference of sizes."""
ORDERS = (Order.GROWTH, Order.CHANGE, Order.SIZE, Order.NAME)


@dataclass
class Formatted(Message, bubble=False):
    """The comparison was written for a terminal of `width` cells."""

    text: str
    width: int


@dataclass
class NotRead(Message, bubble=False):
    """One of the images cannot be read, because of `error`."""

    error: LayerscopeError


@dataclass
class Compared(Message, bubble=False):
    """Both images were read, compared and merged."""

    merged: MergedTree


@dataclass(frozen=True, slots=True)
class ImagePair:
    """The old and the new image: `openers` open them, `title` says which. `on_read` is called with both analyses."""

    openers: Sequence[Opener]
    title: str
    on_read: Callable[[tuple[Analysis, Analysis]], object] = lambda _: None

    def screen(self, *, keys: Sequence[KeyAction], is_ascii: bool) -> PairScreen:
        """Return the screen that shows them."""
        return PairScreen(self, keys=keys, is_ascii=is_ascii)


class PairReader:
    """Reads two images in the thread that calls `run`, compares them, and posts Formatted or NotRead."""

    def __init__(self, openers: Sequence[Opener], style: Style, post: Callable[[Message], object]) -> None:
        self._openers, self._post = openers, post
        self.style = style
        self._progress = ProgressPoster(post)
        self._stops: list[Callable[[], object]] = []
        self._comparison: Comparison | None = None

    def stop(self) -> None:
        """End the reading, also what waits for a registry."""
        self._progress.stop()
        for stop in self._stops:
            stop()

    def run(self) -> None:
        """Read both images unless they were read, and post the comparison in the style of the moment."""
        from layerscope.compare.comparison import compare
        from layerscope.compare.merged_tree import MergedTree
        from layerscope.report.diff_text import diff_text

        try:
            if self._comparison is None:
                old, new = (self._analysis(opener) for opener in self._openers)
                self._comparison = compare(old, new)
                self._post(Compared(MergedTree.of(self._comparison)))
            style = self.style
            self._post(Formatted(diff_text(self._comparison, style, limit=MOST_PATHS), style.width))
        except Cancelled:
            pass
        except LayerscopeError as error:
            self._post(NotRead(error))
        except (OSError, MemoryError) as error:
            self._post(NotRead(LayerscopeError(str(error))))

    def _analysis(self, opener: Opener) -> Analysis:
        from layerscope.analysis import analyze, read_image

        image, base = opener(self._progress)
        self._stops.append(image.stop_reading)
        contents = read_image(image, progress=self._progress)
        self._progress.check()
        return analyze(contents, base_layers=base.layers, base_name=base.name)


class ReportLines(Lines):
    """Shows the lines of a report with the colors that it was written in."""

    def __init__(self, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._lines: list[str] = []
        self._told = ""

    @property
    def nothing(self) -> str:
        return self._told

    def tell(self, sentence: str) -> None:
        """Show a sentence in place of lines."""
        self._told = sentence
        self.set_count(0)

    def show(self, text: str) -> None:
        """Show another report."""
        self._lines = text.splitlines()
        self.set_count(len(self._lines))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        text = Text.from_ansi(self._lines[line], end="", no_wrap=True)
        return [Segment(" "), *text.render(self.app.console)]


class PairSummary(Summary):
    """The two images, and how far they are read until they are; then how much the new one grew."""

    def __init__(self, title: str, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(title, id=id, is_ascii=is_ascii)
        self.has_ended = False
        self._said = ""

    def end(self, said: str = "") -> None:
        """Show no progress any more but what is `said`."""
        self.has_ended, self._said = True, said
        self.refresh()

    def _right(self, width: int) -> list[Segment]:
        return [Segment(f"{self._said} ")] if self.has_ended else super()._right(width)


class PairTree(FileTree):
    """The merged tree of two images, with how many bytes each file or directory grew."""

    lead = GROWTH + 1

    def __init__(self, *, opens_itself: bool, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(("mode", "owner", "size"), opens_itself=opens_itself, id=id, is_ascii=is_ascii)
        self.growth: Longs | None = None

    def show_growth(self, growth: Longs) -> None:
        """Show how many bytes each node grew (int64, below zero: shrank), and sort by it where that is asked for."""
        self.growth = growth
        if self.rows is not None:
            self.rows.set_column(Order.GROWTH, abs(growth))

    def head(self, room: int) -> list[Segment]:
        """Draw the head of the growth before those of a file tree."""
        is_sorted = self.rows is not None and self.rows.order is Order.GROWTH
        head, look = ("growth▾", "key") if is_sorted else ("growth", "dim")
        return [Segment(f"{head:>{GROWTH}} ", self.style(look)), *super().head(room)]

    def order_at(self, x: int) -> Order | None:
        """Return what the head at cell `x` sorts by."""
        return Order.GROWTH if x < GROWTH else super().order_at(x)

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw the growth before what a file tree shows."""
        assert self.growth is not None
        assert self.rows is not None
        grown = int(self.growth[int(self.rows.nodes[line])])
        style = self.style("removed" if grown > 0 else "added" if grown else "dim")
        text = growth_text(grown) if grown else "="
        return [Segment(f"{text:>{GROWTH}} ", style), *super().segments(line, room - GROWTH - 1)]


class PairScreen(Home):
    """Shows two images as one tree with the changes between them; Tab shows the report, to scroll through.

    It is opened from a list, to which Escape goes back, or is the first screen.
    """

    class FileRequested(Message):
        """The user wants to see what `node` is in both images, or to copy it, from the new image if it is there."""

        def __init__(self, merged: MergedTree, node: int, what: Literal["view", "extract", "copy"]) -> None:
            self.merged, self.node, self.what = merged, node, what
            super().__init__()

    CONTEXT = KeyContext.PAIR
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.PAIR), back("back")]
    AUTO_FOCUS = "#pair"

    def __init__(self, pair: ImagePair, *, keys: Sequence[KeyAction], is_ascii: bool) -> None:
        super().__init__()
        self._pair, self._keys, self._is_ascii = pair, keys, is_ascii
        self._is_busy = False
        self._order = Order.GROWTH
        self._merged: MergedTree | None = None
        self._reader = PairReader(pair.openers, Style(is_ascii=is_ascii, has_color=True), self.post_message)

    def compose(self) -> ComposeResult:
        yield PairSummary(self._pair.title, id="summary", is_ascii=self._is_ascii)
        with ContentSwitcher(initial="pair", id="pair-views"):
            yield PairTree(id="pair", opens_itself=self.opens_files, is_ascii=self._is_ascii)
            yield ReportLines(id="pair-report", is_ascii=self._is_ascii)
        yield FilterBar(id="filter")
        yield Details(id="pair-note")
        yield Footer(self._keys, id="footer")

    def on_mount(self) -> None:
        """The note needs no focus."""
        self.query_one("#pair-note").can_focus = False

    def on_resize(self) -> None:
        """Read the images the first time, and write the report for the new width."""
        self._reader.style = Style(max(self.size.width - 2, 40), has_color=True, is_ascii=self._is_ascii)
        self._start()
        self._tell()

    def _start(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self.run_worker(self._reader.run, thread=True, group="load")

    def on_unmount(self) -> None:
        """Stop reading."""
        self.stop()

    def stop(self) -> None:
        self._reader.stop()

    @property
    def pane(self) -> PairTree:
        """Return the tree."""
        return self.query_one(PairTree)

    @property
    def report(self) -> ReportLines:
        """Return the report."""
        return self.query_one(ReportLines)

    @property
    def bar(self) -> FilterBar:
        """Return the line of the filter."""
        return self.query_one(FilterBar)

    @on(Progressed)
    def _show_progress(self, message: Progressed) -> None:
        self.query_one(PairSummary).show_progress(message)

    @on(Compared)
    def _show_tree(self, message: Compared) -> None:
        merged = self._merged = message.merged
        old, new = merged.comparison.old.waste.content_bytes, merged.comparison.new.waste.content_bytes
        self.query_one(PairSummary).end(f"{size_text(old)} → {size_text(new)} ({growth_text(new - old)})")
        self.pane.show_tree(merged.view, self._order)
        self.pane.show_growth(merged.growth)
        self.pane.toggle_change("unchanged")
        self._show_title()
        self._tell()
        self.refresh_bindings()
        self._pair.on_read((merged.comparison.old, merged.comparison.new))

    @on(Formatted)
    def _show_report(self, message: Formatted) -> None:
        self._is_busy = False
        self.report.show(message.text)
        if message.width != self._reader.style.width:  # the terminal was resized meanwhile
            self._start()

    @on(NotRead)
    def _say(self, message: NotRead) -> None:
        self.query_one(PairSummary).end()
        if len(self.app.screen_stack) == 1:
            self.post_message(self.Broken(message.error))
            return
        self.query_one(ContentSwitcher).current = "pair-report"
        self.report.tell(str(message.error))

    # What follows the cursor.

    def _show_title(self) -> None:
        rows, merged = self.pane.rows, self._merged
        if rows is not None and merged is not None:
            from layerscope.tree.tree import Change

            counts = merged.comparison
            changes = f"+{counts.count(Change.ADDED):,} ~{counts.count(Change.MODIFIED):,} -{counts.count(Change.REMOVED):,}"
            order = "" if rows.order is Order.NAME else f" · by {rows.order.value}"
            hidden = f" · without {', '.join(hidden_words(rows))}" if rows.hidden else ""
            self.pane.show_title(f"{changes} paths{order}{hidden}")

    @on(CursorLines.Moved)
    def _tell(self) -> None:
        merged, pane = self._merged, self.pane
        said = pair_note(merged, pane.node, self.size.width - 3) if merged is not None and pane.node else []
        self.query_one("#pair-note", Details).show([Detail(line) for line in said])

    # The filter.

    @on(FilterBar.Found)
    def _show_found(self, event: FilterBar.Found) -> None:
        if event.mask is not None and event.text != self.bar.text:
            return  # of a search that was ended while its answer was under way
        self.pane.filter(event.mask, event.best, text=event.text.strip())
        if self.pane.rows is not None and event.mask is not None:
            self.bar.show_count(self.pane.rows.hit_count, is_complete=event.is_complete)

    @on(InputLine.Closed)
    def _unfilter(self) -> None:
        self.pane.filter(None)
        self.set_focus(self.pane)

    @on(InputLine.Entered)
    def _to_files(self) -> None:
        self.set_focus(self.pane)

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what needs the tree until it is there, and while the report is shown."""
        is_tree = self._merged is not None and self.pane.display
        if action in NEEDS_TREE and not is_tree:
            return False
        if action == "filter" and self.bar.is_typed_in:
            return False
        return super().check_action(action, parameters)

    def action_report(self) -> None:
        """Show the report, or the tree again."""
        views = self.query_one(ContentSwitcher)
        views.current = "pair" if views.current == "pair-report" else "pair-report"
        self.set_focus(self.query_one(f"#{views.current}"))
        self.refresh_bindings()

    def action_filter(self) -> None:
        """Open the filter of the merged tree."""
        if self._merged is not None:
            self.bar.prepare(self._merged.view, None)
            self.bar.open()

    @on(FileTree.Opened)
    def action_view(self) -> None:
        """Compare the contents of the file under the cursor."""
        self._request("view")

    def action_extract(self) -> None:
        """Ask where to copy what is under the cursor to."""
        self._request("extract")

    def action_copy(self) -> None:
        """Ask what to copy of what is under the cursor."""
        self._request("copy")

    def _request(self, what: Literal["view", "extract", "copy"]) -> None:
        if self._merged is not None and self.pane.node:
            self.post_message(self.FileRequested(self._merged, self.pane.node, what))

    def action_sort(self) -> None:
        """Sort by the next of the orders."""
        self._sort(self._order.next_of(ORDERS))

    @on(FileTree.HeadClicked)
    def _sort_by_head(self, event: FileTree.HeadClicked) -> None:
        self._sort(event.order)

    def _sort(self, order: Order) -> None:
        self._order = order
        self.pane.sort(order)
        self._show_title()

    def action_toggle_change(self, word: str) -> None:
        self.pane.toggle_change(word)
        self._show_title()

    def action_change(self, step: Literal[1, -1]) -> None:
        """Go to the next or previous change."""
        if not self.pane.go_to_change(step):
            self.notify("No further change " + ("below" if step > 0 else "above"))

    def action_expand_all(self) -> None:
        self.pane.unfold_all(is_open=True)

    def action_collapse_all(self) -> None:
        self.pane.unfold_all(is_open=False)

    def action_back(self) -> None:
        """Step back from the filter, else the report, else to the list."""
        if self.bar.is_on:
            self.bar.close()
        elif self.query_one(ContentSwitcher).current == "pair-report" and self._merged is not None:
            self.action_report()
        elif len(self.app.screen_stack) > 1 and self.is_current:
            self.dismiss()


def pair_note(merged: MergedTree, node: int, room: int) -> list[str]:
    """Return a line of at most `room` cells about a path: its bytes in both images and what differs."""
    from layerscope.tree.tree import Change

    view, change = merged.view, Change(int(merged.view.change[node]))
    now, words = int(view.subtree_bytes[node]), merged.difference(node)
    was = now - int(merged.growth[node])
    sizes = {Change.ADDED: size_text(now), Change.REMOVED: size_text(was)}.get(change, f"{size_text(was)} → {size_text(now)}")
    below = int(view.subtree_changes[node]) - (change is not Change.UNCHANGED)
    facts = (
        "" if change is Change.UNCHANGED else change.name.lower(),
        sizes,
        f"other {', '.join(words)}" if words else "",
        f"{count_text(below, 'change')} below" if below else "",
    )
    said = "  " + " · ".join(filter(None, facts))
    return [cut_end(cut_middle("/" + escape(view.tree.nodes.paths[node]), max(room - cells(said), 8)) + said, room)]
