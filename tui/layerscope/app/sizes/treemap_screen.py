"""The screen of the treemap: where the bytes of the image, a layer or a directory are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from layerscope.analysis import Analysis
from layerscope.app.keys import KEYS, KeyAction, KeyContext, back, bindings
from layerscope.app.sizes.painter import HATCH
from layerscope.app.sizes.treemap_map import Side, TreemapMap
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.jump import Jump
from layerscope.app.widgets.lines import Detail, Details
from layerscope.app.widgets.overview import Overview
from layerscope.app.widgets.summary import Summary
from layerscope.sizes.areas import Areas
from layerscope.sizes.boxes import Box
from layerscope.text import escape
from layerscope.units import count_text, percent_text, size_text
from layerscope.wording.style import cells, cut_end, cut_middle

SHORTEST_PATH = 24
"""The cells of a path for which other facts are left out."""


class TreemapState:
    """What the treemap shows: `areas` of a layer, or of all; what is below `node`, and the cursor at the node `meant`."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis, self.areas = analysis, Areas.of(analysis)
        self.node = self.meant = 0

    def come_from(self, node: int) -> None:
        """Put the cursor where the files' cursor is, `node`; show the whole image if it is not in the directory shown."""
        if not self.node <= node < self.analysis.tree.nodes.end[self.node]:
            self.node = 0
        self.meant = node

    def step(self, step: int) -> None:
        """Show the next or previous layer; all layers stand between the last and the first."""
        layer = (self.areas.layer + step) % (self.analysis.tree.layers + 1)
        self.areas = Areas.of(self.analysis, layer)

    def zoom(self, node: int) -> None:
        self.node = self.meant = node

    def out(self) -> bool:
        """Show the directory around the one shown; return False where there is none."""
        if not self.node:
            return False
        self.meant, self.node = self.node, int(self.analysis.tree.nodes.parent[self.node])
        return True


class Trail(Widget):
    """The line above the map: `all layers / usr / lib`, its bytes, and what the hatching means. It posts Picked on a click."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"trail--where", "trail--step", "trail--dim"}

    class Picked(Message):
        """The user clicked on the directory `node`."""

        def __init__(self, node: int) -> None:
            self.node = node
            super().__init__()

    def __init__(self, state: TreemapState, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._state = state
        self._places: list[tuple[int, int, int]] = []

    def render_line(self, y: int) -> Strip:
        """Draw the way to the shown directory, cut in the middle where it is too long."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        state = self._state
        nodes, areas = state.analysis.tree.nodes, state.areas
        start = f" Layer {areas.layer} of {state.analysis.tree.layers}" if areas.layer else " All layers"
        size, lost = int(areas.size[state.node]), int(areas.wasted[state.node])
        end = f"  {seen_and_wasted(size, lost)}" + (f" {HATCH}{HATCH}" if lost else "")
        room = width - cells(start + end) - 1
        chain = nodes_above(state)
        path = "".join(f" / {escape(nodes.name(node))}" for node in chain)
        self._places, segments = [(0, cells(start), 0)], [Segment(start, self._look("step" if chain else "where"))]
        if cells(path) > room:
            segments.append(Segment(cut_middle(path, max(room, 0)), self._look("where")))
        else:
            at = cells(start)
            for node in chain:
                name = escape(nodes.name(node))
                segments += [
                    Segment(" / ", self._look("dim")),
                    Segment(name, self._look("where" if node == state.node else "step")),
                ]
                self._places.append((at, at := at + cells(name) + 3, node))
        segments.append(Segment(end))
        return Strip(segments).crop_extend(0, width, base).apply_style(base)

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"trail--{name}", partial=True)

    def on_click(self, event: events.Click) -> None:
        for start, end, node in self._places:
            if start <= event.x < end:
                self.post_message(self.Picked(node))


def nodes_above(state: TreemapState) -> list[int]:
    """Return the shown directory and the directories around it, from the outermost, without the root."""
    found, node = [], state.node
    while node:
        found.append(node)
        node = int(state.analysis.tree.nodes.parent[node])
    return found[::-1]


