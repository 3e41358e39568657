"""The screen of a repository's tags: a bar for each, oldest first; one opens in the explorer, two in a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from layerscope.app.keys import KEYS, KeyAction, KeyContext, back, bindings
from layerscope.app.tags.tag_lines import TagLines, TagsSummary, tag_note
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.home import Home
from layerscope.app.widgets.lines import Details
from layerscope.progress import Progress
from layerscope.report.tag_sizes import TagReport
from layerscope.sources.base import Base

if TYPE_CHECKING:
    from layerscope.sources.image import Image


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags to show. `open_tag` opens the image of a tag; `reference` is the repository's, to which `:TAG` is added."""

    report: TagReport
    open_tag: Callable[[str, Progress], Image]
    reference: str

    def screen(self, *, keys: Sequence[KeyAction], is_ascii: bool) -> TagsScreen:
        """Return the screen that shows them."""
        return TagsScreen(self, keys=keys, is_ascii=is_ascii)


class TagsScreen(Home):
    """Shows tags with bars. Enter opens one; two marked ones are compared."""

    CONTEXT = KeyContext.TAGS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.TAGS), back("back")]
    AUTO_FOCUS = "#tags"

    def __init__(self, tags: TagList, *, keys: Sequence[KeyAction] = KEYS, is_ascii: bool = False) -> None:
        super().__init__()
        self._tags, self._keys, self._is_ascii = tags, keys, is_ascii

    def compose(self) -> ComposeResult:
        yield TagsSummary(self._tags.report, id="summary")
        yield TagLines(self._tags.report.series, id="tags", is_ascii=self._is_ascii)
        yield Details(id="tags-note")
        yield Footer(self._keys, id="footer")

    def on_mount(self) -> None:
        """Show all tags, with the cursor on the newest; the note needs no focus."""
        self.query_one("#tags-note").can_focus = False
        count = len(self._tags.report.series.tags)
        self.pane.set_count(count)
        self.pane.go(count - 1)
        self._tell()

    @property
    def pane(self) -> TagLines:
        """Return the list."""
        return self.query_one(TagLines)

    @on(CursorLines.Moved)
    def _tell(self) -> None:
        self.query_one("#tags-note", Details).show(list(tag_note(self._tags.report, self.pane.number)))

    @on(CursorLines.Chosen)
    def _open(self) -> None:
        marked = self.pane.marked
        if len(marked) == 2 or (marked and self.pane.number not in marked):
            self.action_compare()
            return
        number = self.pane.number
        self.post_message(self.Opened(partial(self._opened, number), self._reference(number)))

    def _opened(self, number: int, progress: Progress) -> tuple[Image, Base]:
        base = self._tags.report.series.bases[number]
        image = self._tags.open_tag(self._reference(number), progress)
        return image, Base(base.layers if base is not None else None)

    def _reference(self, number: int) -> str:
        return f"{self._tags.reference}:{self._tags.report.series.tags[number].tag}"

    # What keys do.

    def action_open(self) -> None:
        self.pane.choose()

    def action_mark(self) -> None:
        self.pane.mark()

    def action_sort(self) -> None:
        self.pane.sort_by_next()

    def action_back(self) -> None:
        self.pane.unmark()

    def action_compare(self) -> None:
        """Compare the two marked tags, or the marked one with the one under the cursor, or this with the one before."""
        pane = self.pane
        growth = pane.series.growths[pane.number]
        before = growth.old if growth is not None else max(pane.number - 1, 0)
        chosen = sorted({*pane.marked, pane.number} if len(pane.marked) == 1 else pane.marked or {before, pane.number})
        if len(chosen) < 2:
            self.notify("mark another tag with `m` to compare this one with it", title="Nothing to compare", markup=False)
            return
        openers = [partial(self._opened, number) for number in chosen]
        title = " → ".join(pane.series.tags[number].tag for number in chosen)
        self.post_message(self.Paired(openers, title))
