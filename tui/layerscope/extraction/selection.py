"""The part of an image's file tree to write to disk: which nodes, as what, to which paths; and which files are in the way."""

from __future__ import annotations

import stat
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.errors import CannotWrite, WouldOverwrite
from layerscope.extraction.destination import Destination
from layerscope.layers.table import Kind
from layerscope.text import escape
from layerscope.tree.nodes import Ints
from layerscope.tree.tree import Longs, View

NOWHERE = -1
"""The kind of a hard link that leads to nothing."""
LONGEST_TARGET = 4095
"""Bytes in a symlink's target: Linux's PATH_MAX without its NUL."""
FORCE = " (--force replaces files)"
"""What the command line's user can do about a file that is there."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One node and everything visible below it, as columns of length n in depth-first order.

    `nodes` are the nodes' numbers; `kind` is a Kind or NOWHERE, for a hard link the kind of what it leads to; `shown` is the
    number of the entry with that kind and the content (-1: none). `top` is the path of the first node in the destination, empty
    for the destination itself.
    """

    view: View
    nodes: Longs
    kind: npt.NDArray[np.int8]
    shown: Ints
    top: bytes

    @classmethod
    def of(cls, view: View, node: int, top: bytes) -> Selection:
        """Select the visible node `node` and everything below it."""
        tree = view.tree
        nodes = node + np.flatnonzero(view.is_visible[node : tree.nodes.end[node]])
        kind = np.full(len(nodes), Kind.DIRECTORY, np.int8)
        shown = np.full(len(nodes), NOWHERE, np.int32)
        named = np.flatnonzero(view.entry[nodes] >= 0)
        if len(named):
            shown[named] = tree.origin[view.entry[nodes[named]]]
            # The column of kinds is unsigned: NOWHERE fits only once it is signed (numpy 2.5 refuses the mixture).
            kind[named] = np.where(shown[named] >= 0, tree.entries.kind[shown[named]].astype(np.int8), NOWHERE)
        return cls(view, nodes, kind, shown, top)

    def __len__(self) -> int:
        return len(self.nodes)

    def of_kind(self, *kinds: int) -> list[int]:
        """Return the indexes of the nodes of these kinds, in order."""
        found: list[int] = np.flatnonzero(np.isin(self.kind, kinds)).tolist()
        return found

    def path(self, index: int) -> bytes:
        """Return the path at which to write node number `index` of the selection, relative to the destination."""
        nodes = self.view.tree.nodes
        rest = nodes.paths[int(self.nodes[index])][len(nodes.paths[int(self.nodes[0])]) :].lstrip(b"/")
        return self.top + b"/" + rest if self.top and rest else self.top or rest

    def source(self, index: int) -> str:
        """Return the path of a node in the image, escaped."""
        return "/" + escape(self.view.tree.nodes.paths[int(self.nodes[index])])

    def target(self, index: int) -> bytes:
        """Return a symlink's target as it is written."""
        return self.view.tree.entries.links[int(self.shown[index])]

    def mode(self, index: int) -> int:
        """Return a node's permissions, without setuid, setgid and sticky bits."""
        entry = int(self.view.entry[self.nodes[index]])
        return int(self.view.tree.entries.mode[entry]) & 0o777 if entry >= 0 else 0o755

    def mtime(self, index: int) -> int | None:
        """Return a node's modification time in seconds since 1970; None for a directory without an entry."""
        entry = int(self.view.entry[self.nodes[index]])
        return int(self.view.tree.entries.mtime[entry]) if entry >= 0 else None

    def following(self, index: int) -> int:
        """Return the index of the first node after everything below node `index`."""
        return int(np.searchsorted(self.nodes, self.view.tree.nodes.end[self.nodes[index]]))

    def odd(self) -> list[int]:
        """Return the indexes of nodes that cannot be written, except devices."""
        return [index for index in self.of_kind(Kind.SYMLINK, NOWHERE, Kind.HARDLINK) if not self.can_be_written(index)]

    def can_be_written(self, index: int) -> bool:
        """Tell whether a node can be written: not devices, links that lead nowhere, or symlinks that no file system accepts."""
        if self.kind[index] == Kind.SYMLINK:
            target = self.target(index)
            return 0 < len(target) <= LONGEST_TARGET and b"\0" not in target
        return self.kind[index] in (Kind.FILE, Kind.DIRECTORY, Kind.FIFO)


def check_names(selection: Selection, longest: int) -> None:
    """Check names against the destination's limit. Raises CannotWrite when one below the first node is too long."""
    nodes, below = selection.view.tree.nodes, selection.nodes[1:]
    lengths = np.diff(nodes.paths.offsets)[below] - nodes.name_start[below]
    too_long = np.flatnonzero(lengths > longest)
    if len(too_long):
        shown = selection.source(int(too_long[0]) + 1)
        raise CannotWrite(f"{shown[:200]}… has a name of {lengths[too_long[0]]} bytes; at most {longest} are possible")


def check_room(selection: Selection, destination: Destination, *, overwrite: bool) -> None:
    """Check that no file is in the way. Raises WouldOverwrite, or CannotWrite for what even `overwrite` cannot replace."""
    taken, blocked = _in_the_way(selection, destination)
    found = blocked if overwrite else sorted(taken + blocked)
    if not found:
        return
    first = destination.shown(selection.path(found[0]))
    others = f", and so {'is' if len(found) == 2 else 'are'} {len(found) - 1:,} more" if len(found) > 1 else ""
    if not overwrite:
        hint = "" if blocked else FORCE
        raise WouldOverwrite(f"{first} already exists{others}; nothing was written{hint}")
    kind = "directory" if selection.kind[found[0]] == Kind.DIRECTORY else "file"
    raise CannotWrite(f"{first} exists and cannot be replaced by a {kind}{others}; nothing was written")


def _in_the_way(selection: Selection, destination: Destination) -> tuple[list[int], list[int]]:
    """Return the indexes of nodes whose paths exist: first where `overwrite` could replace a file, then where it never does.

    It never replaces a directory, nor a non-directory where a directory must be.
    """
    taken: list[int] = []
    blocked: list[int] = []
    index = 0
    while index < len(selection):
        status = destination.status(selection.path(index)) if selection.can_be_written(index) else None
        if status is not None:
            kinds = {bool(selection.kind[index] == Kind.DIRECTORY), stat.S_ISDIR(status.st_mode)}
            if kinds == {True}:
                index += 1
                continue
            (blocked if True in kinds else taken).append(index)
        index = selection.following(index)
    return taken, blocked
