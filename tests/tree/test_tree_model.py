"""The merged tree against the model, on stacks that make sense and on stacks that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.tree.tree import Change, Tree
from support import model
from support.image_builder import Layer, file, hardlink, layer, symlink
from support.seen import CHANGES, state_of, tree_of
from support.strategies import linkless_stacks, polite_stacks, stacks


def assert_same_states(stack: list[Layer]) -> None:
    tree = tree_of(stack)
    for number, state in enumerate(model.merge(stack).states, 1):
        found = state_of(tree, number)
        assert found.visible == state.visible, f"visible after layer {number}"
        assert found.changes == state.changes, f"changes of layer {number}"


@pytest.mark.slow
@given(polite_stacks())
def test_every_view_of_a_sensible_image_is_the_models(stack: list[Layer]) -> None:
    assert_same_states(stack)


@pytest.mark.slow
@given(linkless_stacks)
def test_every_view_of_an_image_without_links_is_the_models(stack: list[Layer]) -> None:
    assert_same_states(stack)


@given(stacks)
def test_every_view_of_any_image_is_the_models(stack: list[Layer]) -> None:
    assert_same_states(stack)


def assert_well_formed(tree: Tree) -> None:
    """Depth-first, children sorted by name's bytes, each parent there, each subtree one slice."""
    nodes = tree.nodes
    paths = nodes.paths.tolist()
    assert paths == sorted(paths, key=lambda path: path.split(b"/") if path else [])
    for node, path in enumerate(paths):
        assert nodes.depth[node] == (path.count(b"/") + 1 if path else 0)
        assert paths[nodes.parent[node]] == model.parent_of(path)
        assert nodes.name(node) == path.rpartition(b"/")[2]
        inside = [other for other, each in enumerate(paths) if other == node or (each != path and model.is_below(each, path))]
        assert inside == list(range(node, nodes.end[node]))


@pytest.mark.slow
@given(stacks)
def test_nodes_stand_in_depth_first_order_each_below_its_parent(stack: list[Layer]) -> None:
    assert_well_formed(tree_of(stack))


@given(stacks)
def test_a_subtree_sum_adds_up_a_node_and_all_below_it(stack: list[Layer]) -> None:
    nodes = tree_of(stack).nodes
    column = np.arange(1, len(nodes) + 1, dtype=np.int32)
    sums = nodes.subtree_sums(column)
    assert sums.dtype == np.int64
    for node, path in enumerate(nodes.paths.tolist()):
        below = [other for other, each in enumerate(nodes.paths.tolist()) if other != node and model.is_below(each, path)]
        assert sums[node] == column[node] + column[below].sum()


def test_parents_of_an_entry_that_its_own_tar_buries_are_nodes_too() -> None:
    assert_well_formed(tree_of([layer("b/c"), layer("a/a/a/", "a")]))


@given(stacks)
def test_a_subtree_holds_each_content_once(stack: list[Layer]) -> None:
    tree = tree_of(stack)
    for number in range(1, len(stack) + 1):
        assert tree.view(number).subtree_bytes[0] == model.merge(stack[:number]).live_bytes


@pytest.mark.slow
@given(stacks)
def test_totals_of_a_subtree_are_sums_over_its_nodes(stack: list[Layer]) -> None:
    tree = tree_of(stack)
    view = tree.view(len(stack))
    files = {path for path, node in state_of(tree, len(stack)).visible.items() if node.kind != "directory"}
    for node, path in enumerate(tree.nodes.paths.tolist()):
        inside = slice(node, tree.nodes.end[node])
        assert view.subtree_bytes[node] == view.counted_size[inside].sum()
        assert view.subtree_changes[node] == (view.change[inside] != 0).sum()
        assert view.subtree_files[node] == sum(each == path or model.is_below(each, path) for each in files)


@pytest.mark.slow
@given(stacks, st.data())
def test_the_changes_of_a_range_of_layers_are_those_of_all_its_layers(stack: list[Layer], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(stack)))
    last = data.draw(st.integers(first, len(stack)))
    tree, states = tree_of(stack), model.merge(stack).states
    view = tree.view(first, last)
    before = states[first - 2].visible if first > 1 else {}
    for node, path in list(enumerate(tree.nodes.paths.tolist()))[1:]:
        is_touched = any(state.changes.get(path, "unchanged") != "unchanged" for state in states[first - 1 : last])
        expected = range_change(path in before, path in states[last - 1].visible, is_touched)
        assert CHANGES[Change(view.change[node])] == expected


def range_change(was_there: bool, is_there: bool, is_touched: bool) -> model.Change:
    if was_there and is_there:
        return "modified" if is_touched else "unchanged"
    return "added" if is_there else "removed" if was_there else "unchanged"


def test_a_hard_link_to_a_directory_below_shows_nothing_however_the_directory_came_to_be() -> None:
    for lower in (layer("b/a/"), layer("b/", "b/a/")):
        assert_same_states([lower, layer(hardlink("h", "b"), "b")])


def test_a_hard_links_own_header_sets_what_every_name_of_the_content_shows() -> None:
    stack = [
        layer(file("a", b"1", mode=0o644, mtime=1), hardlink("b", "a", mode=0o600, uid=7, gid=8, mtime=9), hardlink("c", "b"))
    ]
    tree = tree_of([*stack, layer(file("d", b"2"), hardlink("e", "d", mode=0o700))])
    assert_same_states(stack)
    view = tree.view(2)
    shown = {tree.nodes.paths[node]: oct(tree.entries.mode[view.entry[node]]) for node in range(1, len(tree))}
    assert shown == {b"a": "0o644", b"b": "0o644", b"c": "0o644", b"d": "0o700", b"e": "0o700"}


def test_a_hard_link_to_a_symlink_sets_its_owner_alone() -> None:
    assert_same_states([layer(symlink("l", "f"), hardlink("g", "l", mode=0o600, uid=5, gid=6, mtime=9))])


def test_xattrs_of_all_headers_of_an_inode_add_up() -> None:
    one = replace(hardlink("b", "a"), xattrs=(("user.two", b"2"),))
    tree = tree_of([layer(file("a", b"1", xattrs={"user.one": b"1"}), one)])
    assert tree.xattrs == {number: {b"user.one": b"1", b"user.two": b"2"} for number in (0, 1)}
