"""A list of any length that draws only its visible lines, which is the base of every pane and view.

Also a pane of labeled text, and text fitted to terminal cells, as Textual counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from layerscope.app.key_queue import counted
from layerscope.app.keys import KeyContext, bindings
from layerscope.units import bar, size_text
from layerscope.wording.style import cells, wrapped

LABEL = 12
HEADED = 14
"""The fewest lines of a terminal where lists have column heads."""
SIZE = 8
"""Cells of a size: `12.3 MB` and `1000 MB` fit."""
TWISTY = {True: "▾ ", False: "▸ "}
"""The sign before a line that can be unfolded: for True if it is unfolded, for False if it is folded."""


class Lines(ScrollView, can_focus=True):
    """Draws and scrolls `count` lines without a cursor; `CursorLines` adds one.

    Subclasses implement `segments`. Nothing is kept per line, so a million lines cost no more than ten.
    """

    BINDINGS = bindings(KeyContext.LISTS)
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "line--cursor", "line--cursor-blurred", "line--dim", "line--bold", "line--added", "line--modified",
        "line--removed", "line--gone", "line--wasted", "line--bar", "line--head", "line--key", "line--link",
        "line--match", "line--hit", "line--directory", "line--dropped",
    }  # fmt: skip

    ALLOW_SELECT = False  # no text of a list can be selected, and a mouse that drags must not scroll it

    has_heads: ClassVar[bool] = False
    """Whether a line of column heads stands fixed at the top, above the lines that scroll."""

    def __init__(self, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.count = 0
        self.is_ascii = is_ascii
        self._ground: Style | None = None

    # What subclasses implement.

    def segments(self, line: int, room: int) -> list[Segment]:
        """Return line number `line`, in color, in at most `room` cells."""
        raise NotImplementedError

    def head(self, room: int) -> list[Segment]:  # noqa: ARG002
        """Return the line of column heads, in at most `room` cells; it is drawn if the list `has_heads`."""
        return []

    def overlay(self, line: int) -> Style | None:  # noqa: ARG002
        """Return a style to draw over a whole line, such as the cursor's."""
        return None

    def fit(self) -> None:
        """Adapt to the widget's new size, for example wrap text again."""

    def after_fit(self) -> None:
        """Do what has to wait until the lines fit the new size."""

    @property
    def nothing(self) -> str:
        """Return the sentence to show when there are no lines at all."""
        return ""

    # What they use.

    def style(self, name: str) -> Style:
        """Return the style of the component class `line--NAME`, without a background, so that the cursor's shows."""
        return self.get_component_rich_style(f"line--{name}", partial=True)

    @property
    def room(self) -> int:
        """Return the cells of a line."""
        return self.scrollable_content_region.width

    @property
    def heads(self) -> int:
        """Return how many lines of column heads there are: 1, but 0 in a terminal that has few lines."""
        return int(self.has_heads and self.app.size.height >= HEADED)

    @property
    def lines_shown(self) -> int:
        """Return how many lines that scroll there is room for."""
        return self.scrollable_content_region.height - self.heads

    @property
    def ground(self) -> Style:
        """Return the pane's own colors, cached: Textual takes 0.1 ms to compute them on every access."""
        if self._ground is None:
            self._ground = self.rich_style
        return self._ground

    def notify_style_update(self) -> None:
        """Drop the cached style when the theme changes."""
        self._ground = None
        super().notify_style_update()

    def set_count(self, count: int, *, width: int = 0) -> None:
        """Set the number of lines; `width` is that of the widest line, in cells, in a list that scrolls sideways."""
        self.count = count
        self._show_size(Size(width, count + self.heads))
        self.refresh()

    def _show_size(self, size: Size) -> None:
        """Tell Textual how much there is to scroll through.

        Setting `virtual_size` lays out the whole screen again, which takes 15 ms, so this happens only when the list
        grows with its content or its scrollbar appears or disappears.
        """
        is_scrolled = size.height > self.scrollable_content_region.height
        if self.styles.is_auto_height or size.width or is_scrolled != self.show_vertical_scrollbar:
            self.virtual_size = size
        elif size != self.virtual_size:
            self.set_reactive(Lines.virtual_size, size)
            if is_scrolled:
                self.vertical_scrollbar.window_virtual_size = size.height
            self.scroll_y = self.validate_scroll_y(self.scroll_y)

    def scroll_to_line(self, top: int) -> None:
        """Scroll at once, so that the line `top` is the first in sight.

        Textual's own scrolling waits for a refresh: the scroll position read meanwhile depends on how fast the terminal is.
        """
        self.scroll_to(y=max(top, 0), animate=False, force=True, immediate=True)

    # What Textual calls.

    def render_line(self, y: int) -> Strip:
        """Draw the line at `y` of the widget: look up, format, cut to the width."""
        left, top = self.scroll_offset
        line, room = top + y - self.heads, self.room
        if y < self.heads:
            return self._strip(self.head(room), left, room)
        if line < self.count:
            return self._strip(self.segments(line, room), left, room, self.overlay(line))
        sentence = list(wrapped(self.nothing, max(room - 2, 1))) if self.nothing and not self.count else []
        return self._strip([Segment(f" {sentence[line]}" if line < len(sentence) else "", self.style("dim"))], 0, room)

    def _strip(self, segments: list[Segment], left: int, room: int, over: Style | None = None) -> Strip:
        """Put segments on the pane's ground in exactly `room` cells. Each intermediate Strip would cost 10 us."""
        missing = left + room - sum(segment.cell_length for segment in segments)
        padded = [*segments, Segment(" " * missing)] if missing > 0 else segments
        strip = Strip(list(Segment.apply_style(padded, self.ground, over)))
        return strip.crop(left, left + room) if left or missing < 0 else strip

    def on_resize(self) -> None:
        """Adapt the lines to the new size."""
        if self.has_heads:
            self.set_count(self.count)
        self.fit()
        self.after_fit()
        self.refresh()

    # What keys do.

    def action_move(self, step: int) -> None:
        """Scroll by a line, or as many as were typed."""
        self.scroll_to_line(round(self.scroll_y) + step * self.times)

    def action_page(self, step: int) -> None:
        """Scroll by a page, or as many as were typed."""
        self.scroll_to_line(round(self.scroll_y) + step * self.times * self.page_height)

    @property
    def times(self) -> int:
        """Return how many times the key that is acted on is meant: the count typed before it, else 1."""
        return counted(self.app) or 1

    @property
    def page_height(self) -> int:
        """Return how many lines a page moves by."""
        return max(self.lines_shown - 1, 1)

    def action_top(self) -> None:
        """Scroll to the first line."""
        self.scroll_to_line(0)

    def action_bottom(self) -> None:
        """Scroll to the last line, or to the one whose number was typed."""
        self.scroll_to_line(counted(self.app) - 1 if counted(self.app) else round(self.max_scroll_y))


