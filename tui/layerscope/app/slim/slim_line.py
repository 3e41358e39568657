"""A line that says what the smaller image comes to; it is there as long as something is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from layerscope.units import count_text, percent_text, size_text
from layerscope.wording.style import cells, cut_end

if TYPE_CHECKING:
    from layerscope.app.slim.planner import SlimPlanner
    from layerscope.slim.plan import Plan


class SlimLine(Widget):
    """Shows what a SlimPlanner found: `slim: 1.12 GB to 705 MB, 98.2% efficient, ≈ 230 MB to push again`."""

    COMPONENT_CLASSES = {"slim--text", "slim--warning", "slim--dim"}  # noqa: RUF012 - Textual's

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._planner: SlimPlanner | None = None
        self.display = False

    def show(self, planner: SlimPlanner | None) -> None:
        """Show what another planner finds, or nothing."""
        if self._planner is not None:
            self._planner.changed.unsubscribe(self)
        self._planner = planner
        if planner is not None:
            planner.changed.subscribe(self, self._show_change)
        self._show_change(planner)

    def _show_change(self, planner: SlimPlanner | None) -> None:
        self.display = planner is not None and planner.marks.has_any
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw as many parts as fit."""
        width, base = self.size.width, self.rich_style
        if y or self._planner is None:
            return Strip.blank(width, base)
        segments = [Segment(" ")]
        left = width - 2
        for index, (text, look) in enumerate(slim_parts(self._planner)):
            joint = "  " if index else ""
            if index and cells(joint + text) > left:
                continue
            shown = joint + cut_end(text, left)
            segments.append(Segment(shown, self.get_component_rich_style(f"slim--{look}", partial=True)))
            left -= cells(shown)
        return Strip(segments).crop_extend(0, width, base).apply_style(base)


def slim_parts(planner: SlimPlanner) -> list[tuple[str, str]]:
    """Return the parts of the line, each with its look, the most important ones first."""
    plan = planner.plan
    if planner.problem:
        return [(f"slim: {planner.problem}", "warning")]
    later = [] if planner.is_up_to_date else [("…", "dim")]
    if plan is None:
        return [("slim: working out what goes …", "text")]
    return [*_figures(plan), *later, *_notes(planner, plan)]


def _figures(plan: Plan) -> list[tuple[str, str]]:
    if not plan.rewritten:
        return [("slim: no layer gets smaller without what is marked", "warning")]
    before, after = plan.analysis.waste.content_bytes, plan.left_bytes
    parts = [(f"slim: {size_text(before)} to {size_text(after)}, {percent_text(plan.efficiency)} efficient", "text")]
    if plan.asked_paths:
        verb = "goes" if plan.asked_paths == 1 else "go"
        parts.append((f"! not the same files: {count_text(plan.asked_paths, 'path')} {verb}", "warning"))
    return [*parts, (f"≈ {size_text(plan.push_bytes)} to push again", "text")]


def _notes(planner: SlimPlanner, plan: Plan) -> list[tuple[str, str]]:
    goes = "only the marked waste goes" if planner.marks.has_rows else "all waste goes"
    return [("W writes it", "dim"), (goes, "dim")] if plan.rewritten else []
