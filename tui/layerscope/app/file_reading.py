"""Reads versions of a path and makes pages of them: what the view of a file runs in a thread."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.app.file_pages import Difference, Hex, Page, Sentences, Text
from layerscope.app.file_story import Story
from layerscope.units import size_text
from layerscope.viewing.cancelling import IsCancelled
from layerscope.viewing.difference import difference
from layerscope.viewing.forms import Form, Shown
from layerscope.viewing.shown import load
from layerscope.viewing.unified import DiffLine


class Reading:
    """Reads for one page. `kept` are files that were read before, by entry; those read now are added to it."""

    def __init__(self, story: Story, kept: dict[int, Shown], is_cancelled: IsCancelled) -> None:
        self._story, self.kept, self._is_cancelled = story, kept, is_cancelled

    def content(self, index: int) -> tuple[Page, str]:
        """A version's content, and its language. Raises CorruptLayer and Cancelled."""
        story, version = self._story, self._story.versions[index]
        if version.kind is None:
            return Sentences(sentences=(f"removed by layer {version.layer}",), ink="removed"), ""
        if version.content_entry is None:
            return Sentences(sentences=(_described(story, index),)), ""
        shown = self._load(version.content_entry)
        return content_page(shown), shown.language if shown.form is Form.TEXT else ""

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
        if entry not in self.kept:
            name = self._story.contents.tree.nodes.name(self._story.node)
            self.kept[entry] = load(self._story.contents, entry, name=name, is_cancelled=self._is_cancelled)
        return self.kept[entry]


def content_page(shown: Shown) -> Page:
    """A file in the form it has; the status says what is known of it, and what is not shown."""
    missing = "" if not shown.is_cut or shown.note else "the ends of long lines are not shown"
    status = " · ".join(part for part in (size_text(shown.size), shown.language, shown.note, missing) if part)
    if not len(shown.lines):
        return Sentences((), status, shown.is_cut, sentences=("an empty file" if not shown.size else shown.note,))
    if shown.form is Form.HEX:
        return Hex(shown.lines, status, shown.is_cut, content=shown.content)
    page = Text if shown.form is Form.TEXT else Page
    return page(shown.lines, status, shown.is_cut)


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
