"""The panes of the main screen: what stands where in a wide and in a narrow terminal, and what has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget

from layerscope.app.explorer.filter import FilterBar
from layerscope.app.explorer.layers import Layers
from layerscope.app.explorer.tree import Files
from layerscope.app.widgets.details import Details
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.summary import Summary

if TYPE_CHECKING:
    from layerscope.app.app import LayerscopeApp

WIDE = 110
"""Cells from which panes stand side by side."""


class Panes(Screen[None]):
    """Layers and details beside the files, or layers above them; details then take the place of the files when asked for."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual's
    AUTO_FOCUS = "#layers"

    def __init__(self, reference: str) -> None:
        super().__init__()
        self._reference = reference
        self._before_details: Widget | None = None

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
    def summary(self) -> Summary:
        """The line above."""
        return self.query_one(Summary)

    @property
    def layer_pane(self) -> Layers:
        """The pane of layers."""
        return self.query_one(Layers)

    @property
    def file_pane(self) -> Files:
        """The pane of files."""
        return self.query_one(Files)

    @property
    def detail_pane(self) -> Details:
        """The pane of details."""
        return self.query_one(Details)

    @property
    def bar(self) -> FilterBar:
        """The line of the filter."""
        return self.query_one(FilterBar)

    @property
    def scope(self) -> LayerscopeApp:
        """The app, whose settings it reads."""
        return cast("LayerscopeApp", self.app)

    def on_resize(self, event: events.Resize) -> None:
        """Steps that made no layer are shown where there is room for them."""
        self.layer_pane.show_steps(has_steps=self.scope.settings.empty_steps and event.size.width >= WIDE)

    def action_pane(self, step: int) -> None:
        """To the next or previous pane: layers, files, details, as far as they are shown; from the filter to the files."""
        if self.bar.is_typed_in:
            self.set_focus(self.file_pane)
            return
        panes = [pane for pane in (self.layer_pane, self.file_pane, self.detail_pane) if pane.is_on_screen]
        at = next((index for index, pane in enumerate(panes) if pane.has_focus), -1)
        self.set_focus(panes[(at + step) % len(panes)])

    def action_details(self) -> None:
        """In a narrow terminal, details instead of files; in a wide one the focus goes to them."""
        details = self.detail_pane
        is_there = self.has_class("-details") if self.has_class("-narrow") else details.has_focus
        if self.has_class("-narrow"):
            self.set_class(not is_there, "-details")
        if is_there:
            self.set_focus(self._before_details or self.layer_pane)
        else:
            self._before_details = self.focused
            self.set_focus(details)
