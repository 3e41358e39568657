"""The lines above and below a page: path and version, and the status of the content."""

from __future__ import annotations

from typing import Literal, get_args

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from layerscope.app.file.path_history import VersionFacts
from layerscope.app.widgets.lines import fitted
from layerscope.wording.style import cells, cut_middle

Mode = Literal["content", "diff", "blame"]
MODES: tuple[Mode, ...] = get_args(Mode)
WIDE = 110
"""The width, in cells, from which path and version share a line."""
LOW = 14
"""The height, in rows, below which the screen has no room for the instruction."""


class FileHeader(Widget):
    """Draws path, version, instruction, and the modes as tabs. It posts Picked when a tab is clicked."""

    COMPONENT_CLASSES = {  # noqa: RUF012 - Textual's
        "file-header--path", "file-header--dim", "file-header--wasted", "file-header--tab", "file-header--tab-on",
    }  # fmt: skip

    class Picked(Message):
        """The user picked a mode."""

        def __init__(self, mode: Mode) -> None:
            self.mode = mode
            super().__init__()

    def __init__(self, path: str, modes: tuple[Mode, ...], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._path, self._modes = path, modes
        self._facts: VersionFacts | None = None
        self._mode: Mode = "content"
        self._number = self._total = 0
        self._places: dict[Mode, tuple[int, int, int]] = {}

    def show(self, facts: VersionFacts, mode: Mode, *, number: int, total: int) -> None:
        """Show the `number`th version of `total` in `mode`."""
        self._facts, self._mode, self._number, self._total = facts, mode, number, total
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """Return the number of lines: two if it is wide, three if it is narrow, two without the instruction in a low screen."""
        if viewport.height < LOW:
            return 2
        return 2 if width >= WIDE else 3

    def render_line(self, y: int) -> Strip:
        """Draw path and tabs, version, instruction in three lines; where it is wide, path and version, instruction and tabs."""
        width, base = self.size.width, self.rich_style
        if self._facts is None:
            return Strip.blank(width, base)
        is_wide = width >= WIDE
        if y == 0:
            parts = self._path_line(width, [(self._version(width * 2 // 3), "")] if is_wide else self._tabs(0, width))
        elif y == 1 and not is_wide:
            parts = [(f" {self._version(width - 1)}", "")]
        else:
            parts = self._instruction_line(self._facts, width, self._tabs(1, width) if is_wide else [])
        segments = [Segment(text, self._style(name)) for text, name in parts]
        return Strip(segments).crop_extend(0, width, base).apply_style(base)

    def _style(self, name: str) -> Style | None:
        return self.get_component_rich_style(f"file-header--{name}", partial=True) if name else None

    def _path_line(self, width: int, right: list[tuple[str, str]]) -> list[tuple[str, str]]:
        room = max(width - 3 - sum(cells(text) for text, _ in right), 0)
        path = cut_middle(self._path, room)
        return [(" ", ""), (fitted(path, room), "path"), (" ", ""), *right]

    def _instruction_line(self, facts: VersionFacts, width: int, right: list[tuple[str, str]]) -> list[tuple[str, str]]:
        ending = "  " + buried_text(facts) if buried_text(facts) else ""
        room = width - 3 - cells(ending) - sum(cells(text) for text, _ in right)
        instruction = fitted(facts.instruction or "(the history does not say what made it)", max(room, 0))
        return [(" " + instruction, "dim"), (ending, "wasted" if facts.is_wasted else "dim"), (" ", ""), *right]

    def _version(self, room: int) -> str:
        """Return the facts of a version that fit. The size is left out first, since the status line has it, too."""
        facts = self._facts
        assert facts is not None
        look = " ".join(part for part in (facts.mode, facts.owner) if part)
        words = [f"version {self._number} of {self._total}", f"layer {facts.layer}", f"{facts.mark} {facts.word}"]
        dropped = [part for part in (look, facts.size, facts.date) if part]
        while dropped and cells(" · ".join([*words, *dropped])) > room:
            dropped.remove(facts.size if facts.size in dropped else dropped[-1])
        return " · ".join([*words, *dropped])

    def _tabs(self, y: int, width: int) -> list[tuple[str, str]]:
        """Draw the modes as tabs, and keep where each is for clicks."""
        parts = [(f" {mode} ", "tab-on" if mode == self._mode else "tab") for mode in self._modes]
        at = width - 1 - sum(len(text) for text, _ in parts)
        for mode, (text, _) in zip(self._modes, parts, strict=True):
            self._places[mode] = (y, at, at + len(text))
            at += len(text)
        return parts

    def on_click(self, event: events.Click) -> None:
        for mode, (y, start, end) in self._places.items():
            if event.y == y and start <= event.x < end:
                self.post_message(self.Picked(mode))


def buried_text(facts: VersionFacts) -> str:
    """Return `buried by layer 9`, or nothing for a version that is seen in the end."""
    if not facts.buried_by:
        return ""
    layer = "its own layer, which holds the path again" if facts.buried_by == facts.layer else f"layer {facts.buried_by}"
    return f"{'! wasted, ' if facts.is_wasted else ''}buried by {layer}"


class FileStatus(Widget):
    """The status line below a page: size, language and notes on the left, the position in the file on the right."""

    COMPONENT_CLASSES = {"file-status--cut"}  # noqa: RUF012 - Textual's

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.text = ""
        self.place = ""
        self._is_cut = False

    def show(self, text: str, *, is_cut: bool) -> None:
        """Show notes on the content; `is_cut` says that a part of it is not shown."""
        self.text, self._is_cut = text, is_cut
        self.refresh()

    def show_place(self, place: str) -> None:
        """Show the position in the file."""
        self.place = place
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw the notes, `cut: ` first, since their end may not fit."""
        width, base = self.size.width, self.rich_style
        if y:
            return Strip.blank(width, base)
        cut = "cut: " if self._is_cut else ""
        room = width - cells(self.place + cut) - 3
        style = self.get_component_rich_style("file-status--cut", partial=True)
        segments = [Segment(" "), Segment(cut, style), Segment(fitted(self.text, room)), Segment(f" {self.place} ")]
        return Strip(segments).crop_extend(0, width, base).apply_style(base)
