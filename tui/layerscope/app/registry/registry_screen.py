"""The screen of a registry: it connects the widgets, asks for what comes into sight, and opens images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from layerscope.app.keys import KEYS, KeyAction, KeyContext, back, bindings
from layerscope.app.registry.registry_lines import (
    ASKING,
    RegistryHeads,
    RegistryLines,
    RegistrySummary,
    registry_note,
)
from layerscope.app.registry.registry_loader import ListEnded, RegistryLoader, RepositoriesArrived, TagOpened, TagsArrived
from layerscope.app.registry.registry_outline import RegistryOutline, RegistryRow, RowKind
from layerscope.app.widgets.cursor_lines import CursorLines
from layerscope.app.widgets.footer import Footer
from layerscope.app.widgets.home import FilteredHome
from layerscope.app.widgets.input_line import InputLine, ListFilter
from layerscope.app.widgets.lines import Details
from layerscope.progress import Progress
from layerscope.report.registry_tree import repositories_count
from layerscope.sources.registry.registry_name import RegistryName
from layerscope.sources.registry.tag_facts import TagFacts
from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image

OpenNamed = Callable[[RegistryName, Progress], "tuple[Image, Base]"]
"""Opens an image of the registry and finds its base."""
MOST_AT_ONCE = 64
"""Tags that are read with one call, of those in sight."""


@dataclass(frozen=True, slots=True)
class RegistryList:
    """The registry to list, and how to open one of its images. Ages are as of `now`."""

    loader: RegistryLoader
    open_named: OpenNamed
    now: float = field(default_factory=time.time)

    def screen(self, *, keys: Sequence[KeyAction], is_ascii: bool) -> RegistryScreen:
        """Return the screen that lists it."""
        return RegistryScreen(self, keys=keys, is_ascii=is_ascii)


class RegistryScreen(FilteredHome):
    """Shows repositories, tags and platforms as a tree, and asks for tags and their sizes when they come into sight."""

    CONTEXT = KeyContext.REGISTRY
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KeyContext.REGISTRY), back("back")]
    AUTO_FOCUS = "#registry"

    def __init__(self, registry: RegistryList, *, keys: Sequence[KeyAction] = KEYS, is_ascii: bool = False) -> None:
        super().__init__()
        self.outline = RegistryOutline()
        self._registry, self._loader = registry, registry.loader
        self._keys, self._is_ascii = keys, is_ascii
        self._asked: set[tuple[str, str]] = set()
        self._is_listing = True

    def compose(self) -> ComposeResult:
        yield RegistrySummary(escape(str(self._loader.place)), id="summary")
        yield RegistryHeads(id="registry-heads")
        yield RegistryLines(self.outline, now=self._registry.now, id="registry", is_ascii=self._is_ascii)
        yield ListFilter("part of the name of a repository or a tag", id="registry-filter")
        yield Details(id="registry-note")
        yield Footer(self._keys, id="footer")

    def on_mount(self) -> None:
        """Ask for the list; the note needs no focus."""
        self.query_one("#registry-note").can_focus = False
        self._work(partial(self._loader.list_all, self.post_message))

    def on_unmount(self) -> None:
        """Stop asking when the app ends."""
        self.stop()

    def stop(self) -> None:
        """Stop asking."""
        self._loader.stop()

    def _work(self, call: Callable[[], None]) -> None:
        self.run_worker(call, thread=True, group="load")

    @property
    def pane(self) -> RegistryLines:
        """Return the tree."""
        return self.query_one(RegistryLines)

    # What arrives.

    @on(RepositoriesArrived)
    def _take_repositories(self, message: RepositoriesArrived) -> None:
        self.outline.add(message.names)
        if message.tags is not None:
            (name,) = message.names
            self.outline.learn(name, message.tags)
            self.outline.unfolded.add((name, ""))
            if self._loader.place.reference:
                self._unfold(RegistryRow(RowKind.TAG, name, message.tags[0].tag))
        self._arrange()

    @on(ListEnded)
    def _end_list(self, message: ListEnded) -> None:
        self._is_listing = False
        if message.error is not None and not self.outline.tags:
            self.post_message(self.Broken(message.error))
        elif message.error is not None:
            self.notify(str(message.error), title="Not all listed", severity="error", markup=False)
        self._arrange()

    @on(TagsArrived)
    def _take_tags(self, message: TagsArrived) -> None:
        place = (message.repository, "")
        if message.problem:
            self.outline.notes[place] = message.problem
            self._arrange()
            return
        had_note = self.outline.notes.pop(place, None) is not None
        if self.outline.learn(message.repository, message.tags) or had_note:
            self._arrange()
        else:
            self.pane.refresh()
            self._tell()

    @on(TagOpened)
    def _take_tag(self, message: TagOpened) -> None:
        place = (message.repository, message.tag)
        if message.facts is not None:
            self.outline.learn(message.repository, [message.facts])
        if message.problem:
            self.outline.notes[place] = message.problem
        elif message.attached is not None:
            self.outline.notes.pop(place, None)
            self.outline.attached[place] = list(message.attached)
        self._arrange()

    def _arrange(self) -> None:
        """Show the rows again, with the cursor on the same one."""
        here = self.pane.row
        self.outline.arrange()
        self.pane.show(here)
        count = repositories_count(len(self.outline.tags))
        self.query_one(RegistrySummary).show(f"{count}, {ASKING}" if self._is_listing else count)
        if self.outline.text:
            self.filter_line.show_text(f"{self.outline.hits:,} match")

    @on(RegistryLines.Scrolled)
    def _ask_for_what_is_in_sight(self) -> None:
        """Read what the tags in sight lead to, unless that is known or being asked."""
        wanted: dict[str, list[TagFacts]] = {}
        for row in self.pane.in_sight:
            facts = self.outline.facts(*row.place) if row.kind is RowKind.TAG else None
            if facts is not None and row.place not in self._asked and not facts.problem and facts.wire_bytes is None:
                self._asked.add(row.place)
                wanted.setdefault(row.repository, []).append(facts)
        for repository, tags in wanted.items():
            self._work(partial(self._loader.read_tags, repository, tags[:MOST_AT_ONCE], self.post_message))

    # What follows the cursor.

    @on(CursorLines.Moved)
    def _tell(self) -> None:
        row = self.pane.row
        host = self._loader.place.host
        self.query_one("#registry-note", Details).show(list(registry_note(self.outline, row, host)) if row is not None else [])

    @on(CursorLines.Chosen)
    def _open(self) -> None:
        row = self.pane.row
        if row is None or row.kind in (RowKind.NOTE, RowKind.ATTACHED):
            return
        if row.kind is RowKind.REPOSITORY:
            self.action_toggle_row()
            return
        facts = self.outline.facts(*row.place)
        image = row.image or (facts.chosen if facts is not None else None)
        if image is not None and image.is_artifact:
            self.notify(
                f"{escape(row.tag)} is {image.kind}, which has no layers to explore", title="Not an image", markup=False
            )
            return
        digest = row.image.digest if row.image is not None else None
        tag = "" if ":" in row.tag else row.tag
        if ":" in row.tag and digest is None and facts is not None:
            digest = facts.digest
        name = RegistryName(self._loader.place.host, row.repository, tag, digest)
        self.post_message(self.Opened(partial(self._registry.open_named, name), str(name)))

    # What keys do.

    def action_open(self) -> None:
        self.pane.choose()

    @on(RegistryLines.Folded)
    def action_toggle_row(self) -> None:
        """Fold or unfold the row under the cursor."""
        row = self.pane.row
        if row is not None and row.is_foldable:
            if self.outline.is_unfolded(row):
                self.outline.unfolded.discard(row.place)
            else:
                self._unfold(row)
            self._arrange()

    def _unfold(self, row: RegistryRow) -> None:
        """Unfold a row, and ask for what is below it the first time."""
        outline, place = self.outline, row.place
        outline.unfolded.add(place)
        if row.kind is RowKind.REPOSITORY:
            if outline.tags.get(row.repository) is None:
                outline.notes[place] = ASKING
                self._work(partial(self._loader.list_tags, row.repository, self.post_message))
        elif place not in outline.attached and (facts := outline.facts(*place)) is not None:
            self._asked.add(place)
            outline.notes[place] = ASKING
            self._work(partial(self._loader.open_tag, row.repository, facts, self.post_message))

    def action_fold(self) -> None:
        """Fold the row under the cursor, or go to the one around it."""
        row = self.pane.row
        if row is None:
            return
        if self.outline.is_unfolded(row):
            self.action_toggle_row()
            return
        rows, line = self.outline.rows, self.pane.cursor
        self.pane.go(next((each for each in range(line, -1, -1) if rows[each].level < row.level), line))

    def action_unfold(self) -> None:
        """Unfold the row under the cursor, or go to the first row below it."""
        row = self.pane.row
        if row is not None and row.is_foldable:
            self.pane.action_move(1) if self.outline.is_unfolded(row) else self.action_toggle_row()

    @on(InputLine.Typed)
    def _filter(self, event: InputLine.Typed) -> None:
        self.outline.text = event.text.strip()
        self._arrange()
        if not self.outline.text:
            self.filter_line.show_text("")

    @on(InputLine.Closed)
    def _unfilter(self) -> None:
        self.outline.text = ""
        self._arrange()
        self.set_focus(self.pane)
