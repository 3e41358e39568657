"""All versions of one path, and the facts of each that the file screen shows."""

from __future__ import annotations

import stat
from dataclasses import dataclass

import numpy as np

from layerscope.analysis import Contents
from layerscope.layers.table import KIND_LETTERS, Kind
from layerscope.report.listings import Describer
from layerscope.text import escape
from layerscope.tree.lookup import NOUNS
from layerscope.tree.tree import Change
from layerscope.units import size_text, utc_text
from layerscope.viewing.history import PathVersion, seen_after, versions_of_path
from layerscope.waste.find import Waste
from layerscope.wording.findings import CHANGE_MARKS
from layerscope.wording.sentences import layer_text


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """The facts of a version as text, escaped; empty where there is nothing to say."""

    layer: int
    change: Change
    mode: str
    owner: str
    size: str
    date: str
    link: str
    instruction: str
    buried_by: int
    """The layer that ended it (its own if its tar has the path again), 0 for none."""
    is_wasted: bool

    @property
    def mark(self) -> str:
        """Return the mark of the change: `+`, `~` or `-`."""
        return CHANGE_MARKS[self.change]

    @property
    def word(self) -> str:
        """Return the change: `added`, `modified` or `removed`."""
        return self.change.name.lower()

    @property
    def look(self) -> str:
        """Return mode, owner, size, date and link target, as far as there are any."""
        target = f"-> {self.link}" if self.link else ""
        return "  ".join(part for part in (self.mode, self.owner, self.size, self.date, target) if part)


@dataclass(frozen=True, slots=True, eq=False)
class PathHistory:
    """The versions of a node, oldest first, and the facts of each. A removal is a version, too."""

    contents: Contents
    node: int
    versions: list[PathVersion]
    facts: list[VersionFacts]

    @classmethod
    def of(cls, contents: Contents, node: int, waste: Waste | None) -> PathHistory:
        """Look up the versions of a node. Without `waste`, none is marked as wasted."""
        versions = versions_of_path(contents, node)
        origins = np.array([version.origin for version in versions], np.int64)
        wasted = set(origins[np.isin(origins, waste.entry)].tolist()) if waste is not None else set()
        return cls(contents, node, versions, [_facts(contents, version, wasted) for version in versions])

    def __len__(self) -> int:
        return len(self.versions)

    @property
    def path(self) -> str:
        """Return the path, escaped."""
        return "/" + escape(self.contents.tree.nodes.paths[self.node])

    @property
    def has_content(self) -> bool:
        """Tell whether any version is something other than a directory."""
        return any(version.kind not in (Kind.DIRECTORY, None) for version in self.versions)

    def seen_after(self, layer: int) -> int:
        """Return the index of the version that is seen after a layer, else of the last one before it."""
        return seen_after(self.versions, layer)

    def before(self, index: int) -> int | None:
        """Return the index of the version that `index` replaced, None where the path was not there."""
        past = (each for each in range(index - 1, -1, -1) if not self.versions[each].is_shadowed)
        found = next(past, None)
        return None if found is None or self.versions[found].kind is None else found

    def is_seen(self, index: int) -> bool:
        """Return whether a version can be seen after its layer: not a removal, and not buried by its own layer."""
        version = self.versions[index]
        return version.kind is not None and not version.is_shadowed

    def look(self, index: int) -> str:
        """Return mode, owner, size, date and link target of a version, and what kind it is."""
        return f"{self.facts[index].look}  {self.noun(index)}"

    def noun(self, index: int) -> str:
        """Return the kind of a version with its article, such as `a symlink`."""
        kind = self.versions[index].kind
        return "nothing" if kind is None else "a hard link" if kind is Kind.HARDLINK else NOUNS[kind]


def _facts(contents: Contents, version: PathVersion, wasted: set[int]) -> VersionFacts:
    look = Describer(contents.tree).entry(version.entry)
    is_there = version.kind is not None
    letter = KIND_LETTERS[version.kind] if version.kind is not None else ""
    is_buried = is_there and version.until <= contents.tree.layers
    mode = "?????????" if look.mode is None else stat.filemode(look.mode)[1:]
    return VersionFacts(
        layer=version.layer,
        change=version.change,
        mode=letter + mode if is_there else "",
        owner=f"{look.uid}:{look.gid}" if is_there and look.uid is not None else "",
        size=size_text(version.size) if version.kind is Kind.FILE else "",
        date=utc_text(look.mtime) if look.mtime is not None else "",
        link=version.link if version.kind in (Kind.SYMLINK, Kind.HARDLINK) else "",
        instruction=layer_text(contents.image.layers[version.layer - 1]),
        buried_by=version.until if is_buried else 0,
        is_wasted=version.origin in wasted,
    )
