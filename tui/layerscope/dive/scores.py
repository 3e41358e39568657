"""Computes dive's figures, digit for digit as dive 0.13.1 prints them, for users with limits that were written for dive.

Measured on dive 0.13.1 (`CI=true dive --source docker-archive`), on random stacks and real images. `tests/dive_model.py` says
plainly what it does, this module the same with whole-array operations. In short: each layer is a tree in which `.wh.NAME` is a
name like any other; every leaf of every layer adds to the record of its path, a whiteout the bytes of the directory it removes.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain, count, islice

import numpy as np
import numpy.typing as npt

from layerscope.layers.table import Kind, LayerTable, Strings

WHITEOUT = b".wh."
VANISHING = b".wh..wh.."
"""Prefix of names that dive's tree leaves out (measured)."""
UNSIGNED = 1 << 64
BATCH = 1 << 13
"""Paths handled at a time as Python objects."""
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DiveFigures:
    """The figures that dive prints for an image.

    `user_wasted_percent` is a ratio, as in dive's own rules: 0.1 is 10 %. `note`: sentences on oddities, or empty.
    """

    efficiency_score: float
    inefficient_bytes: int
    user_wasted_percent: float
    size_bytes: int
    note: str = ""


def dive_figures(tables: Sequence[LayerTable]) -> DiveFigures:
    """Return dive's efficiencyScore, inefficientBytes, userWastedPercent and sizeBytes of these layers, base first."""
    paths = _number(tables)
    records = _Records.of(len(paths.parent))
    lower = _Lower.of(paths)
    abandoned = []
    for number, names in enumerate(paths.layers):
        layer = _layer(paths, names)
        if number == 0:
            lower.add(layer)  # measured: a whiteout in the lowest layer looks at that layer itself
        if not _visit(paths, layer, lower, records):
            abandoned.append(number + 1)
        lower.stack(layer)
    return _figures(records, tables, abandoned)


@dataclass(frozen=True, slots=True)
class _Names:
    """The paths in one layer's tar, as numbers: entries, whiteouts under their own name, and opaque directories."""

    path: Numbers
    size: Numbers
    is_directory: Mask


@dataclass(frozen=True, slots=True)
class _Paths:
    """All paths of an image, numbered; 0 is the root.

    `hides` is the number of the path that a `.wh.` name hides, -1 for all other names; `takes_own` whether the hidden path
    sorts before that name.
    """

    texts: list[bytes]
    parent: Numbers
    hides: Numbers
    takes_own: Mask
    layers: list[_Names]


def _number(tables: Sequence[LayerTable]) -> _Paths:
    numbers: defaultdict[bytes, int] = defaultdict(count().__next__)
    parents = [np.array([numbers[b""]])]
    layers = [_names(table, numbers) for table in tables]
    _close(numbers, parents)
    hidden = {marker: _without_prefix(marker) for marker in _markers(tables, numbers)}
    marks, targets = ([numbers[path] for path in side] for side in (hidden, hidden.values()))
    _close(numbers, parents)
    hides, takes_own = np.full(len(numbers), -1, np.int64), np.zeros(len(numbers), bool)
    hides[marks] = targets
    takes_own[marks] = [path < marker for marker, path in hidden.items()]
    return _Paths(list(numbers), np.concatenate(parents), hides, takes_own, layers)


