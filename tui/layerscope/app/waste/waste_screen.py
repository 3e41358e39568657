"""The screen of all waste: its causes, the instructions, the paths. It connects list, tabs and note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from layerscope.analysis import Analysis
from layerscope.app.keys import KEYS, KeyAction, KeyContext, bindings
from layerscope.app.waste.outline import Grouping, Heading, WasteOutline
from layerscope.app.waste.waste_lines import WasteLines, WasteNote
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.jump import Jump
from layerscope.app.widgets.summary import Summary
from layerscope.units import size_text

GROUPINGS = list(Grouping)


class WasteTabs(Widget):
    """A line: `Waste: 377 MB in 4 of 10 layers  by [cause]  layer pair …`. It posts Picked when a grouping is clicked."""

    COMPONENT_CLASSES = {"tabs--title", "tabs--tab", "tabs--active", "tabs--by"}  # noqa: RUF012 - Textual's

    class Picked(Message):
        """The user wants another grouping."""

        def __init__(self, grouping: Grouping) -> None:
            self.grouping = grouping
            super().__init__()

    def __init__(self, analysis: Analysis, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        waste, layers = analysis.waste, len(analysis.image.layers)
        writers = int(np.count_nonzero(waste.by_layer(analysis.tree.layers)))
        self._titles = (
            f" Waste: {size_text(waste.wasted_bytes)} in {writers} of {layers} layers",
            f" Waste: {size_text(waste.wasted_bytes)}",
            "",
        )
        self._active = Grouping.CAUSE
        self._places: list[tuple[int, int, Grouping]] = []

    def show(self, grouping: Grouping) -> None:
        """Mark the grouping that is shown."""
        self._active = grouping
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw title and groupings; the title is shortened first, then only the active grouping is shown."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        groupings, tabs = list(Grouping), sum(len(each.value) + 2 for each in Grouping)
        if tabs > width:
            groupings = [self._active]
        title = next((each for each in self._titles if len(each) + len("  by ") + tabs <= width), "")
        by = "  by " if title else ""
        segments = [
            Segment(title, self.get_component_rich_style("tabs--title", partial=True)),
            Segment(by, self.get_component_rich_style("tabs--by", partial=True)),
        ]
        at, self._places = len(title + by), []
        for each in groupings:
            text, name = (f"[{each.value}]", "active") if each is self._active else (f" {each.value} ", "tab")
            self._places.append((at, at + len(text), each))
            segments.append(Segment(text, self.get_component_rich_style(f"tabs--{name}", partial=True)))
            at += len(text)
        return Strip(segments).crop_extend(0, width, base).apply_style(base)

    def on_click(self, event: events.Click) -> None:
        for start, end, grouping in self._places:
            if start <= event.x < end:
                self.post_message(self.Picked(grouping))


class WasteScreen(Screen[Jump | None]):
    """Shows a WasteOutline, which remembers cursors and open groups. It ends with where to go in the files, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.WASTE)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-medium"), (36, "-tall")]  # noqa: RUF012 - Textual's
    AUTO_FOCUS = "#waste"

    def __init__(self, outline: WasteOutline, *, keys: Sequence[KeyAction] = KEYS, is_ascii: bool = False) -> None:
        super().__init__()
        self._outline, self._keys, self._is_ascii = outline, keys, is_ascii

    def compose(self) -> ComposeResult:
        yield Summary(self._outline.analysis.image.reference, id="summary", is_ascii=self._is_ascii)
        if len(self._outline.waste):
            yield WasteTabs(self._outline.analysis, id="waste-tabs")
            yield WasteLines(self._outline, id="waste", is_ascii=self._is_ascii)
            yield WasteNote(self._outline, id="waste-note")
        else:
            yield Static(Content(nothing_wasted(self._outline.analysis)), id="waste-none")
        yield Footer(self._keys, id="footer")

    def on_mount(self) -> None:
        summary, analysis = self.query_one(Summary), self._outline.analysis
        summary.show_image(analysis.image)
        summary.show_analysis(analysis)
        if len(self._outline.waste):
            self._show(self._outline.grouping)

    @property
    def pane(self) -> WasteLines:
        """Return the list."""
        return self.query_one(WasteLines)

    def _show(self, grouping: Grouping) -> None:
        self.query_one(WasteTabs).show(grouping)
        self.pane.show(grouping)

    @on(WasteTabs.Picked)
    def _pick(self, event: WasteTabs.Picked) -> None:
        self._show(event.grouping)

    @on(CursorLines.Moved)
    def _tell(self) -> None:
        line = self.pane.line
        self.query_one(WasteNote).tell(None if isinstance(line, Heading) else line)

    @on(CursorLines.Chosen)
    def _chosen(self) -> None:
        self.action_show_in_files()

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable all keys except those that go back if nothing is wasted."""
        if action in ("open", "group", "show_in_files", "fold", "unfold") and not len(self._outline.waste):
            return False
        return super().check_action(action, parameters)

    def action_open(self) -> None:
        self.pane.choose()

    def action_fold(self) -> None:
        self.pane.fold()

    def action_unfold(self) -> None:
        self.pane.unfold()

    def action_group(self, step: int) -> None:
        """Show the next or previous grouping."""
        self._show(GROUPINGS[(GROUPINGS.index(self._outline.grouping) + step) % len(GROUPINGS)])

    def action_show_in_files(self) -> None:
        """Show the line under the cursor in the files, at the layer that wrote it."""
        line = self.pane.line
        if line is not None and not isinstance(line, Heading):
            self._end(self._outline.jump(line))

    def action_back(self) -> None:
        """Go back to the files as they were."""
        self._end(None)

    def _end(self, jump: Jump | None) -> None:
        # A third click is still on its way when the second has ended it: Textual would close the screen below, too.
        if self.is_current:
            self.dismiss(jump)


def nothing_wasted(analysis: Analysis) -> str:
    """Return the sentence for an image without waste."""
    if analysis.contents.is_complete:
        return "Nothing is wasted: a container sees every byte that the layers carry."
    return "Nothing is wasted in the parts that could be read; others could not (`i` shows the problems)."
