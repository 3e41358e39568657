"""The help: marks, colors and columns, the keys that work where it was opened, then all others; it can be searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from layerscope.app.keys import KeyAction, KeyContext, back
from layerscope.app.widgets.footer import key_text
from layerscope.app.widgets.input_line import InputLine, ListFilter
from layerscope.app.widgets.lines import Lines
from layerscope.units import FAIR, GOOD, count_text
from layerscope.wording.style import cells, wrapped

LABEL = 18
MARKED = {KeyContext.EXPLORER, KeyContext.PAIR}
"""Where the marks of the tree are seen, and so explained first."""
LAST = (KeyContext.LISTS, KeyContext.EVERYWHERE)
"""Contexts that are part of many others, and follow them."""
MARKS = (
    ("+", "added, green: by the layers whose changes are shown", "added"),
    ("~", "modified, yellow; ~12: 12 changes below the directory", "modified"),
    ("-", "removed, red and struck through", "removed"),
    ("!", "wasted, magenta: bytes of it that no container sees", "wasted"),
    ("size, bar", "all that is below, each content once; share of parent", "bar"),
    ("wasted", "bytes below that no container sees; o: mode and owner", "wasted"),
    ("efficient", f"good from {GOOD:.0%}, green; fair from {FAIR:.0%}, yellow; poor, red", "added"),
    ("✗", "goes from the smaller image that W writes; of waste, -: a part", "removed"),
    ("◆", "the marked layer; a marked file, to extract it with others", "key"),
)
"""They fit a line each in 80 cells."""
FILTERS = (
    ("conf", "fuzzy: names with c, o, n, f in this order; with a /, paths"),
    ("'conf", "names that contain exactly this"),
    ("*.pyc  /usr/**", "a glob for names or, with a /, for paths"),
    ("/\\.so$/", "a regular expression for paths"),
    (">10M  <1k", "files by size; kB, MB, KiB, MiB"),
    ("is:added", "added, modified, wasted; dir, file, link, exec"),
    ("is:removed", "no longer there, whichever layer removed it"),
    ("layer:3", "touched by layer 3; layer:3-5 for a range"),
    ("!is:wasted", "`!` means not; a space between two means and"),
)


@dataclass(frozen=True, slots=True)
class HelpLine:
    """A line of the help: what is explained, and its explanation, with the color of the first."""

    left: str
    right: str
    color: str = "key"


@dataclass(frozen=True, slots=True)
class HelpSection:
    """A heading and the lines under it."""

    heading: str
    lines: tuple[HelpLine, ...]

    def matching(self, text: str) -> HelpSection:
        """Return it with only the lines that contain `text`, whatever the case; all of them if its heading does."""
        wanted = text.strip().casefold()
        if wanted in self.heading.casefold():
            return self
        found = (line for line in self.lines if wanted in f"{line.left} {line.right}".casefold())
        return HelpSection(self.heading, tuple(found))


def contexts_here(screen: Screen[object], keys: Sequence[KeyAction]) -> list[KeyContext]:
    """Return the contexts whose keys work on `screen` now, that of the focused pane first."""
    places = {key.id: key.context for key in keys}
    around = list((screen.focused or screen).ancestors_with_self)
    bound = [each for each in screen.active_bindings.values() if each.binding.id in places and each.node in around]
    found = dict.fromkeys(places[each.binding.id or ""] for each in sorted(bound, key=lambda each: around.index(each.node)))
    return [place for place in found if place not in LAST] + [place for place in LAST if place in found]


def help_sections(keys: Sequence[KeyAction], here: Sequence[KeyContext]) -> Iterator[HelpSection]:
    """Yield the help: marks if they are seen `here`, the keys that work here, how to filter, and the rest."""
    marks = HelpSection("Marks, colors, columns", tuple(HelpLine(*row) for row in MARKS))
    is_marked = not MARKED.isdisjoint(here)
    if is_marked:
        yield marks
    for index, place in enumerate(dict.fromkeys([*here, *KeyContext])):
        if index == len(here):
            yield HelpSection("Filter", tuple(HelpLine(*row) for row in FILTERS))
            if not is_marked:
                yield marks
        rows = (
            HelpLine("  ".join(map(key_text, key.keys.split(","))), key.description) for key in keys if key.context is place
        )
        yield HelpSection(place.value + (" (here)" if index < len(here) and place not in LAST else ""), tuple(rows))


class HelpScreen(ModalScreen[None]):
    """The help, in a list to scroll through and a line to search it with. The keys that open it also close it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        back("back"),
        Binding("q,question_mark,f1", "app.back", "Close", show=False),
        Binding("slash", "search", "Search", show=False),
    ]
    AUTO_FOCUS = "#help"

    def __init__(self, keys: Sequence[KeyAction], here: Sequence[KeyContext]) -> None:
        super().__init__()
        self._sections = list(help_sections(keys, here))

    def compose(self) -> ComposeResult:
        yield HelpLines(self._sections, id="help")
        yield ListFilter("search the help", id="help-filter")

    def on_mount(self) -> None:
        self.lines.border_title = "Help"
        self.lines.border_subtitle = "/ searches, esc closes"

    @property
    def lines(self) -> HelpLines:
        """Return the list."""
        return self.query_one(HelpLines)

    @on(InputLine.Typed)
    def _search(self, event: InputLine.Typed) -> None:
        found = [section.matching(event.text) for section in self._sections]
        self.lines.show([section for section in found if section.lines])
        count = sum(len(section.lines) for section in found)
        self.query_one(ListFilter).show_text(count_text(count, "hit") if event.text.strip() else "")

    @on(InputLine.Closed)
    def _show_all(self) -> None:
        self.lines.show(self._sections)
        self.set_focus(self.lines)

    @on(InputLine.Entered)
    def _to_lines(self) -> None:
        self.set_focus(self.lines)

    def action_search(self) -> None:
        self.query_one(ListFilter).open()

    def action_back(self) -> None:
        """Close the search, else the help."""
        search = self.query_one(ListFilter)
        if search.is_on:
            search.close()
        else:
            self.dismiss()


class HelpLines(Lines):
    """Draws sections of the help, wrapped to the width."""

    def __init__(self, sections: Sequence[HelpSection], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._sections = sections
        self._texts: list[HelpLine] = []

    def show(self, sections: Sequence[HelpSection]) -> None:
        """Show other sections, from the top."""
        self._sections = sections
        self.fit()
        self.scroll_to_line(0)

    @property
    def nothing(self) -> str:
        """Return why nothing is shown, which is not so before the first layout."""
        return "" if self._sections else "No line of the help has this."

    def fit(self) -> None:
        width = max(self.room - LABEL - 3, 10)
        self._texts = []
        for section in self._sections:
            self._texts += [HelpLine("", "", "dim")] if self._texts else []
            self._texts.append(HelpLine(section.heading, "", "head"))
            for line in section.lines:
                pieces = wrapped(line.right, width)
                self._texts += [HelpLine(line.left if not n else "", piece, line.color) for n, piece in enumerate(pieces)]
        self.set_count(len(self._texts))

    def segments(self, line: int, room: int) -> list[Segment]:  # noqa: ARG002
        text = self._texts[line]
        gap = " " * (LABEL - cells(text.left) + 1)
        return [Segment(f" {text.left}{gap}", self.style(text.color)), Segment(text.right)]