class Details(Lines):
    """A pane of labeled texts (each a Detail), wrapped to its width."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._parts: list[Detail] = []
        self._wrapped: list[Detail] = []

    def show(self, parts: list[Detail]) -> None:
        """Show other details, from the top."""
        self._parts = parts
        self._wrap()
        self.scroll_to_line(0)

    def fit(self) -> None:
        self._wrap()

    def _wrap(self) -> None:
        self._wrapped = [line for part in self._parts for line in _wrapped(part, self.room)]
        self.set_count(len(self._wrapped))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        part = self._wrapped[line]
        label = f" {part.label:<{LABEL}}" if part.label else " "
        return [Segment(label, self.style("dim")), Segment(part.text, self.style(part.color) if part.color else None)]


@dataclass(frozen=True, slots=True)
class Detail:
    """A label and its text, before wrapping, and the color of the text."""

    text: str
    label: str = ""
    color: str = ""


def fitted(text: str, width: int, *, mark: str = "…") -> str:
    """Return `text` in exactly `width` cells: cut and marked where it is longer, padded where it is shorter."""
    if width <= 0:
        return ""
    if cells(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, max(width - cells(mark), 0)) + mark, width)


def _wrapped(part: Detail, room: int) -> Iterator[Detail]:
    """Wrap a detail: the label stands before its first line, all further lines are indented, as far as its text is."""
    text_room = max(room - (LABEL if part.label else 0) - 2, 8)
    text = part.text.lstrip(" ")
    indent = " " * min(len(part.text) - len(text), text_room // 2)
    for index, line in enumerate(wrapped(text, text_room, indent=indent)):
        yield Detail(line, part.label if index == 0 else " " if part.label else "", part.color)


def size_cell(size: int, *, zero: str = "") -> str:
    """Return a size right-aligned on its unit, such as `12.3 MB` and `  12  B`; `zero` for no bytes."""
    if not size:
        return f"{zero:>{SIZE}}"
    number, _, unit = size_text(size).partition(" ")
    return f"{number:>{SIZE - 3}} {unit:>2}"


def bar_cell(size: int, largest: int, width: int, *, is_ascii: bool = False) -> str:
    """Return a bar of `width` cells for the share of `size` in `largest`."""
    return f"{bar(size / largest if largest else 0.0, width, is_ascii=is_ascii):{width}}"
