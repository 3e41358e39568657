"""Reading versions of a path and making pages of them, which the file screen does in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from textual.message import Message

from layerscope.app.file.header import Mode
from layerscope.app.file.highlight import highlighted
from layerscope.app.file.paged_page import AROUND, PagedPage
from layerscope.app.file.pages import Difference, Hex, Page, Sentences, SourceText
from layerscope.app.file.path_history import PathHistory
from layerscope.errors import Cancelled, FileChanged, IsCancelled, LayerscopeError
from layerscope.extraction.extract import content_tail
from layerscope.units import size_text
from layerscope.viewing.difference import difference
from layerscope.viewing.paged import PagedHex, PagedText
from layerscope.viewing.shown import Form, ShownFile, load
from layerscope.viewing.unified import DiffLine

PageKey = tuple[Mode, int]
"""A mode, and the index of a version."""
MOST_PAGES = 8
MOST_FILES = 4


class Ready(Message, bubble=False):
    """A page is ready. `files` are all files read for it, by entry.

    Unless `is_final`, another page follows, or reading it again may help.
    """

    def __init__(self, key: PageKey, page: Page, files: dict[int, ShownFile], *, is_final: bool) -> None:
        self.key, self.page, self.files, self.is_final = key, page, files, is_final
        super().__init__()


@dataclass(frozen=True, slots=True)
class PageCache:
    """The pages and files that were read last, a few of each."""

    pages: dict[PageKey, Page] = field(default_factory=dict)
    files: dict[int, ShownFile] = field(default_factory=dict)

    def keep(self, ready: Ready) -> None:
        """Keep a page and its files, and drop the oldest."""
        self.files.update(ready.files)
        if ready.is_final:
            self.pages[ready.key] = ready.page
        for number in list(self.files)[:-MOST_FILES]:
            del self.files[number]
        for key in list(self.pages)[:-MOST_PAGES]:
            del self.pages[key]


def read(history: PathHistory, key: PageKey, files: dict[int, ShownFile], is_cancelled: IsCancelled) -> Iterator[Ready]:
    """Yield a version's page in one mode; for source code, then the same page highlighted. An error is a page, too."""
    mode, index = key
    reading = Reading(history, files, is_cancelled)
    try:
        if mode == "diff":
            yield Ready(key, reading.diff(index), reading.files, is_final=True)
            return
        page = reading.content(index)
        is_code = isinstance(page, SourceText) and bool(page.language)
        yield Ready(key, page, reading.files, is_final=not is_code)
        if isinstance(page, SourceText) and is_code:
            colored = highlighted(page.texts, page.language, is_cancelled)
            yield Ready(key, replace(page, colored=colored), reading.files, is_final=True)
    except Cancelled:
        return
    except LayerscopeError as error:
        yield Ready(key, failure_page(error), reading.files, is_final=False)


def failure_page(error: LayerscopeError) -> Page:
    """Return what is shown in place of a content that cannot be read."""
    sentence = f"{error.what_happened}; r reads it again" if isinstance(error, FileChanged) else str(error)
    return Sentences(sentences=(sentence,), style="removed")


class Reading:
    """Reads the files of one page. `files` are those read before, by entry; those read now are added to them."""

    def __init__(self, history: PathHistory, files: dict[int, ShownFile], is_cancelled: IsCancelled) -> None:
        self._history, self.files, self._is_cancelled = history, files, is_cancelled

    def content(self, index: int) -> Page:
        """Return a version's content as a page. Raises CorruptLayer and Cancelled."""
        history, version = self._history, self._history.versions[index]
        if version.kind is None:
            return Sentences(sentences=(f"removed by layer {version.layer}",), style="removed")
        if version.content_entry is None:
            described = f"-> {version.link}" if version.link else f"{history.noun(index)}: it has no content of its own"
            return Sentences(sentences=(described,))
        shown = self.load(version.content_entry)
        if not (shown.is_own and shown.is_cut):
            return content_page(shown)
        entry, contents = version.content_entry, history.contents
        tail = partial(content_tail, contents, entry)
        file = PagedText(shown.size, tail, codec=shown.codec) if shown.codec else PagedHex(shown.size, tail)
        file.read_on(AROUND, self._is_cancelled)
        file.load(range(AROUND), self._is_cancelled)
        return PagedPage.of(file, _status(shown, is_paged=True))

    def diff(self, index: int) -> Page:
        """Return the differences between a version and the one before it as a page. Raises CorruptLayer and Cancelled."""
        history, version = self._history, self._history.versions[index]
        if version.kind is None:
            return Sentences(sentences=(f"removed by layer {version.layer}",), style="removed")
        before = history.before(index)
        if before is None:
            return Sentences(sentences=(_first(history, index),))
        old, new = history.versions[before], version
        against = f"layer {old.layer} → layer {new.layer}"
        if old.content_entry is None or new.content_entry is None:
            return Difference.of(look_changes(history.look(before), history.look(index)), against)
        shown = (self.load(old.content_entry), self.load(new.content_entry))
        return Difference.of(difference(*shown, old_version=old, new_version=new), against)

    def load(self, entry: int) -> ShownFile:
        """Read the file of an entry, unless it was read before. Raises CorruptLayer and Cancelled."""
        if entry not in self.files:
            name = self._history.contents.tree.nodes.name(self._history.node)
            self.files[entry] = load(self._history.contents, entry, name=name, is_cancelled=self._is_cancelled)
        return self.files[entry]


def content_page(shown: ShownFile) -> Page:
    """Return a file as text, hex or members; the status says what is known of it, and what is not shown."""
    status = _status(shown)
    if not len(shown.lines):
        return Sentences((), status, shown.is_cut, sentences=("an empty file" if not shown.size else shown.note,))
    if shown.form is Form.HEX:
        return Hex(shown.lines, status, shown.is_cut, content=shown.content)
    if shown.form is Form.TEXT:
        return SourceText(shown.lines, status, shown.is_cut, language=shown.language)
    return Page(shown.lines, status, shown.is_cut)


def _status(shown: ShownFile, *, is_paged: bool = False) -> str:
    """Return the notes on a file, what is not shown first, since the end may not fit; nothing is missing if it `is_paged`."""
    notes = shown.note.split("; ") if shown.note else []
    if is_paged:
        notes = [note for note in notes if not note.startswith("the first ")]
    elif shown.is_cut and not notes:
        notes = ["the ends of long lines are not shown"]
    size = size_text(shown.size)
    missing = [note for note in notes if note.startswith("the first ")]
    known = [] if missing and size in missing[0] else [size]
    return " · ".join([*missing, *known, *filter(None, [shown.language]), *(note for note in notes if note not in missing)])


def _first(history: PathHistory, index: int) -> str:
    """Say why there is no version to compare with."""
    added = f"added by layer {history.versions[index].layer}"
    past = [version for version in history.versions[:index] if version.kind is None]
    return f"nothing before it: {f'removed by layer {past[-1].layer}, ' if past else ''}{added}"


def look_changes(old: str, new: str) -> list[DiffLine]:
    """Return the difference between the looks of two versions of which at least one is not a regular file."""
    if old == new:
        return [DiffLine("note", "the same mode, owner and time again"), DiffLine("context", new)]
    return [DiffLine("removed", old), DiffLine("added", new)]
