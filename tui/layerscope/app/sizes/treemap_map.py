"""The map of the treemap: boxes to move between, by arrows and by the mouse."""

from __future__ import annotations

from typing import ClassVar, Literal

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.sizes.painter import Canvas, Palette, paint
from layerscope.sizes.areas import Areas
from layerscope.sizes.boxes import Box, boxes
from layerscope.sizes.colors import ON_DARK, ON_LIGHT
from layerscope.text import escape
from layerscope.wording.style import code_points

Side = Literal["left", "right", "up", "down"]


class TreemapMap(Widget, can_focus=True):
    """Draws the boxes below a node, and moves a cursor between them. It posts Moved, and Chosen for a box to open."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"map--text", "map--lost", "map--cursor"}

    class Moved(Message):
        """The cursor came to another box."""

    class Chosen(Message):
        """The user opened the box under the cursor."""

    def __init__(self, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._is_ascii = is_ascii
        self._areas: Areas | None = None
        self._node = 0
        self._meant = 0
        self._boxes: list[Box] = []
        self._titles: list[str] = []
        self._cursor = 0
        self._canvas: Canvas | None = None
        self._laid_out = Size()
        self._ground: Style | None = None
        """The map's own colors, cached: Textual takes 0.1 ms to compute them on every access."""

    def show(self, areas: Areas, node: int, meant: int) -> None:
        """Show what is below a node. The cursor goes to the box of the node `meant`, or to the one around it."""
        self._areas, self._node, self._meant = areas, node, meant
        self._lay_out()

    @property
    def box(self) -> Box | None:
        """Return the box under the cursor, None where nothing is shown."""
        return self._boxes[self._cursor] if self._boxes else None

    def _lay_out(self) -> None:
        if self._areas is None or not self.size:
            return
        self._laid_out = self.size
        self._boxes = boxes(self._areas, self._node, self.size.width, 2 * self.size.height)
        self._titles = [self._title(box) for box in self._boxes]
        self._cursor = self._index_of(self._meant)
        self._redraw()
        self.post_message(self.Moved())

    def _index_of(self, node: int) -> int:
        """Return the outermost box that a node is in, the first (biggest) if it is in none."""
        assert self._areas is not None
        end = self._areas.analysis.tree.nodes.end
        outer = (index for index, box in enumerate(self._boxes) if box.depth == 0 and not box.is_rest)
        return next((index for index in outer if self._boxes[index].node <= node < end[self._boxes[index].node]), 0)

    def _title(self, box: Box) -> str:
        assert self._areas is not None
        if box.is_rest:
            return "smaller ones"
        nodes = self._areas.analysis.tree.nodes
        name = escape(nodes.name(box.node)) + ("/" if nodes.end[box.node] > box.node + 1 or not box.node else "")
        return code_points(name) if self._is_ascii else name

    # Drawing.

    def _redraw(self) -> None:
        self._canvas = None
        self.refresh()

    @property
    def _palette(self) -> Palette:
        theme = self.app.current_theme
        shading = None if theme.ansi else ON_DARK if theme.dark else ON_LIGHT
        text, lost, cursor = (
            self.get_component_rich_style(f"map--{name}", partial=True) for name in ("text", "lost", "cursor")
        )
        return Palette(shading, text, lost, cursor, self._is_ascii)

    def render_line(self, y: int) -> Strip:
        """Draw a row of characters."""
        width, height = self.size
        if self._ground is None:
            self._ground = self.rich_style
        if self._laid_out != self.size:  # it is resized, which on_resize is told only afterwards
            return Strip.blank(width, self._ground)
        if not self._boxes:
            sentence = " Nothing here has any bytes." if y == 0 and self._areas is not None else ""
            return Strip([Segment(sentence)]).crop_extend(0, width, self._ground).apply_style(self._ground)
        if self._canvas is None:
            self._canvas = paint(self._boxes, self._titles, self._palette, self._cursor, (width, height))
        return Strip(self._canvas.segments(y), width).apply_style(self._ground)

    def notify_style_update(self) -> None:
        """Draw in the colors of another theme."""
        self._canvas = self._ground = None
        super().notify_style_update()

    def on_resize(self) -> None:
        """Lay out again; the cursor stays on its node."""
        if self.box is not None and not self.box.is_rest:
            self._meant = self.box.node
        self._lay_out()

    # The cursor.

    def _go(self, index: int) -> None:
        if index != self._cursor:
            self._cursor = index
            self._redraw()
            self.post_message(self.Moved())

    def go(self, side: Side) -> None:
        """Go to the nearest box on one side: of the same level, or one that is not divided."""
        if self.box is not None:
            found = neighbor(self._boxes, self._cursor, side)
            self._go(self._cursor if found is None else found)

    def _at(self, event: events.MouseEvent) -> int | None:
        """Return the innermost box under the mouse."""
        x, y = event.x, 2 * event.y + 1
        hit = (i for i, box in enumerate(self._boxes) if box.left <= x < box.right and box.top <= y < box.bottom)
        return max(hit, key=lambda index: self._boxes[index].depth, default=None)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Let the cursor follow the mouse."""
        index = self._at(event)
        if index is not None:
            self._go(index)

    def on_click(self, event: events.Click) -> None:
        """Open the clicked box."""
        index = self._at(event)
        if index is not None:
            self._go(index)
            self.post_message(self.Chosen())


def neighbor(boxes: list[Box], at: int, side: Side) -> int | None:
    """Return the index of the nearest box on one side of box `at`, None where there is none.

    Only boxes of the same level count, and undivided ones of a level further out; nearest is the one whose edge is nearest, of
    those beside the box before others.
    """
    here = boxes[at]
    is_across = side in ("left", "right")
    found: dict[tuple[int, int, int], int] = {}
    for index, box in enumerate(boxes):
        if index == at or box.depth > here.depth or (box.depth < here.depth and box.head):
            continue
        gap = _gap(here, box, side)
        if gap < 0:
            continue
        apart, middle = _apart(here, box, is_across=is_across)
        found.setdefault((apart, gap, middle), index)
    return found[min(found)] if found else None


def _gap(here: Box, box: Box, side: Side) -> int:
    """Return how far a box is beyond an edge of `here`; negative where it is not beyond it."""
    if side == "left":
        return here.left - box.right
    if side == "right":
        return box.left - here.right
    return here.top - box.bottom if side == "up" else box.top - here.bottom


def _apart(here: Box, box: Box, *, is_across: bool) -> tuple[int, int]:
    """Return how far two boxes are from being beside each other, and how far their middles are apart."""
    if is_across:
        one, other = (here.top, here.bottom), (box.top, box.bottom)
    else:
        one, other = (here.left, here.right), (box.left, box.right)
    return max(other[0] - one[1] + 1, one[0] - other[1] + 1, 0), abs(sum(one) - sum(other))