def _names(table: LayerTable, numbers: defaultdict[bytes, int]) -> _Names:
    """Number the paths of a layer, adding new ones to `numbers`.

    An opaque marker counts as its directory, before all entries, so that the directory's own entry replaces it.
    """
    entries = table.entries
    omitted = [other for other in table.omitted if not other.path.rpartition(b"/")[2].startswith(VANISHING)]
    markers = [*table.opaques, *map(_with_prefix, table.whiteouts), *(other.path for other in omitted)]
    first = len(markers) - len(omitted)
    path = np.empty(len(markers) + len(entries), np.int64)
    size, is_directory = np.zeros(len(path), np.int64), np.zeros(len(path), bool)
    path[: len(markers)] = [numbers[marker] for marker in markers]
    path[len(markers) :] = np.fromiter(map(numbers.__getitem__, _each(entries.paths)), np.int64, len(entries))
    size[first : len(markers)] = [other.size for other in omitted]
    is_directory[first : len(markers)] = [other.is_directory for other in omitted]
    size[len(markers) :] = entries.size
    is_directory[len(markers) :] = entries.kind == Kind.DIRECTORY
    return _Names(path, size, is_directory)


def _each(strings: Strings) -> Iterator[bytes]:
    """Yield all strings, a batch at a time: a million at once would take 100 MB."""
    batches = (strings.offsets[start : start + BATCH + 1] for start in range(0, len(strings), BATCH))
    return chain.from_iterable(Strings(strings.buffer, offsets).tolist() for offsets in batches)


def _close(numbers: defaultdict[bytes, int], parents: list[Numbers]) -> None:
    """Number the parents of all numbered paths, and their parents in turn; append each path's parent to `parents`."""
    known = sum(map(len, parents))
    while fresh := list(islice(numbers, known, None)):
        known += len(fresh)
        for start in range(0, len(fresh), BATCH):
            above = [path.rpartition(b"/")[0] for path in fresh[start : start + BATCH]]
            parents.append(np.fromiter(map(numbers.__getitem__, above), np.int64, len(above)))


def _markers(tables: Sequence[LayerTable], numbers: Iterable[bytes]) -> list[bytes]:
    """Return the paths whose last name starts with `.wh.`: whiteouts, and directories of such a name."""
    known = [path for table in tables for path in (*table.whiteouts, *table.opaques)]
    known += [other.path for table in tables for other in table.omitted]
    if any(_may_hold(table.entries.paths, WHITEOUT) for table in tables) or any(WHITEOUT in path for path in known):
        return [path for path in numbers if path.rpartition(b"/")[2].startswith(WHITEOUT) and not path.endswith(WHITEOUT)]
    return [_with_prefix(path) for table in tables for path in table.whiteouts]


def _may_hold(strings: Strings, part: bytes) -> bool:
    """Tell whether `part` is in the strings' bytes, perhaps across two of them."""
    return strings.buffer.find(part, int(strings.offsets[0]), int(strings.offsets[-1])) >= 0


def _with_prefix(path: bytes) -> bytes:
    directory, slash, name = path.rpartition(b"/")
    return directory + slash + WHITEOUT + name


def _without_prefix(path: bytes) -> bytes:
    directory, slash, name = path.rpartition(b"/")
    return directory + slash + name.removeprefix(WHITEOUT)


@dataclass(frozen=True, slots=True)
class _DiveLayer:
    """The tree that dive makes of one layer: each node once, without the root.

    A parent without an entry is there too, without a size, and dive does not count it as a directory.
    """

    path: Numbers
    size: Numbers
    is_directory: Mask
    is_leaf: Mask
    hides: Numbers
    takes_own: Mask

    def pick(self, rows: Mask) -> _DiveLayer:
        """Return the tree with only the nodes flagged in `rows`."""
        return _DiveLayer(*(getattr(self, column.name)[rows] for column in fields(self)))


def _layer(paths: _Paths, names: _Names) -> _DiveLayer:
    present, is_parent = np.zeros((2, len(paths.parent)), bool)
    present[0] = True
    fresh = names.path
    while len(fresh):
        present[fresh] = True
        above = paths.parent[fresh]
        is_parent[above] = True
        fresh = np.unique(above[~present[above]])
    row = np.full(len(present), -1, np.int64)
    row[names.path] = np.arange(len(names.path))  # of a path named twice, the last
    path = np.flatnonzero(present)[1:]
    row = row[path]
    is_named = row >= 0
    size, is_directory = np.zeros(len(path), np.int64), np.zeros(len(path), bool)
    size[is_named], is_directory[is_named] = names.size[row[is_named]], names.is_directory[row[is_named]]
    return _DiveLayer(path, size, is_directory, ~is_parent[path], paths.hides[path], paths.takes_own[path])