class TreemapScreen(Overview):
    """Shows a treemap of a TreemapState, which it changes. It ends with where to go in the files, or None."""

    NAME = "treemap"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.TREEMAP), back("back")]
    AUTO_FOCUS = "#map"

    def __init__(self, state: TreemapState, *, keys: Sequence[KeyAction] = KEYS, is_ascii: bool = False) -> None:
        super().__init__()
        self._state, self._keys, self._is_ascii = state, keys, is_ascii

    def compose(self) -> ComposeResult:
        yield Summary(self._state.analysis.image.reference, id="summary", is_ascii=self._is_ascii)
        yield Trail(self._state, id="map-trail")
        yield TreemapMap(id="map", is_ascii=self._is_ascii)
        yield Details(id="map-note")
        yield Footer(self._keys, id="footer", without=f"explore.{self.NAME}")

    def on_mount(self) -> None:
        summary, analysis = self.query_one(Summary), self._state.analysis
        summary.show_image(analysis.image)
        summary.show_analysis(analysis)
        self.query_one("#map-note").can_focus = False
        self._show()

    @property
    def map(self) -> TreemapMap:
        """Return the map."""
        return self.query_one(TreemapMap)

    def _show(self) -> None:
        state = self._state
        self.map.show(state.areas, state.node, state.meant)
        self.query_one(Trail).refresh()
        self.refresh_bindings()

    @on(TreemapMap.Moved)
    def _tell(self) -> None:
        box = self.map.box
        if box is not None and not box.is_rest:
            self._state.meant = box.node
        pane = self.query_one("#map-note", Details)
        pane.show([] if box is None else [Detail(line) for line in note(self._state, box, self.size.width - 3)])

    @on(TreemapMap.Chosen)
    def _open(self) -> None:
        """Zoom into a directory; show a file in the tree."""
        box = self.map.box
        if box is None:
            return
        if box.node != self._state.node and len(self._state.areas.children(box.node)):
            self._state.zoom(box.node)
            self._show()
        elif not box.is_rest:
            self.action_show_in_files()

    @on(Trail.Picked)
    def _zoom(self, event: Trail.Picked) -> None:
        if event.node != self._state.node:
            self._state.node, self._state.meant = event.node, self._state.node
            self._show()

    # What keys do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the key that zooms out where the whole image is shown."""
        if action == "out" and not self._state.node:
            return False
        return super().check_action(action, parameters)

    def action_go(self, side: Side) -> None:
        self.map.go(side)

    def action_choose(self) -> None:
        self._open()

    def action_out(self) -> None:
        if self._state.out():
            self._show()

    def action_layer(self, step: int) -> None:
        self._state.step(step)
        self._show()

    def action_show_in_files(self) -> None:
        """Show the box under the cursor in the files, at the layer shown, else at the last one that wrote it."""
        box = self.map.box
        if box is not None:
            self.end(Jump(self._state.areas.layer or last_layer(self._state.areas, box.node), box.node))

    def action_back(self) -> None:
        """Zoom out, else go back to the files."""
        if not self._state.out():
            self.end(None)
        else:
            self._show()


def last_layer(areas: Areas, node: int) -> int:
    """Return the last layer that writes anything at or below a node."""
    return max((part.layer for part in areas.by_layer(node)), default=1)


def seen_and_wasted(size: int, wasted: int) -> str:
    """Say how many of `size` bytes a container sees, as the files count them: `180 MB = 164 MB seen + 16.0 MB wasted`."""
    if not wasted:
        return size_text(size)
    seen = f" = {size_text(size - wasted)} seen + {size_text(wasted)} wasted" if wasted < size else ", all wasted"
    return size_text(size) + seen


def note(state: TreemapState, box: Box, room: int) -> list[str]:
    """Return what is said of a box: its path, its bytes and how many are wasted; and which layers wrote them.

    Each is a line of at most `room` cells, for which the path is cut, and as few facts as possible are left out.
    """
    areas, whole = state.areas, int(state.areas.size[0])
    path = ("smaller ones in /" if box.is_rest else "/") + escape(state.analysis.tree.nodes.paths[box.node])
    facts = [
        seen_and_wasted(box.size, box.wasted),
        f"{percent_text(box.size / whole)} of the {'layer' if areas.layer else 'image'}",
        "" if box.is_rest else count_text(areas.files(box.node), "file version"),
    ]
    said = _as_many(facts, room - min(cells(path), SHORTEST_PATH) - 2)
    parts = [] if box.is_rest or areas.layer else areas.by_layer(box.node)
    texts = [
        f"layer {part.layer}: {size_text(part.size)}{f', {size_text(part.wasted)} of it wasted' if part.wasted else ''}"
        for part in parts
    ]
    return [f"{cut_middle(path, room - cells(said) - 2)}  {said}", _as_many(texts, room)]


def _as_many(texts: Sequence[str], room: int) -> str:
    """Join as many texts as fit, the first ones; with a mark if some are left out."""
    texts = [text for text in texts if text]
    ways = [" · ".join(texts[:count]) + (" · …" if count < len(texts) else "") for count in range(len(texts), 0, -1)]
    return next((way for way in ways if cells(way) <= room), cut_end(texts[0], room) if texts else "")
