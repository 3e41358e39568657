"""Reads versions of a path and makes pages of them: what the view of a file runs in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from textual.message import Message

from layerscope.app.file.header import Mode
from layerscope.app.file.pages import Difference, Hex, Page, Sentences, Text
from layerscope.app.file.path_history import Story
from layerscope.app.widgets.highlight import highlighted
from layerscope.errors import LayerscopeError
from layerscope.units import size_text
from layerscope.viewing.cancelling import Cancelled, IsCancelled
from layerscope.viewing.difference import difference
from layerscope.viewing.forms import Form, Shown
from layerscope.viewing.shown import load
from layerscope.viewing.unified import DiffLine

Key = tuple[Mode, int]
"""A way of looking at the version with that index."""
MOST_PAGES = 8
MOST_FILES = 4


class Ready(Message, bubble=False):
    """A page was made of what was read. `files` are all that were read, by entry; unless `is_final`, another one follows, or
    reading it again may help.
    """

    def __init__(self, key: Key, page: Page, files: dict[int, Shown], *, is_final: bool) -> None:
        self.key, self.page, self.files, self.is_final = key, page, files, is_final
        super().__init__()


@dataclass(frozen=True, slots=True)
class Kept:
    """The pages and files that were read last."""

    pages: dict[Key, Page] = field(default_factory=dict)
    files: dict[int, Shown] = field(default_factory=dict)

    def keep(self, ready: Ready) -> None:
        """Keep what was read, in place of the oldest."""
        self.files.update(ready.files)
        if ready.is_final:
            self.pages[ready.key] = ready.page
        for number in list(self.files)[:-MOST_FILES]:
            del self.files[number]
        for key in list(self.pages)[:-MOST_PAGES]:
            del self.pages[key]


def read(story: Story, key: Key, files: dict[int, Shown], is_cancelled: IsCancelled) -> Iterator[Ready]:
    """The page, then once more in colour where that takes a while; an error is a page, too. Ends when it is cancelled."""
    mode, index = key
    reading = Reading(story, files, is_cancelled)
    try:
        if mode == "diff":
            yield Ready(key, reading.diff(index), reading.files, is_final=True)
            return
        page = reading.content(index)
        is_code = isinstance(page, Text) and bool(page.language)
        yield Ready(key, page, reading.files, is_final=not is_code)
        if isinstance(page, Text) and is_code:
            coloured = highlighted(page.texts, page.language, is_cancelled)
            yield Ready(key, replace(page, coloured=coloured), reading.files, is_final=True)
    except Cancelled:
        return
    except LayerscopeError as error:
        yield Ready(key, Sentences(sentences=(str(error),), ink="removed"), reading.files, is_final=False)


class Reading:
    """Reads for one page. `files` are those that were read before, by entry; those read now are added to it."""

    def __init__(self, story: Story, files: dict[int, Shown], is_cancelled: IsCancelled) -> None:
        self._story, self.files, self._is_cancelled = story, files, is_cancelled

    def content(self, index: int) -> Page:
        """A version's content. Raises CorruptLayer and Cancelled."""
        story, version = self._story, self._story.versions[index]
        if version.kind is None:
            return Sentences(sentences=(f"removed by layer {version.layer}",), ink="removed")
        if version.content_entry is None:
            return Sentences(sentences=(_described(story, index),))
        return content_page(self._load(version.content_entry))

    def diff(self, index: int) -> Page:
        """A version against the one before. Raises CorruptLayer and Cancelled."""
        story, version = self._story, self._story.versions[index]
        if version.kind is None:
            return Sentences(sentences=(f"removed by layer {version.layer}",), ink="removed")
        before = story.before(index)
        if before is None:
            return Sentences(sentences=(_first(story, index),))
        old, new = story.versions[before], version
        against = f"layer {old.layer} → layer {new.layer}"
        if old.content_entry is None or new.content_entry is None:
            return Difference.of(list(_look_changes(story, before, index)), against)
        shown = (self._load(old.content_entry), self._load(new.content_entry))
        return Difference.of(difference(*shown, old_version=old, new_version=new), against)

    def _load(self, entry: int) -> Shown:
        if entry not in self.files:
            name = self._story.contents.tree.nodes.name(self._story.node)
            self.files[entry] = load(self._story.contents, entry, name=name, is_cancelled=self._is_cancelled)
        return self.files[entry]


def content_page(shown: Shown) -> Page:
    """A file in the form it has; the status says what is known of it, and what is not shown."""
    status = _status(shown)
    if not len(shown.lines):
        return Sentences((), status, shown.is_cut, sentences=("an empty file" if not shown.size else shown.note,))
    if shown.form is Form.HEX:
        return Hex(shown.lines, status, shown.is_cut, content=shown.content)
    if shown.form is Form.TEXT:
        return Text(shown.lines, status, shown.is_cut, language=shown.language)
    return Page(shown.lines, status, shown.is_cut)


def _status(shown: Shown) -> str:
    """What is not shown comes first, for the end may have no room."""
    notes = shown.note.split("; ") if shown.note else []
    if shown.is_cut and not notes:
        notes = ["the ends of long lines are not shown"]
    size = size_text(shown.size)
    missing = [note for note in notes if note.startswith("the first ")]
    known = [] if missing and size in missing[0] else [size]
    return " · ".join([*missing, *known, *filter(None, [shown.language]), *(note for note in notes if note not in missing)])


def _described(story: Story, index: int) -> str:
    """A symlink shows its target, all else what it is."""
    version = story.versions[index]
    if version.content_entry is None and version.link:
        return f"→ {version.link}"
    return f"{story.noun(index)}: it has no content of its own"


def _first(story: Story, index: int) -> str:
    """Why there is nothing to compare with."""
    added = f"added by layer {story.versions[index].layer}"
    past = [version for version in story.versions[:index] if version.kind is None]
    return f"nothing before it: {f'removed by layer {past[-1].layer}, ' if past else ''}{added}"


def _look_changes(story: Story, before: int, index: int) -> Iterator[DiffLine]:
    """What is different where one of the two is no file: how it is listed."""
    old, new = (f"{story.facts[each].look}  {story.noun(each)}" for each in (before, index))
    if old == new:
        yield DiffLine("note", "the same mode, owner and time again")
        yield DiffLine("context", new)
    else:
        yield DiffLine("removed", old)
        yield DiffLine("added", new)
