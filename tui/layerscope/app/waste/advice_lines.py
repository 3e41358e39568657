"""What to change, on the waste screen: the list of fixes, and below it the edit of the one under the cursor as a diff."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import chop_cells
from rich.segment import Segment
from rich.style import Style

from layerscope.advice.advice import Advice, Fix
from layerscope.app.waste.fix_outline import FixLine, FixOutline, Trifles
from layerscope.app.waste.outline import Heading
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.lines import SIZE, TWISTY, Lines, bar_cell, fitted, size_cell
from layerscope.report.fix_lines import edit_lines, more_fixes_text
from layerscope.text import escape
from layerscope.units import count_text, percent_text, size_text
from layerscope.wording.style import cells, cut_end, wrapped

ROOMY = 100
"""The width, in cells, from which a bar fits."""
BAR = 8
PATHS = 100
"""The most paths of a fix to list."""
TAB = 4
INSTRUCTION = re.compile("`([^`]+)`")
SIGNS = {"+": "added", "-": "removed", "@": "key"}
"""The color of a diff's line, by its first character; bytes without color still show the sign."""


class FixLines(CursorLines):
    """Draws a FixOutline, a fix a line. It posts Moved, and Chosen for a fix that the user wants to see in the files."""

    def __init__(self, outline: FixOutline, *, id: str | None = None, is_ascii: bool = False) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, is_ascii=is_ascii)
        self._outline = outline
        self._lines: list[FixLine] = []
        self._largest = 0
        self._place = 0
        self._has_edits = False

    @property
    def nothing(self) -> str:
        return self._outline.problem or "Looking for what to change; the other tabs (Tab) can be used meanwhile."

    @property
    def line(self) -> FixLine | None:
        """Return the line under the cursor; None also on a heading."""
        shown = self._lines[self.cursor] if self.count else None
        return None if isinstance(shown, Heading) else shown

    def show(self) -> None:
        """Show what is known now, with the cursor where it was."""
        fixes = self._outline.advice.fixes if self._outline.advice else ()
        self._largest = max((fix.size for fix in fixes), default=0)
        self._has_edits = any(fix.has_edit for fix in fixes)
        self._place = max((len(_place(fix)) for fix in fixes), default=0)
        self._list()
        if self.count:
            self.go(self._outline.cursor if self._outline.cursor >= 0 else self.nearest_stop(0, 1))
        self.post_message(self.Moved(self))

    def fit(self) -> None:
        """Wrap the notes to the width, and post Moved: another line may be under the cursor now."""
        self._list()
        self.post_message(self.Moved(self))

    def _list(self) -> None:
        """Wrap the notes to the width."""
        self._lines = [
            each
            for line in self._outline.lines
            for each in (
                map(Heading, wrapped(escape(line.text), max(self.room - 2, 20))) if isinstance(line, Heading) else (line,)
            )
        ]
        self.set_count(len(self._lines))

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw the cursor and post Moved, as every list does, and remember the cursor."""
        super().watch_cursor(old, new)
        self._outline.cursor = new

    def can_stop(self, line: int) -> bool:
        return not isinstance(self._lines[line], Heading)

    def choose(self) -> None:
        """Post Chosen for a fix; unfold or fold the trifles."""
        if isinstance(self.line, Trifles):
            self._outline.has_trifles = not self._outline.has_trifles
            self._list()
        elif self.line is not None:
            super().choose()

    def segments(self, line: int, room: int) -> list[Segment]:
        """Draw what a fix saves, its place and the start of its sentence."""
        shown = self._lines[line]
        if isinstance(shown, Heading):
            return [Segment(fitted(f" {shown.text}", room), self.style("bold" if line == 0 else "dim"))]
        parts = [Segment(f"{size_cell(shown.size)} ", self.style("wasted"))]
        if room >= ROOMY:
            parts.append(Segment(bar_cell(shown.size, self._largest, BAR, is_ascii=self.is_ascii) + " ", self.style("bar")))
        left = room - SIZE - 1 - (BAR + 1 if room >= ROOMY else 0)
        if isinstance(shown, Trifles):
            text = f"in {more_fixes_text(shown.count)} that save little"
            return [*parts, Segment(fitted(TWISTY[self._outline.has_trifles] + text, left), self.style("dim"))]
        place = f"{_place(shown):<{self._place}}  "
        by_hand = "by hand: " if self._has_edits and not shown.has_edit else ""
        left -= len(place) + len(by_hand)
        # The place stands before the sentence already.
        sentence = shorter(escape(shown.sentence).removeprefix(f"{_place(shown)} "), left)
        return [
            *parts,
            Segment(place, self.style("key")),
            Segment(by_hand, self.style("modified")),
            Segment(fitted(sentence, left)),
        ]


def shorter(sentence: str, room: int) -> str:
    """Cut the instruction that a sentence begins with, so that `room` cells show the start of what is wrong with it."""
    match = INSTRUCTION.match(sentence)
    if match is None or cells(sentence) <= room:
        return sentence
    return f"`{cut_end(match[1], max(room // 3, 12))}`{sentence[match.end() :]}"


def _place(fix: Fix) -> str:
    return f"line {fix.line}" if fix.line else f"layer {fix.layers[0]}" if fix.layers else ""


@dataclass(frozen=True, slots=True)
class EditLine:
    """A line of a fix as it is read: its text, printable, and the name of its style; `is_code` keeps its blanks."""

    text: str
    color: str = ""
    is_code: bool = False


class FixEdit(Lines):
    """All there is to say of one fix: its sentence, what it saves, its edit as a diff, and the paths it is about."""

    def __init__(self, outline: FixOutline, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._outline = outline
        self._fix: Fix | None = None
        self._shown: list[EditLine] = []

    def tell(self, fix: Fix | None) -> None:
        """Show another fix, from its first line."""
        self._fix = fix
        self.fit()
        self.scroll_to_line(0)

    def fit(self) -> None:
        """Wrap the fix to the width."""
        advice, fix, room = self._outline.advice, self._fix, max(self.room - 2, 10)
        lines = fix_text(advice, fix, self._outline.analysis.waste.content_bytes) if advice and fix else ()
        self._shown = [
            EditLine(text, line.color)
            for line in lines
            for text in ((chop_cells(line.text, room) or [""]) if line.is_code else (wrapped(line.text, room) or [""]))
        ]
        self.set_count(len(self._shown))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        shown = self._shown[line]
        return [Segment(" "), Segment(shown.text, self.style(shown.color) if shown.color else Style())]


def fix_text(advice: Advice, fix: Fix, content_bytes: int) -> Iterator[EditLine]:
    """Yield a fix as it is read. What looks like a secret is masked; everything is printable."""
    yield EditLine(escape(fix.sentence), "bold")
    layers = f"{'layer' if len(fix.layers) == 1 else 'layers'} {', '.join(map(str, fix.layers))}"
    where = f"{escape(advice.dockerfile)} line {fix.line}, {layers}" if fix.line and advice.dockerfile else layers
    yield EditLine(
        f"saves {size_text(fix.size)}, {percent_text(min(fix.size / max(content_bytes, 1), 1.0))}; {where}", "wasted"
    )
    if fix.needs:
        yield EditLine(f"brings along {', '.join(map(escape, fix.needs))}", "dim")
    if fix.by_hand:
        yield EditLine(f"By hand: {escape(fix.by_hand)}", "modified")
    yield EditLine("")
    for line in edit_lines(fix):
        is_head = line.startswith(("--- ", "+++ "))
        yield EditLine(escape(line.expandtabs(TAB)), "bold" if is_head else SIGNS.get(line[:1], ""), is_code=True)
    if fix.has_edit:
        yield EditLine("")
    if fix.paths:
        # Of a fix without an edit, only a few paths are known.
        yield EditLine(f"{count_text(len(fix.paths), 'path')}:" if fix.has_edit else "Paths such as:", "dim")
        for path in fix.paths[:PATHS]:
            yield EditLine("/" + escape(path), is_code=True)
        if len(fix.paths) > PATHS:
            yield EditLine(f"and {len(fix.paths) - PATHS:,} more", "dim")
