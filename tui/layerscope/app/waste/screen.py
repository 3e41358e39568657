"""The screen of all waste: its causes, the instructions, the paths. It connects list, tabs and note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from layerscope.analysis import Analysis
from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import KEYS, KeyAction, KeyContext
from layerscope.app.waste.groups import Grouping, Heading
from layerscope.app.waste.note import WasteNote
from layerscope.app.waste.outline import Jump, WasteOutline
from layerscope.app.waste.tabs import WasteTabs
from layerscope.app.waste.waste_lines import WasteLines
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.summary import Summary

GROUPINGS = list(Grouping)


class WasteScreen(Screen[Jump | None]):
    """Shows a WasteOutline, which keeps what was shown. It ends with where to go in the files, or None."""

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
        """Disable all keys but those that go back where nothing is wasted."""
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
