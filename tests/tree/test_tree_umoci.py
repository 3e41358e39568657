"""The merged tree against a real tool: the same layers unpacked by umoci and listed from disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings

from conftest import requires
from support.image_builder import Layer, hardlink, layer, opaque, symlink
from support.model import Node
from support.seen import state_of, tree_of
from support.strategies import polite_stacks
from support.unpacked import OnDisk, umoci_unpack


def assert_unpacked_alike(stack: list[Layer]) -> None:
    requires("umoci")
    expected = {path: on_disk(node) for path, node in state_of(tree_of(stack), len(stack)).visible.items()}
    with tempfile.TemporaryDirectory() as place:
        assert umoci_unpack(stack, Path(place)) == expected


def on_disk(node: Node) -> OnDisk:
    """What a node would be on disk. The owner is None where only root could have set it."""
    assert node.mode is not None, "this image names every parent"
    is_root = os.geteuid() == 0
    return OnDisk(node.kind, node.mode, node.uid if is_root else None, node.gid if is_root else None, node.size, node.linkname)


@settings(max_examples=25)
@given(polite_stacks())
def test_umoci_unpacks_what_the_last_view_shows(stack: list[Layer]) -> None:
    assert_unpacked_alike(stack)


def test_umoci_follows_linked_parents_as_we_do() -> None:
    assert_unpacked_alike([layer("d/", "d/e/", symlink("l", "/d/e"), symlink("k", "l/.."), "l/x", "k/y")])


def test_umoci_links_to_a_file_of_a_lower_layer_as_we_do() -> None:
    assert_unpacked_alike([layer("d/", "d/a"), layer(hardlink("h", "d/a"))])


def test_umoci_hides_nothing_where_a_directory_took_the_place_of_a_link_to_another_as_we_do() -> None:
    assert_unpacked_alike([layer("run/", "run/x", symlink("l", "run")), layer("l/", opaque("l"), "l/y")])


def test_umoci_empties_a_directory_that_a_tar_replaces_twice_as_we_do() -> None:
    assert_unpacked_alike([layer("a/", "a/x"), layer("a", "a/")])
