"""Places in the files: where jumps started, to go back and forward to, and the bookmarks of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerscope.text import escape

if TYPE_CHECKING:
    from layerscope.app.export.menu import MenuRow
    from layerscope.tree.nodes import Flags
    from layerscope.tree.tree import Change, Tree

MOST_PLACES = 100
"""The places that are kept: each has a flag for every node."""
LETTERS = "bcdefghij"
"""The keys of bookmarks: digits are counts."""


@dataclass(frozen=True, slots=True, eq=False)
class FilePlace:
    """A place in the files: the node under the cursor, what is unfolded (a flag for each node of `tree`) and what is hidden.

    `layer` has the cursor of the layers, `marked` is the marked one, 0 for none.
    """

    tree: Tree
    node: int
    unfolded: Flags
    hidden: frozenset[Change]
    layer: int
    marked: int
    is_so_far: bool

    @property
    def name(self) -> str:
        """Return its path and layer in words."""
        return f"/{escape(self.tree.nodes.paths[self.node])}, after layer {self.layer}"


class FilePlaces:
    """The places that jumps started at, before and after the present one, and bookmarks. Those of another tree are no more."""

    def __init__(self) -> None:
        self._back: list[FilePlace] = []
        self._ahead: list[FilePlace] = []
        self._bookmarks: list[FilePlace] = []

    def leave(self, place: FilePlace) -> None:
        """Remember a place that a jump starts at."""
        self._back = [*self._back, place][-MOST_PLACES:]
        self._ahead.clear()

    def go(self, step: int, now: FilePlace) -> FilePlace | None:
        """Return the previous (-1) or next place, from which there is a way to the place `now`; None if there is none."""
        source, target = (self._back, self._ahead) if step < 0 else (self._ahead, self._back)
        while source:
            place = source.pop()
            if place.tree is now.tree:
                target.append(now)
                return place
        return None

    def bookmarks(self, now: FilePlace) -> list[FilePlace]:
        """Return the bookmarks, oldest first."""
        self._bookmarks = [place for place in self._bookmarks if place.tree is now.tree]
        return self._bookmarks

    def mark(self, place: FilePlace) -> None:
        """Make a place a bookmark; of too many, the oldest is no more."""
        self._bookmarks = [*self.bookmarks(place), place][-len(LETTERS) :]

    def menu(self, now: FilePlace) -> list[MenuRow]:
        """Return the lines of the menu: a bookmark of the place `now`, then the bookmarks."""
        from layerscope.app.export.menu import MenuRow

        found = zip(LETTERS, self.bookmarks(now), strict=False)
        return [MenuRow("a", "add", now.name), *(MenuRow(letter, "go to", place.name) for letter, place in found)]
