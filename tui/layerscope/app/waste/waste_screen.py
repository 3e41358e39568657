"""The screen of all waste: its causes, the instructions, the paths. It connects list, tabs and note."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from rich.segment import Segment
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from layerscope.advice.advice import Fix
from layerscope.analysis import Analysis
from layerscope.app.export.requests import SaveRequested, SlimRequested
from layerscope.app.keys import KEYS, KeyAction, KeyContext, bindings
from layerscope.app.slim.planner import SlimPlanner
from layerscope.app.slim.slim_line import SlimLine
from layerscope.app.waste.advice_lines import FixEdit, FixLines
from layerscope.app.waste.fix_outline import FixOutline
from layerscope.app.waste.outline import Grouping, Heading, WasteOutline
from layerscope.app.waste.waste_lines import WasteLines, WasteNote
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.overview import Overview
from layerscope.app.widgets.summary import Summary
from layerscope.errors import LayerscopeError
from layerscope.units import count_text, size_text

GROUPINGS = list(Grouping)
SAVED_BY = {Grouping.ADVICE: "path", Grouping.PAIR: "layer"}
"""What the command calls the groupings that it calls otherwise; what to change is in the report."""


class WasteTabs(Widget):
    """A line: `Waste: 377 MB in 4 of 10 layers  [advice] cause  layer pair …`. It posts Picked when a tab is clicked."""

    COMPONENT_CLASSES = {"tabs--title", "tabs--tab", "tabs--active"}  # noqa: RUF012 - Textual's

    class Picked(Message):
        """The user wants another grouping."""

        def __init__(self, grouping: Grouping) -> None:
            self.grouping = grouping
            super().__init__()

    def __init__(self, analysis: Analysis, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        waste, layers = analysis.waste, len(analysis.image.layers)
        writers = int(np.count_nonzero(waste.by_layer(analysis.tree.layers)))
        size = size_text(waste.wasted_bytes) if len(waste) else "nothing"
        self._titles = (f" Waste: {size} in {writers} of {layers} layers", f" Waste: {size}", "")
        self._active = Grouping.ADVICE
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
        title = next((each for each in self._titles if len(each) + len("  ") + tabs <= width), "")
        segments = [Segment(title + "  " if title else "", self.get_component_rich_style("tabs--title", partial=True))]
        at, self._places = len(segments[0].text), []
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


class WasteScreen(Overview):
    """Shows a FixOutline and a WasteOutline, which remember what is open; marks are those of `planner`.

    It ends with where to go in the files, or None.
    """

    NAME = "waste"
    BINDINGS: ClassVar[list[BindingType]] = bindings(KeyContext.WASTE)
    AUTO_FOCUS = ""

    def __init__(
        self,
        outline: WasteOutline,
        fixes: FixOutline,
        planner: SlimPlanner,
        *,
        keys: Sequence[KeyAction] = KEYS,
        is_ascii: bool = False,
    ) -> None:
        super().__init__()
        self._fixes, self._planner = fixes, planner
        self._outline, self._keys, self._is_ascii = outline, keys, is_ascii

    def compose(self) -> ComposeResult:
        yield Summary(self._outline.analysis.image.reference, id="summary", is_ascii=self._is_ascii)
        yield WasteTabs(self._outline.analysis, id="waste-tabs")
        yield FixLines(self._fixes, id="fixes", is_ascii=self._is_ascii)
        yield FixEdit(self._fixes, id="fix-edit")
        yield WasteLines(self._outline, self._planner.marks, id="waste", is_ascii=self._is_ascii)
        yield WasteNote(self._outline, id="waste-note")
        yield SlimLine(id="slim-line")
        yield Footer(self._keys, id="footer", without=f"explore.{self.NAME}")

    def on_mount(self) -> None:
        summary, analysis = self.query_one(Summary), self._outline.analysis
        summary.show_image(analysis.image)
        summary.show_analysis(analysis)
        self.query_one(SlimLine).show(self._planner)
        self._planner.changed.subscribe(self.pane, lambda _: self.pane.refresh())
        self._show(self.tab)

    @property
    def pane(self) -> WasteLines:
        """Return the list of waste."""
        return self.query_one(WasteLines)

    @property
    def fix_pane(self) -> FixLines:
        """Return the list of what to change."""
        return self.query_one(FixLines)

    @property
    def edit_pane(self) -> FixEdit:
        """Return the edit of the fix under the cursor."""
        return self.query_one(FixEdit)

    @property
    def has_advice(self) -> bool:
        """Tell whether what to change is shown, and not waste."""
        return self._fixes.is_shown

    @property
    def tab(self) -> Grouping:
        """Return what is shown."""
        return Grouping.ADVICE if self.has_advice else self._outline.grouping

    def _show(self, grouping: Grouping) -> None:
        self.query_one(WasteTabs).show(grouping)
        self._fixes.is_shown = grouping is Grouping.ADVICE
        self.set_class(self.has_advice, "-advice")
        if self.has_advice:
            self._find_fixes()
            self.fix_pane.show()
            self.set_focus(self.fix_pane)
        else:
            self.pane.show(grouping)
            self.set_focus(self.pane)
        self._tell()

    def _find_fixes(self) -> None:
        """Look for what to change, once, in a thread of the app: the screen may be closed before it is found."""
        if not self._fixes.is_begun:
            self._fixes.is_begun = True
            self.app.run_worker(partial(_find, self._fixes, self.app), thread=True, group="advice")

    def show_found(self) -> None:
        """Show what was found, if the user still waits for it."""
        if self.has_advice:
            self.fix_pane.show()
            self._tell()

    @on(WasteTabs.Picked)
    def _pick(self, event: WasteTabs.Picked) -> None:
        self._show(event.grouping)

    @on(CursorLines.Moved)
    def _tell(self) -> None:
        line, fix = self.pane.line, self.fix_pane.line
        if self.has_advice:
            self.edit_pane.tell(fix if isinstance(fix, Fix) else None)
        else:
            self.query_one(WasteNote).tell(None if isinstance(line, Heading) else line)
        self.refresh_bindings()

    @on(CursorLines.Chosen)
    def _chosen(self) -> None:
        self.action_show_in_files()

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the keys for lines where there are none."""
        if action == "sort" and self.is_mounted:
            return bool(self.pane.count) and not self.has_advice
        if action == "drop" and self.is_mounted and (self.has_advice or not self.pane.count):
            return False
        if action in ("open", "show_in_files", "fold", "unfold", "copy") and self.is_mounted:
            count = self.fix_pane.count if self.has_advice else self.pane.count
            has_patch = self.has_advice and isinstance(self.fix_pane.line, Fix)
            if not count or (action == "copy" and not has_patch):
                return False
        return super().check_action(action, parameters)

    def action_open(self) -> None:
        self.fix_pane.choose() if self.has_advice else self.pane.choose()

    def action_fold(self) -> None:
        """Fold a group; go back from the edit to the fixes."""
        self.set_focus(self.fix_pane) if self.has_advice else self.pane.fold()

    def action_unfold(self) -> None:
        """Unfold a group; go from a fix to its edit, to scroll through it."""
        self.set_focus(self.edit_pane) if self.has_advice else self.pane.unfold()

    def action_group(self, step: int) -> None:
        """Show the next or previous grouping."""
        self._show(GROUPINGS[(GROUPINGS.index(self.tab) + step) % len(GROUPINGS)])

    def action_show_in_files(self) -> None:
        """Show the line under the cursor in the files, at the layer that wrote it."""
        line, fix = self.pane.line, self.fix_pane.line
        if self.has_advice:
            if isinstance(fix, Fix) and (jump := self._fixes.jump(fix)) is not None:
                self.end(jump)
        elif line is not None and not isinstance(line, Heading):
            self.end(self._outline.jump(line))

    def action_copy(self) -> None:
        """Copy the patch of the fix under the cursor, or what to do by hand."""
        fix = self.fix_pane.line
        if isinstance(fix, Fix):
            self.run_worker(partial(self._copy, self.app, fix), thread=True, exclusive=True, group="copy")

    def _copy(self, app: App[object], fix: Fix) -> None:
        """Make the patch as `layerscope fix --only` does, which takes seconds, and copy it."""
        try:
            text = self._fixes.patch(fix)
        except LayerscopeError as error:
            app.call_from_thread(app.notify, str(error), severity="error", markup=False)
            return
        what = f"The patch of {fix.id} ({count_text(text.count(chr(10)), 'line')})" if text else "What to do by hand"
        app.call_from_thread(app.copy_to_clipboard, text or f"{fix.sentence} {fix.by_hand}")
        app.call_from_thread(app.notify, f"{what} was copied", markup=False)

    def action_sort(self) -> None:
        """Sort the waste by the next order."""
        self.pane.sort_by_next()

    def action_drop(self) -> None:
        """Mark the line under the cursor, to leave it out of a smaller image, or remove its mark."""
        rows = self.pane.rows_under_cursor
        if len(rows):
            if refusal := self._planner.marks.toggle_rows(rows):
                self.notify(refusal, severity="warning")
            self._planner.follow()

    def action_slim(self) -> None:
        """Ask where to write a smaller image."""
        self.post_message(SlimRequested(self._planner))

    def action_save(self) -> None:
        """Ask whether to save the waste or the report."""
        self.post_message(SaveRequested(None, SAVED_BY.get(self.tab, self.tab.value)))

    def action_back(self) -> None:
        """Go back to the files as they were."""
        self.end(None)


def _find(fixes: FixOutline, app: App[object]) -> None:
    """Find what to change, and show it on the waste screen that is then open: it may be another one than at the start."""
    fixes.find()

    def show() -> None:
        if isinstance(app.screen, WasteScreen):
            app.screen.show_found()

    app.call_from_thread(show)
