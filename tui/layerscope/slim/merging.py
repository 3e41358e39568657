"""Merges runs of layers: what is to be in the one layer that takes the place of a run, so that the same is seen above it.

It is the difference between what is seen below the run and after it: whiteouts of what is gone, then all entries of the run
that are still seen. No opaque marker is needed, nor a whiteout of a directory that was made anew: that would hide nothing for
engines on overlayfs, whose directories then show what lower layers have in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from layerscope.errors import CannotSlim, UsageError
from layerscope.layers.table import Entries, Kind, LayerStack, LayerTable, Strings
from layerscope.slim.fates import Fates, Rows, taken, taken_strings
from layerscope.text import escape
from layerscope.tree.nodes import Flags, Shape
from layerscope.tree.tree import Tree, View

Run = tuple[int, int]
"""The numbers of the first and the last layer of a run."""


@dataclass(frozen=True, slots=True, eq=False)
class MergedLayer:
    """What one layer in place of the layers `first` to `last` holds: whiteouts of `whiteouts`, then `n` entries.

    `source` (int64) are the entries whose headers and contents are written, in this order: directories, parents before
    children, then all else as it lies in the run's layers. `shown` (int64) are the entries that they stand for: themselves,
    or a hard link that becomes the file. `fates` (uint8) says which of them lose their content. `paths` and `links` are the
    names and targets that are not those of the source's header, by position.
    """

    first: int
    last: int
    whiteouts: tuple[bytes, ...]
    source: Rows
    shown: Rows
    fates: Fates
    directories: int
    paths: dict[int, bytes] = field(default_factory=dict)
    links: dict[int, bytes] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        """Return the numbers of the first and the last layer."""
        return self.first, self.last

    def renumbered(self, rows: Rows) -> MergedLayer:
        """Return the same with `rows` in place of the numbers of entries."""
        return replace(self, source=rows[self.source], shown=rows[self.shown])

    def is_like(self, other: MergedLayer | None) -> bool:
        """Tell whether another one has the same bytes."""
        return (
            other is not None
            and (self.run, self.whiteouts, self.paths, self.links) == (other.run, other.whiteouts, other.paths, other.links)
            and all(np.array_equal(*pair) for pair in ((self.source, other.source), (self.fates, other.fates)))
        )


def name_of_run(run: Run) -> str:
    """Name a run in a sentence."""
    return f"layers {run[0]} to {run[1]}"


def own_runs(may_rewrite: Flags) -> tuple[Run, ...]:
    """Return the runs of more than one layer among those that may be rewritten: a flag for each layer, at its number."""
    steps = np.diff(np.concatenate([[False], may_rewrite[1:], [False]]).astype(np.int8))
    bounds = np.flatnonzero(steps).reshape(-1, 2).tolist()
    return tuple((start + 1, stop) for start, stop in bounds if stop - start > 1)


def checked_runs(may_rewrite: Flags, asked: tuple[Run, ...]) -> tuple[Run, ...]:
    """Return the runs, lowest first. Raises UsageError if they overlap, or if a layer of theirs may not be rewritten."""
    runs, count = tuple(sorted(asked)), len(may_rewrite) - 1
    for first, last in runs:
        if last > count:
            raise UsageError(f"{name_of_run((first, last))} cannot be merged: the image has {count}")
        for number in range(first, last + 1):
            if not may_rewrite[number]:
                raise UsageError(f"{name_of_run((first, last))} cannot be merged: layer {number} is to stay as it is")
    for one, two in pairwise(runs):
        if two[0] <= one[1]:
            raise UsageError(f"{name_of_run(one)} and {name_of_run(two)} cannot both be merged: they overlap")
    return runs


def merged_layer(tree: Tree, stack: LayerStack, fates: Fates, run: Run) -> MergedLayer:
    """Return the layer in place of a run of `stack`, whose tree is `tree`; `fates` has what became of each of its entries.

    Raises CannotSlim where there can be no such layer.
    """
    view = tree.view(*run)
    is_own = view.is_visible & (tree.versions.layer[view.seen] >= run[0])
    node = np.flatnonzero(is_own & (view.entry >= 0))
    _check_bare(view, is_own, run)
    shown = view.entry[node].astype(np.int64)
    is_directory = stack.entries.kind[shown] == Kind.DIRECTORY
    names = _RunNames(view, stack, node, shown, run)
    names.link()
    # Nodes are in the order of the tree: parents come before children.
    order = np.lexsort((np.where(is_directory, node, names.source), ~is_directory))
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    return MergedLayer(
        *run,
        whiteouts=tuple(whiteouts(view)),
        source=names.source[order],
        shown=shown[order],
        fates=fates[names.source[order]],
        directories=int(np.count_nonzero(is_directory)),
        paths={int(position[index]): path for index, path in names.paths.items()},
        links={int(position[index]): link for index, link in names.links.items()},
    )


def _check_bare(view: View, is_own: Flags, run: Run) -> None:
    """Raise CannotSlim for a directory that one layer cannot make without an entry of its own.

    Either nothing of the run below it is left to imply it, or there was another one, whose metadata would be seen.
    """
    tree = view.tree
    is_bare = is_own & (view.entry < 0)
    is_bare[0] = False
    is_implied = np.zeros(len(is_bare), bool)
    is_implied[Shape.of(tree.nodes).above(is_own & (view.entry >= 0))] = True
    was_directory = (view.before >= 0) & (tree.versions.kind[view.before] == Kind.DIRECTORY)
    for node in np.flatnonzero(is_bare & (~is_implied | was_directory))[:1].tolist():
        raise CannotSlim(
            f"{name_of_run(run)} cannot be merged: in them, /{escape(tree.nodes.paths[node])} is a directory without an entry "
            "of its own, made for something that is gone again or in place of another; merge fewer of them"
        )


def whiteouts(view: View) -> Iterator[bytes]:
    """Yield the topmost paths that were seen below the run, are gone after it, and are in a directory that is there."""
    nodes = view.tree.nodes
    is_directory = view.is_visible & (view.tree.versions.kind[view.seen] == Kind.DIRECTORY)
    is_hidden = (view.before >= 0) & ~view.is_visible & is_directory[nodes.parent]
    return (nodes.paths[node] for node in np.flatnonzero(is_hidden).tolist())


class _RunNames:
    """The names and targets that entries of a run need, and whose content each has."""

    def __init__(self, view: View, stack: LayerStack, node: Rows, shown: Rows, run: Run) -> None:
        self._view, self._entries, self._first = view, stack.entries, run[0]
        self._node, self._shown = node, shown
        self.source = shown.copy()
        self.links: dict[int, bytes] = {}
        # Symlinks that led to a path may be gone: an entry has the name of the place where it is.
        self.paths = dict(_differing(view.tree.nodes.paths, node, stack.entries.paths, shown))

    def link(self) -> None:
        """Decide which of the names of a content has it, and what the others are links to."""
        tree = self._view.tree
        origin = tree.origin[self._shown]
        linked = np.unique(origin[self._entries.kind[self._shown] == Kind.HARDLINK])
        if not len(linked):
            return
        lower = self._lower_names(linked)
        groups: dict[int, list[int]] = {brought: [] for brought in linked.tolist()}
        named = np.flatnonzero(np.isin(origin, linked))
        # Hard links are few, and each has to name one that comes before it.
        for index in named[np.argsort(self._shown[named])].tolist():
            groups[int(origin[index])].append(index)
        for brought, names in groups.items():
            self._link_group(brought, names, lower.get(brought, []))

    def _link_group(self, brought: int, names: list[int], lower: list[bytes]) -> None:
        """Link all `names` of the content that entry `brought` has to one of them, or to a name that a lower layer has."""
        paths = [self._view.tree.nodes.paths[self._node[index]] for index in names]
        if not lower and self._shown[names[0]] != brought:
            # What had the content is gone: its header and content get the first name that is left.
            self.source[names[0]] = brought
            self.paths[names[0]] = paths[0]
        known = lower or paths[:1]
        for position in range(0 if lower else 1, len(names)):
            if self._entries.links[self._shown[names[position]]] not in {*known, *paths[:position]}:
                self.links[names[position]] = known[0]

    def _lower_names(self, linked: Rows) -> dict[int, list[bytes]]:
        """Return the paths of lower layers that are still seen after the run, by the content of `linked` that they name."""
        view, tree = self._view, self._view.tree
        is_lower = view.is_visible & (view.entry >= 0) & (tree.versions.layer[view.seen] < self._first)
        nodes = np.flatnonzero(is_lower)
        brought = tree.origin[view.entry[nodes]]
        found: dict[int, list[bytes]] = {}
        for index in np.flatnonzero(np.isin(brought, linked)).tolist():
            found.setdefault(int(brought[index]), []).append(tree.nodes.paths[nodes[index]])
        return found


def _differing(left: Strings, left_rows: Rows, right: Strings, right_rows: Rows) -> Iterator[tuple[int, bytes]]:
    """Yield the positions at which two selections of strings differ, with the left one."""
    one, two = taken_strings(left, left_rows), taken_strings(right, right_rows)
    if one.buffer != two.buffer or not np.array_equal(one.offsets, two.offsets):
        yield from ((index, a) for index, (a, b) in enumerate(zip(one.tolist(), two.tolist(), strict=True)) if a != b)


def stack_with(stack: LayerStack, merged: tuple[MergedLayer, ...], gone: frozenset[int]) -> tuple[LayerStack, Rows]:
    """Return the layers with runs merged and without those that are `gone`, and the number of what each entry shows."""
    tables, rows = list[LayerTable](), [np.zeros(0, np.int64)]
    by_last = {each.last: each for each in merged}
    inner = {number for each in merged for number in range(each.first, each.last)}
    for number, (start, stop) in enumerate(pairwise(stack.first), 1):
        if number in inner or number in gone:
            continue
        if number in by_last:
            tables.append(table_of(stack, by_last[number]))
            rows.append(by_last[number].shown)
        else:
            tables.append(_numbered(stack.tables[number - 1], len(tables) + 1))
            rows.append(np.arange(start, stop, dtype=np.int64))
    return LayerStack.of(tables), np.concatenate(rows)


def _numbered(table: LayerTable, number: int) -> LayerTable:
    """Return the table of a layer that has another number now, which its problems name."""
    return replace(table, problems=tuple(replace(problem, layer=number) for problem in table.problems))


def table_of(stack: LayerStack, layer: MergedLayer) -> LayerTable:
    """Return what the tar of a merged layer says, but for its offsets; its entries are numbered as those of `stack`."""
    entries = _renamed(taken(stack.entries, layer.source), layer)
    numbers = {old: new for new, old in enumerate(layer.source.tolist())}
    xattrs: dict[int, dict[bytes, bytes]] = {}
    devices: dict[int, tuple[int, int]] = {}
    for first, table in zip(stack.first[:-1], stack.tables, strict=True):
        xattrs |= {numbers[first + row]: value for row, value in table.xattrs.items() if first + row in numbers}
        devices |= {numbers[first + row]: value for row, value in table.devices.items() if first + row in numbers}
    count = len(layer.whiteouts)
    return LayerTable(entries, layer.whiteouts, whiteout_rows=(0,) * count, xattrs=xattrs, devices=devices)


def _renamed(entries: Entries, layer: MergedLayer) -> Entries:
    return replace(entries, paths=_with(entries.paths, layer.paths), links=_with(entries.links, layer.links))


def _with(strings: Strings, changed: dict[int, bytes]) -> Strings:
    if not changed:
        return strings
    return Strings.of([changed.get(index, value) for index, value in enumerate(strings.tolist())])
