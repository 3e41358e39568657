"""The visible lines of a tree: folding, order, what is hidden, the filter, and the way to the next change."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.rows import Rows
from layerscope.settings import Order
from layerscope.tree.nodes import Flags
from layerscope.tree.tree import Change, Tree
from support.image_builder import directory, file, layer, whiteout
from support.seen import tree_of


def shown(rows: Rows) -> list[str]:
    return [rows.view.tree.nodes.paths[node].decode() for node in rows.nodes.tolist()]


def row_of(rows: Rows, path: str) -> int:
    return shown(rows).index(path)


def node_of(tree: Tree, path: str) -> int:
    node = tree.nodes.find(path.encode())
    assert node is not None
    return node


def hits_of(tree: Tree, *paths: str) -> Flags:
    flags = np.zeros(len(tree), bool)
    flags[[node_of(tree, path) for path in paths]] = True
    return flags


def test_at_first_all_directories_are_folded() -> None:
    assert shown(Rows(tree_of([layer("a/b", "c")]).view(1))) == ["a", "c"]


def test_what_is_open_inside_a_closed_directory_is_open_again_with_it() -> None:
    rows = Rows(tree_of([layer("a/b/c")]).view(1))
    rows.open_all()
    rows.toggle(0)
    assert shown(rows) == ["a"]
    rows.toggle(0)
    assert shown(rows) == ["a", "a/b", "a/b/c"]


def test_a_directory_stays_open_in_layers_that_do_not_have_it() -> None:
    tree = tree_of([layer("a/b"), layer(whiteout("a")), layer("a/c")])
    rows = Rows(tree.view(1))
    rows.open(0)
    rows.show(tree.view(2))
    assert shown(rows) == ["a", "a/b"]
    rows.show(tree.view(3))
    assert shown(rows) == ["a", "a/c"]


def test_without_the_unchanged_only_changes_and_what_is_above_them_stay() -> None:
    tree = tree_of([layer("a/b/c", "a/d", "e"), layer("a/b/c")])
    rows = Rows(tree.view(2))
    rows.set_hidden(frozenset({Change.UNCHANGED}))
    rows.open_all()
    assert shown(rows) == ["a", "a/b", "a/b/c"]


def test_big_directories_come_first_by_size_removed_bytes_counted() -> None:
    tree = tree_of([layer(file("a/f", b"1"), file("b/f", b"22"), file("c/f", b"333")), layer(whiteout("c"))])
    assert shown(Rows(tree.view(2), order=Order.SIZE)) == ["c", "b", "a"]


def test_a_filter_finds_what_was_deleted_layers_ago() -> None:
    tree = tree_of([layer("a/secret", "b"), layer(whiteout("a")), layer("c")])
    rows = Rows(tree.view(3))
    assert shown(rows) == ["b", "c"]
    rows.filter(hits_of(tree, "a/secret"))
    assert shown(rows) == ["a", "a/secret"]
    assert rows.hit_count == 1


def test_what_a_later_layer_brings_is_no_hit_yet() -> None:
    tree = tree_of([layer("a"), layer("b")])
    rows = Rows(tree.view(1))
    rows.filter(hits_of(tree, "b"))
    assert (shown(rows), rows.hit_count) == ([], 0)
    rows.show(tree.view(2))
    assert (shown(rows), rows.hit_count) == (["b"], 1)


def test_what_is_below_a_hit_is_there_but_folded() -> None:
    tree = tree_of([layer("a/b/c", "a/d")])
    rows = Rows(tree.view(1))
    rows.filter(hits_of(tree, "a/b"))
    assert shown(rows) == ["a", "a/b"]
    rows.toggle(1)
    assert shown(rows) == ["a", "a/b", "a/b/c"]


def test_folding_under_a_filter_is_forgotten_with_it() -> None:
    tree = tree_of([layer("a/b", "c/d")])
    rows = Rows(tree.view(1))
    rows.open(row_of(rows, "c"))
    rows.filter(hits_of(tree, "a/b"))
    rows.close_all()
    rows.filter(None)
    assert shown(rows) == ["a", "c", "c/d"]


def test_revealing_what_cannot_be_shown_gives_what_is_above_it() -> None:
    tree = tree_of([layer("a/b", "z"), layer("a/c/d")])
    rows = Rows(tree.view(1))
    assert rows.reveal(node_of(tree, "a/c/d")) == row_of(rows, "a")


@pytest.mark.parametrize("order", Order)
def test_the_next_change_does_not_stop_inside_a_directory_that_came(order: Order) -> None:
    tree = tree_of([layer(directory("a"), "z"), layer("a/new/x", "a/new/y", "z")])
    rows = Rows(tree.view(2), order=order)
    first = rows.next_change(row_of(rows, "a"), 1)
    assert first == node_of(tree, "a/new")
    assert rows.next_change(rows.reveal(first), 1) == node_of(tree, "z")
    assert rows.next_change(row_of(rows, "z"), 1) is None


def test_a_directory_that_was_modified_is_a_stop_only_when_nothing_below_it_changed() -> None:
    lower = layer(directory("a"), "a/x", directory("b"), "b/x")
    tree = tree_of([lower, layer(directory("a", mode=0o700), directory("b", mode=0o700), "b/x")])
    rows = Rows(tree.view(2))
    assert rows.next_change(1, -1) == node_of(tree, "a")
    assert rows.next_change(0, 1) == node_of(tree, "b/x")


def test_an_image_without_files_has_no_rows() -> None:
    rows = Rows(tree_of([layer()]).view(1))
    rows.open_all()
    assert (len(rows), rows.reveal(0), rows.nearest(0), rows.hit_count) == (0, 0, 0, 0)


def test_directories_with_changes_open_first_then_the_biggest_as_long_as_there_is_room() -> None:
    lower = layer(file("big/x", b"1" * 900), file("mid/x", b"1" * 500), file("mid/y"), "new/deep/old", file("small/x", b"1"))
    rows = Rows(tree_of([lower, layer("new/deep/added")]).view(2))
    rows.open_until(4)
    assert shown(rows) == ["big", "mid", "new", "small"]
    rows.open_until(5)
    assert shown(rows) == ["big", "mid", "new", "new/deep", "small"]
    rows.open_until(8)
    assert shown(rows) == ["big", "big/x", "mid", "new", "new/deep", "new/deep/added", "new/deep/old", "small"]
    rows.open_until(11)
    assert len(rows) == 11


def test_a_directory_that_does_not_fit_stays_closed_and_a_smaller_one_opens() -> None:
    many = [file(f"many/{number}", b"11") for number in range(9)]
    rows = Rows(tree_of([layer(*many, "few/a")]).view(1))
    rows.open_until(5)
    assert shown(rows) == ["few", "few/a", "many"]