@dataclass(frozen=True, slots=True)
class _Records:
    """What dive records of each path while it walks all layers; the index is the path's number.

    A path that was met (a failed visit counts) but never visited counts -1 as its smallest size.
    """

    smallest: Numbers
    total: Numbers
    visits: Numbers
    is_met: Mask

    @classmethod
    def of(cls, length: int) -> _Records:
        """Return records of `length` paths that were not met yet."""
        total, visits = np.zeros((2, length), np.int64)
        return cls(np.full(length, np.iinfo(np.int64).max), total, visits, np.zeros(length, bool))

    def add(self, path: Numbers, size: Numbers) -> None:
        """Add one visit, with a size, to each path in `path`, which holds no path twice."""
        self.smallest[path] = np.minimum(self.smallest[path], size)
        self.total[path] += size
        self.visits[path] += 1
        self.is_met[path] = True

    def smallest_sum(self) -> int:
        """Return the sum of smallest sizes, with dive's -1 for each path that was met and never visited."""
        never = self.is_met & (self.visits == 0)
        return int(self.smallest[self.visits > 0].sum()) - int(never.sum())


def _visit(paths: _Paths, layer: _DiveLayer, lower: _Lower, records: _Records) -> bool:
    """Add a layer's leaves to the records. Returns False when dive stops at a whiteout of a path that it cannot find."""
    leaves = layer.pick(layer.is_leaf)
    markers, files = leaves.pick(leaves.hides >= 0), leaves.pick(leaves.hides < 0)
    is_found, removed = lower.look_up(markers.hides)
    missing = markers.path[~is_found].tolist()
    stop = min(missing, key=lambda number: _order(paths.texts[number]), default=-1)
    if stop >= 0:
        records.is_met[paths.hides[stop]] = True
        files = files.pick(_is_before(paths, files.path, stop))
        is_early = _is_before(paths, markers.path, stop)
        markers, removed = markers.pick(is_early), removed[is_early]
    records.add(files.path, files.size)
    records.add(markers.hides, removed)
    return stop < 0


def _order(path: bytes) -> bytes:
    """Return the sort key by which dive walks leaves: name by name, so that `a-b` comes after all of `a/`."""
    return path.replace(b"/", b"\0")


def _is_before(paths: _Paths, path: Numbers, stop: int) -> Mask:
    last, texts = _order(paths.texts[stop]), paths.texts
    return np.fromiter((_order(texts[number]) < last for number in path.tolist()), bool, len(path))


