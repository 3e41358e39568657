"""The line above the waste: how much there is, and the groupings to pick from."""

from __future__ import annotations

import numpy as np
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from layerscope.analysis import Analysis
from layerscope.app.waste.groups import Grouping
from layerscope.units import size_text


class WasteTabs(Widget):
    """`Waste: 377 MB in 4 of 10 layers  by [cause]  layer pair …`. It posts Picked when a grouping is clicked."""

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
