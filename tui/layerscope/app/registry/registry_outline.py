"""The tree of a registry as rows: what has arrived so far, what is unfolded, what the filter leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from layerscope.sources.registry.attached import Attached
from layerscope.sources.registry.tag_facts import TagFacts, TagImage


class RowKind(Enum):
    """What a row of the tree shows."""

    REPOSITORY = "repository"
    TAG = "tag"
    PLATFORM = "platform"
    ATTACHED = "attached"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class RegistryRow:
    """One row. `tag` is empty for a repository; `image` is set for a platform, `thing` for what is attached, `note` for a
    sentence in the place of rows that are not there.
    """

    kind: RowKind
    repository: str
    tag: str = ""
    image: TagImage | None = None
    thing: Attached | None = None
    note: str = ""

    @property
    def level(self) -> int:
        """Return how deep it is in the tree."""
        return {RowKind.REPOSITORY: 0, RowKind.TAG: 1, RowKind.NOTE: 2 if self.tag else 1}.get(self.kind, 2)

    @property
    def is_foldable(self) -> bool:
        """Tell whether there are rows below it."""
        return self.kind in (RowKind.REPOSITORY, RowKind.TAG)

    @property
    def place(self) -> tuple[str, str]:
        """Return the repository and the tag, by which it is unfolded and known."""
        return self.repository, self.tag


@dataclass
class RegistryOutline:
    """What is known of a registry. `tags` are None until they were asked for; `notes` say why there is nothing below a row.

    `rows` are those to show: call `arrange` after a change.
    """

    tags: dict[str, dict[str, TagFacts] | None] = field(default_factory=dict)
    attached: dict[tuple[str, str], list[Attached]] = field(default_factory=dict)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    unfolded: set[tuple[str, str]] = field(default_factory=set)
    text: str = ""
    rows: list[RegistryRow] = field(default_factory=list)

    def add(self, names: Sequence[str]) -> None:
        """Add repositories; those that are there already stay."""
        for name in names:
            self.tags.setdefault(name, None)

    def facts(self, repository: str, tag: str) -> TagFacts | None:
        """Return what is known of a tag."""
        return (self.tags.get(repository) or {}).get(tag)

    def learn(self, repository: str, found: Sequence[TagFacts]) -> bool:
        """Take the tags of a repository, or what is known of some of them; the order of the first time stays.

        Returns whether other rows are to be shown.
        """
        known = self.tags.get(repository)
        if known is None:
            known = self.tags[repository] = {}
        is_other = any(each.tag not in known or (repository, each.tag) in self.unfolded for each in found)
        known.update((each.tag, each) for each in found)
        return is_other or not found

    def is_unfolded(self, row: RegistryRow) -> bool:
        """Tell whether the rows below a row are shown."""
        return row.is_foldable and row.place in self.unfolded

    def arrange(self) -> None:
        """Compute the rows again."""
        self.rows = list(self._arranged())

    def line_of(self, wanted: RegistryRow | None) -> int:
        """Return the line of a row, or of the row around it if it is no longer there; -1 for none."""
        if wanted is None:
            return -1
        around = (wanted.place, (wanted.repository, ""))
        lines = {row.place: line for line, row in reversed(list(enumerate(self.rows))) if row.is_foldable}
        exact = next((line for line, row in enumerate(self.rows) if row == wanted), -1)
        return exact if exact >= 0 else next((lines[place] for place in around if place in lines), -1)

    @property
    def hits(self) -> int:
        """Return the number of repositories and tags that match the filter."""
        return sum(self._fits(row.tag or row.repository) for row in self.rows if row.is_foldable)

    def _fits(self, name: str) -> bool:
        return self.text.lower() in name.lower()

    def _arranged(self) -> Iterator[RegistryRow]:
        for repository, tags in self.tags.items():
            is_hit = self._fits(repository)
            shown = [tag for tag in tags or () if is_hit or self._fits(tag)]
            if not is_hit and not shown:
                continue
            yield RegistryRow(RowKind.REPOSITORY, repository)
            if (repository, "") in self.unfolded or (self.text and not is_hit):
                yield from self._note(repository, "")
                for tag in shown:
                    yield RegistryRow(RowKind.TAG, repository, tag)
                    if (repository, tag) in self.unfolded:
                        yield from self._below(repository, tag)

    def _below(self, repository: str, tag: str) -> Iterator[RegistryRow]:
        facts = self.facts(repository, tag)
        for image in facts.images if facts is not None else ():
            yield RegistryRow(RowKind.PLATFORM, repository, tag, image=image)
        for thing in self.attached.get((repository, tag), ()):
            yield RegistryRow(RowKind.ATTACHED, repository, tag, thing=thing)
        yield from self._note(repository, tag)

    def _note(self, repository: str, tag: str) -> Iterator[RegistryRow]:
        if note := self.notes.get((repository, tag)):
            yield RegistryRow(RowKind.NOTE, repository, tag, note=note)
