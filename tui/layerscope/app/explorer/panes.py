"""How the panes of the explorer share the room, and the divider between them, which the mouse drags and keys move."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.containers import Container
from textual.widget import Widget

from layerscope.app.explorer.layers import LayerList

LEAST_SIDE, LEAST_MAIN = 32, 48
"""The fewest cells of a line of the layers and of the files that the divider leaves them where they stand side by side."""
LEAST_ABOVE, LEAST_BELOW = 3, 6
"""The fewest lines of the layers and of the files that it leaves them where they stand one above the other."""
SHARE = 32
"""The percentage of the lines that the layers get at most as long as the files need theirs; the stylesheet has it, too."""
STEP = 4
"""Cells by which a key moves the divider; up and down, it is a line."""


@dataclass(slots=True)
class Split:
    """Where the user has put the divider: the layers' width and their most lines; 0 as long as it was not moved."""

    width: int = 0
    height: int = 0


class Panes(Container):
    """Holds the panes `#side` (layers and details) and `#main` (files): side by side, or one above the other.

    It changes the Split, which outlives it.
    """

    def __init__(self, split: Split, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._split = split
        self._files_wanted = 0
        self._grip: int | None = None
        """While the divider is dragged, how many cells the mouse is after it."""

    @property
    def _side(self) -> Widget:
        return self.query_one("#side")

    @property
    def _is_wide(self) -> bool:
        return self.screen.has_class("-wide")

    @property
    def _has_divider(self) -> bool:
        return not self.screen.has_class("-zoomed") and (self._is_wide or not self.screen.has_class("-details"))

    def want(self, lines: int) -> None:
        """Note how many lines the files need at most, with their title and heads: the layers get what is left."""
        if lines != self._files_wanted:
            self._files_wanted = lines
            self.share()

    def share(self) -> None:
        """Give each pane its room. It has to be called when a pane is zoomed or hidden; at another size, it comes by itself."""
        width = height = None
        if self._has_divider and self._is_wide and self._split.width:
            width = self._width
        elif self._has_divider and not self._is_wide:
            height = self._most_above
        styles = self._side.styles
        styles.width = styles.min_width = width
        styles.max_height = height

    @property
    def _width(self) -> int:
        """Return the width of the layers beside the files."""
        return _within(self._split.width or self._side.size.width, LEAST_SIDE, self.size.width - LEAST_MAIN)

    @property
    def _most_above(self) -> int:
        """Return the most lines of the layers above the files: their share, and what the files would leave empty."""
        room = self.size.height
        share = room * SHARE // 100
        if self._split.height:
            return _within(self._split.height, LEAST_ABOVE, room - LEAST_BELOW)
        return max(share, min(room - self._files_wanted, room - LEAST_BELOW)) if self._files_wanted else share

    def move_divider(self, step: int) -> None:
        """Give the layers more room, or less if `step` is negative."""
        if self._is_wide:
            self._put(self._width + step * STEP)
        else:
            self._put(min(self._most_above, self.query_one(LayerList).lines_wanted) + step)

    def _put(self, at: int) -> None:
        """Put the divider so many cells or lines after the left or upper edge."""
        if not self._has_divider:
            return
        if self._is_wide:
            self._split.width = _within(at, LEAST_SIDE, self.size.width - LEAST_MAIN)
        else:
            self._split.height = _within(at, LEAST_ABOVE, self.size.height - LEAST_BELOW)
        self.share()

    # What the mouse does.

    def on_resize(self) -> None:
        self.share()

    def _from_divider(self, event: events.MouseEvent) -> int:
        """Return how many cells or lines the mouse is after the layers' pane."""
        side = self._side.region
        return event.screen_offset.x - side.right if self._is_wide else event.screen_offset.y - side.bottom

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the divider."""
        if self._has_divider and self._from_divider(event) in ((-1, 0) if self._is_wide else (0,)):
            self._grip = self._from_divider(event)
            self.capture_mouse()
            self.add_class("-dragged")

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Let the divider follow the mouse."""
        if self._grip is not None:
            edge = self.region.offset
            at = event.screen_offset.x - edge.x if self._is_wide else event.screen_offset.y - edge.y
            self._put(at - self._grip)

    def on_mouse_up(self) -> None:
        """Let go of the divider."""
        self._grip = None
        self.release_mouse()
        self.remove_class("-dragged")


def _within(value: int, least: int, most: int) -> int:
    return max(min(value, most), least)
