"""A list of any length that draws only the lines that can be seen: what all panes and views are made of."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.strip import Strip

from layerscope.app.keys.bindings import bindings
from layerscope.app.keys.table import Place
from layerscope.report.style import wrapped

NOT_DIM = Style(dim=False)
"""What is dimmed elsewhere cannot be read on the ground of a cursor."""


class Lines(ScrollView, can_focus=True):
    """`count` lines, one of which has the cursor. Subclasses give `segments` for a line, in colour, at most `room` cells of it.

    It posts Moved when the cursor comes to another line, and Chosen when the user opens the line under it.
    """

    BINDINGS = bindings(Place.LISTS)
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "line--cursor", "line--cursor-blurred", "line--dim", "line--bold", "line--added", "line--modified",
        "line--removed", "line--gone", "line--wasted", "line--bar", "line--head", "line--key", "line--link",
        "line--match", "line--hit", "line--directory",
    }  # fmt: skip
    has_cursor: bool = True

    cursor: var[int] = var(0, init=False)

    class Moved(Message):
        """The cursor came to another line."""

        def __init__(self, lines: Lines) -> None:
            self.lines = lines
            super().__init__()

        @property
        def control(self) -> Lines:
            """The list it happened in."""
            return self.lines

    class Chosen(Moved):
        """The line under the cursor is to be opened."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self.count = 0
        self._ground: Style | None = None

    # What subclasses say.

    def segments(self, line: int, room: int) -> list[Segment]:
        """What line number `line` shows."""
        raise NotImplementedError

    def can_stop(self, line: int) -> bool:  # noqa: ARG002
        """Whether the cursor may be on that line."""
        return True

    def fit(self) -> None:
        """The widget has another size."""

    @property
    def nothing(self) -> str:
        """The sentence that stands where there is no line at all."""
        return ""

    def clicked(self, x: int, *, is_again: bool) -> None:  # noqa: ARG002
        """The cursor's line was clicked at cell `x`, again if it had the cursor already."""
        if is_again:
            self.choose()

    def choose(self) -> None:
        """Open the line under the cursor."""
        self.post_message(self.Chosen(self))

    # What they use.

    def ink(self, name: str) -> Style:
        """The colour of a component class, without a background of its own so that the cursor's shows."""
        return self.get_component_rich_style(f"line--{name}", partial=True)

    @property
    def room(self) -> int:
        """Cells of a line."""
        return self.scrollable_content_region.width

    @property
    def is_ascii(self) -> bool:
        """Whether only ASCII may be drawn."""
        return bool(getattr(self.app, "is_ascii", False))

    @property
    def ground(self) -> Style:
        """The pane's own colours; Textual works them out anew whenever it is asked, in 0.1 ms."""
        if self._ground is None:
            self._ground = self.rich_style
        return self._ground

    def notify_style_update(self) -> None:
        """The colours are others."""
        self._ground = None
        super().notify_style_update()

    def set_count(self, count: int, *, width: int = 0) -> None:
        """There are now `count` lines; `width` is that of the widest where they scroll sideways."""
        self.count = count
        self._show_size(Size(width, count))
        if self.cursor >= count:
            self.cursor = max(count - 1, 0)
        self.refresh()

    def _show_size(self, size: Size) -> None:
        """Tell Textual how much there is to scroll through. It would lay out the whole screen anew, which takes 15 ms and is
        needed only where the list or its scrollbar becomes another.
        """
        is_scrolled = size.height > self.scrollable_content_region.height
        if self.styles.is_auto_height or size.width or is_scrolled != self.show_vertical_scrollbar:
            self.virtual_size = size
        elif size != self.virtual_size:
            self.set_reactive(Lines.virtual_size, size)
            if is_scrolled:
                self.vertical_scrollbar.window_virtual_size = size.height
            self.scroll_y = self.validate_scroll_y(self.scroll_y)

    def go(self, line: int, *, is_centred: bool = False) -> None:
        """Put the cursor on a line and bring it into sight; `is_centred` leaves some lines around it."""
        self.cursor = min(max(line, 0), max(self.count - 1, 0))
        self.show_cursor(is_centred=is_centred)

    def show_cursor(self, *, is_centred: bool = False) -> None:
        """Scroll as little as needed to see the cursor's line."""
        height = max(self.scrollable_content_region.height, 1)
        top = round(self.scroll_y)
        if is_centred and not top <= self.cursor < top + height:
            top = self.cursor - height // 3
        top = min(max(top, self.cursor - height + 1), self.cursor)
        self.scroll_to(y=max(top, 0), animate=False, force=True)

    # What Textual calls.

    def render_line(self, y: int) -> Strip:
        """The line at `y` of the widget: looked up, formatted, cut to the width."""
        left, top = self.scroll_offset
        line, room = top + y, self.room
        if line >= self.count:
            return self._empty_line(y, room)
        over = None
        if self.has_cursor and line == self.cursor:
            over = self.ink("cursor") + NOT_DIM if self.has_focus else self.ink("cursor-blurred")
        return self._strip(self.segments(line, room), left, room, over)

    def _strip(self, segments: list[Segment], left: int, room: int, over: Style | None = None) -> Strip:
        """Segments on the pane's ground, `over` on all of it, in exactly `room` cells. Each Strip on the way costs 10 us."""
        missing = left + room - sum(segment.cell_length for segment in segments)
        padded = [*segments, Segment(" " * missing)] if missing > 0 else segments
        strip = Strip(list(Segment.apply_style(padded, self.ground, over)))
        return strip.crop(left, left + room) if left or missing < 0 else strip

    def _empty_line(self, y: int, room: int) -> Strip:
        sentence = list(wrapped(self.nothing, max(room - 2, 1))) if self.nothing and not self.count else []
        return self._strip([Segment(f" {sentence[y]}" if y < len(sentence) else "", self.ink("dim"))], 0, room)

    def watch_cursor(self, old: int, new: int) -> None:
        """Draw the two lines anew, and tell."""
        if old != new:
            self._redraw(old)
            self._redraw(new)
            self.post_message(self.Moved(self))

    def _redraw(self, line: int) -> None:
        self.refresh(Region(0, line - self.scroll_offset.y, self.size.width, 1))

    def on_focus(self) -> None:
        """The cursor looks different with the focus."""
        self._redraw(self.cursor)

    def on_blur(self) -> None:
        """The cursor looks different without the focus."""
        self._redraw(self.cursor)

    def on_resize(self) -> None:
        """Keep the cursor in sight when the terminal shrinks."""
        self.fit()
        if self.has_cursor and self.count:
            self.show_cursor()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor on the line; what else it does, `clicked` says."""
        line, offset = self.line_at(event), event.get_content_offset(self)
        if line is None or offset is None:
            return
        was_there = line == self.cursor
        if self.can_stop(line):
            self.go(line)
            self.clicked(offset.x + self.scroll_offset.x, is_again=was_there or event.chain == 2)

    def line_at(self, event: events.MouseEvent) -> int | None:
        """The line under the mouse."""
        offset = event.get_content_offset(self)
        if offset is None:
            return None
        line = offset.y + self.scroll_offset.y
        return line if line < self.count else None

    # What keys do.

    def action_move(self, step: int) -> None:
        """Up or down to the next line where the cursor may be; without a cursor, scroll."""
        if not self.has_cursor:
            self.scroll_relative(y=step, animate=False)
            return
        line = self.cursor + step
        while 0 <= line < self.count and not self.can_stop(line):
            line += step
        if 0 <= line < self.count:
            self.go(line)
        else:
            self.show_cursor()

    def action_page(self, step: int) -> None:
        """A page up or down."""
        page = max(self.scrollable_content_region.height - 1, 1)
        if self.has_cursor:
            self.go(self._stop_near(self.cursor + step * page, step))
        else:
            self.scroll_relative(y=step * page, animate=False)

    def action_top(self) -> None:
        """To the first line."""
        if self.has_cursor:
            self.go(self._stop_near(0, -1))
        self.scroll_to(y=0, animate=False)

    def action_bottom(self) -> None:
        """To the last line."""
        if self.has_cursor:
            self.go(self._stop_near(self.count - 1, 1))
        else:
            self.scroll_end(animate=False)

    def _stop_near(self, line: int, step: int) -> int:
        """Where the cursor may be: from `line` on in the direction of `step`, else the other way."""
        line = min(max(line, 0), max(self.count - 1, 0))
        onward = range(line, self.count) if step > 0 else range(line, -1, -1)
        back = range(line, -1, -1) if step > 0 else range(line, self.count)
        return next((each for way in (onward, back) for each in way if self.can_stop(each)), line)
