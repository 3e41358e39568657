"""The model itself: what it says of the small cases that ARCHITECTURE.md spells out, and what a real tool says of the rest."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings

from conftest import requires
from support.image_builder import Layer, directory, file, hardlink, layer, opaque, symlink, whiteout
from support.model import Node, State, Waste, merge
from support.strategies import polite_stacks
from support.unpacked import OnDisk, umoci_unpack


def seen(*layers: Layer) -> list[bytes]:
    return sorted(merge(layers).states[-1].visible)


def wasted(*layers: Layer) -> list[Waste]:
    return list(merge(layers).waste)


def test_a_whiteout_hides_what_lower_layers_have_below_it() -> None:
    assert seen(layer("a/b", "c"), layer(whiteout("a"))) == [b"c"]


def test_a_whiteout_does_not_hide_its_own_layer() -> None:
    assert seen(layer("a"), layer("a", whiteout("a"))) == [b"a"]


def test_an_opaque_directory_hides_only_lower_layers() -> None:
    assert seen(layer("a/b"), layer("a/c", opaque("a"))) == [b"a", b"a/c"]


def test_a_file_over_a_directory_buries_the_subtree() -> None:
    assert wasted(layer(file("a/b", b"12")), layer("a")) == [Waste(b"a/b", 2, "deleted", 1, 2)]


def test_a_link_to_a_directory_is_followed_inside_the_root() -> None:
    assert seen(layer("d/", symlink("l", "../../d"), "l/x")) == [b"d", b"d/x", b"l"]


def test_a_link_of_a_lower_layer_becomes_a_directory() -> None:
    assert seen(layer("d/", symlink("l", "../../d")), layer("l/x")) == [b"d", b"l", b"l/x"]


def test_a_loop_of_links_is_replaced_by_a_directory() -> None:
    assert seen(layer(symlink("l", "l")), layer("l/x")) == [b"l", b"l/x"]


def test_an_opaque_directory_that_replaced_a_link_leaves_the_links_target_alone() -> None:
    assert seen(layer("d/x", symlink("l", "d")), layer("l/", opaque("l"))) == [b"d", b"d/x", b"l"]


def test_a_file_that_its_own_tar_replaces_by_a_directory_still_buries_the_lower_directory() -> None:
    assert seen(layer("a/x"), layer("a", "a/")) == [b"a"]


def test_a_content_lives_as_long_as_one_of_its_names() -> None:
    assert wasted(layer("a", hardlink("b", "a")), layer(whiteout("a"))) == []


def test_a_content_dies_with_its_last_name() -> None:
    stack = [layer(file("a", b"1"), hardlink("b", "a")), layer(whiteout("a")), layer(whiteout("b"))]
    assert wasted(*stack) == [Waste(b"b", 1, "deleted", 1, 3)]


def test_a_chmod_is_metadata_and_a_copy_is_identical() -> None:
    stack = [layer(file("a", b"1")), layer(file("a", b"1")), layer(file("a", b"1", mode=0o600))]
    assert [item.cause for item in wasted(*stack)] == ["identical", "metadata"]


def test_a_deleted_file_that_turns_up_elsewhere_was_moved() -> None:
    assert wasted(layer(file("a", b"1")), layer(whiteout("a"), file("b", b"1"))) == [Waste(b"a", 1, "moved", 1, 2)]


def test_an_entry_that_comes_again_in_its_own_tar_is_shadowed() -> None:
    assert wasted(layer(file("a", b"1"), file("a", b"22"))) == [Waste(b"a", 1, "shadowed", 1, 1)]


def test_a_directory_over_a_directory_takes_the_new_metadata() -> None:
    state = merge([layer("d/x"), layer(directory("d", mode=0o700))]).states[-1]
    assert (state.visible[b"d"].mode, state.changes[b"d"], state.changes[b"d/x"]) == (0o700, "modified", "unchanged")


def on_disk(state: State) -> dict[bytes, OnDisk]:
    return {path: _on_disk(node) for path, node in state.visible.items()}


def _on_disk(node: Node) -> OnDisk:
    assert node.mode is not None  # polite stacks name every parent
    is_root = os.geteuid() == 0
    return OnDisk(node.kind, node.mode, node.uid if is_root else None, node.gid if is_root else None, node.size, node.linkname)


@settings(max_examples=25)
@given(polite_stacks())
def test_umoci_unpacks_what_the_model_says(stack: list[Layer]) -> None:
    requires("umoci")
    with tempfile.TemporaryDirectory() as place:
        assert umoci_unpack(stack, Path(place)) == on_disk(merge(stack).states[-1])