@dataclass(frozen=True, slots=True)
class _Lower:
    """The merged tree of the layers so far, as dive stacks them: only paths that a whiteout may need, in depth-first order.

    `place` is each path's position in the other columns, -1 if no whiteout needs it. A hidden path and all that lies below it
    are at the positions `place[path]` to `end[path]` - 1.
    """

    place: Numbers
    end: Numbers
    is_present: Mask
    is_directory: Mask
    size: Numbers

    @classmethod
    def of(cls, paths: _Paths) -> _Lower:
        """Return the tree before the first layer, with a position for each path that a whiteout may need."""
        hidden = np.unique(paths.hides[paths.hides >= 0])
        asked = [(_order(paths.texts[number]), number) for number in np.flatnonzero(_is_below(paths.parent, hidden)).tolist()]
        asked.sort()
        place, end = np.full((2, len(paths.parent)), -1, np.int64)
        place[[number for _, number in asked]] = np.arange(len(asked))
        for number in hidden.tolist():
            end[number] = bisect_left(asked, (_order(paths.texts[number]) + b"\x01", 0))
        is_present, is_directory = np.zeros((2, len(asked)), bool)
        return cls(place, end, is_present, is_directory, np.zeros(len(asked), np.int64))

    def look_up(self, path: Numbers) -> tuple[Mask, Numbers]:
        """Return whether each of these hidden paths exists, and how many bytes dive counts for its removal.

        For a directory these are the bytes of everything inside it, for anything else 0.
        """
        if not len(path):
            return np.zeros(0, bool), path
        place = self.place[path]
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.where(self.is_present, self.size, 0))])
        removed = np.where(self.is_directory[place], before[self.end[path]] - before[place], 0)
        return self.is_present[place], removed

    def stack(self, layer: _DiveLayer) -> None:
        """Put a layer on top, with siblings in the order of their names, as dive does.

        `.wh.-x` comes after `-x` and so removes the `-x` of its own layer, too.
        """
        self._remove(layer.hides[layer.hides >= 0])
        self.add(layer)
        self._remove(layer.hides[layer.takes_own])

    def add(self, layer: _DiveLayer) -> None:
        """Add the paths of a layer; existing ones get the new size and kind, and keep what is below them."""
        nodes = layer.pick((layer.hides < 0) & (self.place[layer.path] >= 0))
        place = self.place[nodes.path]
        self.is_present[place], self.is_directory[place], self.size[place] = True, nodes.is_directory, nodes.size

    def _remove(self, path: Numbers) -> None:
        if not len(path):
            return
        depth = np.zeros(len(self.size) + 1, np.int64)
        np.add.at(depth, self.place[path], 1)
        np.add.at(depth, self.end[path], -1)
        self.is_present[np.cumsum(depth[:-1]) > 0] = False


def _is_below(parent: Numbers, tops: Numbers) -> Mask:
    """Return a flag for each path: whether it is one of `tops` or lies below one. Each round looks twice as far up."""
    is_below = np.zeros(len(parent), bool)
    is_below[tops] = True
    above = parent
    while len(tops) and above.any():
        is_below |= is_below[above]
        above = above[above]
    return is_below


def _figures(records: _Records, tables: Sequence[LayerTable], abandoned: list[int]) -> DiveFigures:
    """Compute dive's figures from its records, with ratios as in Go: two integers converted to floats, then divided."""
    smallest, total = records.smallest_sum(), int(records.total.sum())
    layer_bytes = [int(table.entries.size.sum()) + sum(other.size for other in table.omitted) for table in tables]
    wasted = int(records.total[records.visits > 1].sum()) % UNSIGNED
    efficiency = float(smallest) / float(total) if total else 1.0
    user_wasted = _ratio(wasted, sum(layer_bytes[1:]) % UNSIGNED)
    note = " ".join(_notes(tables, abandoned, efficiency, user_wasted))
    return DiveFigures(efficiency, wasted, user_wasted, sum(layer_bytes) % UNSIGNED, note)


def _ratio(part: int, whole: int) -> float:
    if whole:
        return float(part) / float(whole)
    return math.inf if part else math.nan


def _notes(tables: Sequence[LayerTable], abandoned: list[int], efficiency: float, user_wasted: float) -> Iterator[str]:
    if any(problem.is_fatal for table in tables for problem in table.problems):
        yield "dive itself refuses this image, because a layer is damaged; these figures are of what could be read."
    if abandoned:
        layers = f"layer{'s' * (len(abandoned) > 1)} {', '.join(map(str, abandoned))}"
        yield f"dive stops at a whiteout of a path that it cannot find, and leaves out the rest, in {layers}."
    if efficiency < 0:
        yield "dive's efficiencyScore is negative: it counts -1 for each path it did not find, and the rest is nearly nothing."
    if math.isnan(user_wasted):
        yield "dive's userWastedPercent is NaN, 0 divided by 0: no layer above the first holds a byte."
    if math.isinf(user_wasted):
        yield "dive's userWastedPercent is infinite: bytes are wasted, but no layer above the first holds any."
