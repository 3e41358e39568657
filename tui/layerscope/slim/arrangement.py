"""The layers of the new image: runs that become one layer, and layers that go because nothing is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from layerscope.analysis import Analysis
from layerscope.errors import CannotSlim
from layerscope.layers.table import LayerStack, Severity
from layerscope.slim.fates import EntryFate, Fates, Rows, stack_after
from layerscope.slim.merging import MergedLayer, Run, merged_layer, name_of_run, stack_with
from layerscope.slim.sameness import differences
from layerscope.text import escape
from layerscope.tree.merge import merge
from layerscope.tree.nodes import Flags
from layerscope.tree.tree import Tree


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """`merged` are the layers made of several, `gone` the numbers of those that go.

    `rows` (int64) has the number, in the original, of what each entry of the new image shows.
    """

    merged: tuple[MergedLayer, ...]
    gone: frozenset[int]
    rows: Rows

    @property
    def merged_numbers(self) -> frozenset[int]:
        """Return the numbers of the layers that become part of another."""
        return frozenset(number for each in self.merged for number in range(each.first, each.last + 1))

    def made_of(self, count: int) -> list[tuple[int, ...]]:
        """Return, for each layer of the new image, which of the `count` old ones it is made of."""
        by_first = {each.first: tuple(range(each.first, each.last + 1)) for each in self.merged}
        inner = self.merged_numbers - by_first.keys()
        numbers = (number for number in range(1, count + 1) if number not in inner)
        groups = (by_first.get(number, (number,)) for number in numbers)
        return [group for group in groups if group[-1] not in self.gone]

    def fates(self, settled: Fates, first: tuple[int, ...]) -> Fates:
        """Return the fates of all entries: those `settled` before, and without what is not in merged layers."""
        fates = settled.copy()
        for layer in self.merged:
            start, stop = first[layer.first - 1], first[layer.last]
            fates[start:stop] = EntryFate.DROP
            fates[layer.source[layer.source >= start]] = EntryFate.KEEP
            fates[layer.shown] = layer.fates
        return fates


def arranged(analysis: Analysis, fates: Fates, asked: Flags, *, runs: Iterable[Run], may_leave: frozenset[int]) -> Arrangement:
    """Merge `runs`, and leave out those of the layers `may_leave` that are empty after entries had their `fates`.

    Raises CannotSlim for a run that one layer cannot stand for: what is to be written is merged into a tree and compared.
    """
    tree, stack = analysis.tree, analysis.contents.stack
    after, rows = stack_after(stack, fates)
    runs = tuple(runs)
    if not runs and not may_leave:
        return Arrangement((), frozenset(), rows)
    pruned = merge(after) if fates.any() else tree
    merged = tuple(merged_layer(pruned, after, fates[rows], run) for run in runs)
    for gone in _candidates(after, merged, may_leave):
        new, new_rows = stack_with(after, merged, gone)
        text = _difference(tree, new, rows[new_rows], asked, merged, gone)
        if not text:
            break
    else:
        words = " and ".join(name_of_run(run) for run in runs)
        raise CannotSlim(f"{words} cannot be merged: {text}; merge fewer of them")
    own = tuple(each.renumbered(rows) for each in merged)
    return Arrangement(own, gone, rows[new_rows])


def _candidates(stack: LayerStack, merged: tuple[MergedLayer, ...], may_leave: frozenset[int]) -> Iterator[frozenset[int]]:
    """Yield the layers to try to leave out: all without entries, those without markers too, none. One layer stays."""
    empty = {number for number, table in enumerate(stack.tables, 1) if number in may_leave and not len(table.entries)}
    bare = {number for number in empty if not stack.tables[number - 1].whiteouts and not stack.tables[number - 1].opaques}
    for each in merged:
        for found, is_so in ((empty, not len(each.source)), (bare, not len(each.source) and not each.whiteouts)):
            found.difference_update(range(each.first, each.last + 1))
            if is_so and each.last in may_leave:
                found.update(range(each.first, each.last + 1))
    last = len(stack.tables)
    tried = []
    for found in (empty, bare, set[int]()):
        gone = frozenset(found if len(found) < last else found - {last})
        if gone not in tried:
            tried.append(gone)
            yield gone


def _difference(
    tree: Tree, new: LayerStack, rows: Rows, asked: Flags, merged: tuple[MergedLayer, ...], gone: frozenset[int]
) -> str:
    """Say what would not be the same; empty if everything is."""
    other = merge(new)
    for path in differences(tree, other, rows, may_lack=asked):
        return f"/{escape(path)} would not be the same"
    in_doubt = {problem.layer for problem in tree.problems if problem.severity >= Severity.DIFFERS}
    numbers = Arrangement(merged, gone, rows).made_of(tree.layers)
    for problem in other.problems:
        group = numbers[problem.layer - 1] if problem.layer else ()
        # Where engines agreed about every layer of the run, they have to agree about the one in its place.
        if problem.severity >= Severity.REFUSED or (
            problem.severity >= Severity.DIFFERS and len(group) > 1 and in_doubt.isdisjoint(group)
        ):
            return f"/{escape(problem.path)}: {problem.text}"
    return ""
