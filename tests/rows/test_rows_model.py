"""The visible lines against a model of plain recursion, over random trees and random sequences of operations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.layers.table import Kind
from layerscope.rows import Rows
from layerscope.settings import Order
from layerscope.tree.nodes import Flags
from layerscope.tree.tree import Change, Tree, View
from support.image_builder import Layer
from support.seen import tree_of
from support.strategies import linkless_stacks, stacks


@dataclass
class Model:
    """The same as Rows, by recursion over every node."""

    view: View
    order: Order = Order.NAME
    hidden: frozenset[Change] = frozenset()
    hits: frozenset[int] | None = None
    plain: set[int] = field(default_factory=set)
    filtered: set[int] = field(default_factory=set)

    @property
    def opened(self) -> set[int]:
        return self.plain if self.hits is None else self.filtered

    def children(self, node: int) -> list[int]:
        return [other for other in range(1, len(self.view.tree)) if self.view.tree.nodes.parent[other] == node]

    def above(self, node: int) -> list[int]:
        parent = int(self.view.tree.nodes.parent[node])
        return [parent, *self.above(parent)] if parent else []

    def is_there(self, node: int) -> bool:
        if self.view.is_visible[node] or self.view.change[node] == Change.REMOVED:
            return True
        versions = self.view.tree.versions
        past = any(versions.layer[number] <= self.view.last for number in self.view.tree.versions_of(node))
        return past and self.hits is not None

    def survives(self, node: int) -> bool:
        is_kept = self.is_there(node) and Change(self.view.change[node]) not in self.hidden
        return is_kept or any(self.survives(child) for child in self.children(node))

    def found(self) -> set[int]:
        return {node for node in self.hits or () if self.survives(node)}

    def can_show(self, node: int) -> bool:
        if self.hits is None or not self.survives(node):
            return self.survives(node)
        near = [node, *self.above(node)]
        return any(each in self.found() for each in near) or any(node in self.above(each) for each in self.found())

    def key(self, node: int) -> tuple[int, ...]:
        view, inside = self.view, slice(node, self.view.tree.nodes.end[node])
        if self.order is Order.SIZE:
            return (-int(view.subtree_bytes[node]) - int(view.removed_size[inside].sum()), node)
        if self.order is Order.CHANGE:
            return (-int(view.subtree_changed_bytes[node]), -int(view.subtree_changes[node]), node)
        return (node,)

    def lines(self, node: int = 0, *, everything: bool = False) -> list[int]:
        found = []
        for child in sorted(filter(self.can_show, self.children(node)), key=self.key):
            found.append(child)
            if everything or child in self.opened:
                found += self.lines(child, everything=everything)
        return found

    def has_children(self, node: int) -> bool:
        return any(self.can_show(child) for child in self.children(node))

    def change_lines(self, change: object) -> None:
        """`change` is a call that changes what can be shown; hits that come with it are opened."""
        assert callable(change)
        before = self.found()
        change()
        for node in self.found() - before:
            self.filtered.update(self.above(node))

    def set_filter(self, hits: frozenset[int] | None) -> None:
        self.hits, self.filtered = hits, set()
        for node in self.found():
            self.filtered.update(self.above(node))

    def is_directory(self, node: int) -> bool:
        version = self.view.seen[node] if self.view.seen[node] >= 0 else self.view.before[node]
        return bool(version >= 0 and self.view.tree.versions.kind[version] == Kind.DIRECTORY)

    def is_stop(self, node: int) -> bool:
        change = Change(self.view.change[node])
        if change is Change.UNCHANGED or change in self.hidden:
            return False
        came_or_went = (Change.ADDED, Change.REMOVED)
        if any(self.is_directory(each) and self.view.change[each] in came_or_went for each in self.above(node)):
            return False
        inside = range(node + 1, int(self.view.tree.nodes.end[node]))
        is_bare = all(self.view.change[each] == Change.UNCHANGED for each in inside)
        return not self.is_directory(node) or change in came_or_went or is_bare

    def next_change(self, node: int, step: int) -> int | None:
        lines = self.lines(everything=True)
        at = lines.index(node)
        after = lines[at + 1 :] if step == 1 else lines[:at][::-1]
        return next((each for each in after if self.is_stop(each)), None)


def mask(tree: Tree, nodes: frozenset[int] | None) -> Flags | None:
    if nodes is None:
        return None
    flags = np.zeros(len(tree), bool)
    flags[list(nodes)] = True
    return flags


def assert_same(rows: Rows, model: Model) -> None:
    assert rows.nodes.dtype == np.int32
    lines = rows.nodes.tolist()
    assert lines == model.lines()
    assert len(rows) == len(lines)
    assert rows.hit_count == len(model.found())
    for row, node in enumerate(lines):
        assert rows.has_children(node) == model.has_children(node)
        assert rows.is_open(node) == (node in model.opened)
        assert rows.nearest(node) == row
        parent = rows.parent_row(row)
        assert (lines[parent] if parent is not None else 0) == rows.view.tree.nodes.parent[node]


def apply_fold(data: st.DataObject, rows: Rows, model: Model) -> None:
    """One operation on a row that there is."""
    if not len(rows):
        return
    row = data.draw(st.integers(0, len(rows) - 1))
    node = int(rows.nodes[row])
    name = data.draw(st.sampled_from(("toggle", "toggle", "open", "close", "open_below")))
    getattr(rows, name)(row)
    if not model.has_children(node):
        return
    if name == "open_below":
        model.opened.update(each for each in range(node, rows.view.tree.nodes.end[node]) if model.children(each))
    elif name == "close" or (name == "toggle" and node in model.opened):
        model.opened.discard(node)
    else:
        model.opened.add(node)


def apply_reveal(data: st.DataObject, rows: Rows, model: Model) -> None:
    node = data.draw(st.integers(0, len(rows.view.tree) - 1))
    lines = rows.nodes.tolist()
    near = [each for each in [node, *model.above(node)] if each and model.can_show(each)]
    seen = [each for each in near if each in lines]
    assert rows.nearest(node) == (lines.index(seen[0]) if seen else 0)
    row = rows.reveal(node)
    if near:
        model.opened.update(model.above(near[0]))
    assert row == (rows.nodes.tolist().index(near[0]) if near else 0)


def apply_all(data: st.DataObject, rows: Rows, model: Model) -> None:
    if data.draw(st.booleans()):
        rows.open_all()
        model.opened.update(node for node in range(len(rows.view.tree)) if model.children(node))
    else:
        rows.close_all()
        model.opened.clear()


def apply_order(data: st.DataObject, rows: Rows, model: Model) -> None:
    model.order = data.draw(st.sampled_from(Order))
    rows.set_order(model.order)
    assert rows.order is model.order


def apply_hidden(data: st.DataObject, rows: Rows, model: Model) -> None:
    hidden = data.draw(st.frozensets(st.sampled_from(Change)))
    rows.set_hidden(hidden)
    assert rows.hidden == hidden
    model.change_lines(lambda: setattr(model, "hidden", hidden))


def apply_show(data: st.DataObject, rows: Rows, model: Model) -> None:
    last = data.draw(st.integers(1, rows.view.tree.layers))
    view = rows.view.tree.view(data.draw(st.integers(1, last)), last)
    rows.show(view)
    model.change_lines(lambda: setattr(model, "view", view))


def apply_filter(data: st.DataObject, rows: Rows, model: Model) -> None:
    nodes = st.integers(1, max(len(rows.view.tree) - 1, 1)).filter(lambda node: node < len(rows.view.tree))
    hits = data.draw(st.none() | st.frozensets(nodes, max_size=4)) if len(rows.view.tree) > 1 else None
    rows.filter(mask(rows.view.tree, hits))
    model.set_filter(hits)


OPERATIONS = (apply_fold, apply_fold, apply_reveal, apply_all, apply_order, apply_hidden, apply_show, apply_filter)


@pytest.mark.slow
@given(stacks | linkless_stacks, st.data())
def test_after_any_operations_the_rows_are_the_models(stack: list[Layer], data: st.DataObject) -> None:
    tree = tree_of(stack)
    view = tree.view(data.draw(st.integers(1, tree.layers)))
    order = data.draw(st.sampled_from(Order))
    rows, model = Rows(view, order=order), Model(view, order)
    assert_same(rows, model)
    for apply in data.draw(st.lists(st.sampled_from(OPERATIONS), max_size=8)):
        apply(data, rows, model)
        assert_same(rows, model)


@given(stacks | linkless_stacks, st.data())
def test_the_next_change_is_the_models_in_every_order(stack: list[Layer], data: st.DataObject) -> None:
    tree = tree_of(stack)
    last = data.draw(st.integers(1, tree.layers))
    view = tree.view(data.draw(st.integers(1, last)), last)
    order = data.draw(st.sampled_from(Order))
    rows, model = Rows(view, order=order), Model(view, order)
    apply_hidden(data, rows, model)
    apply_all(data, rows, model)
    for row, node in enumerate(rows.nodes.tolist()):
        for step in (1, -1):
            assert rows.next_change(row, 1 if step == 1 else -1) == model.next_change(node, step)
