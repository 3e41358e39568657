"""Two images as one tree, held against the comparison path by path."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.compare.comparison import compare
from layerscope.compare.merged_tree import MergedTree
from layerscope.sources.open import open_image
from layerscope.tree.tree import Change
from support.image_builder import Layer, directory, file, image, layer
from support.strategies import stacks


def analysis_of(folder: Path, *layers: Layer) -> Analysis:
    path = folder / "image.tar"
    path.write_bytes(image(*layers))
    return analyze(read_image(open_image(str(path))))


def merged(tmp: Path, old: list[Layer], new: list[Layer]) -> MergedTree:
    sides = []
    for name, layers in (("old", old), ("new", new)):
        (tmp / name).mkdir(exist_ok=True)
        sides.append(analysis_of(tmp / name, *layers))
    return MergedTree.of(compare(*sides))


def check(found: MergedTree) -> None:
    """Every path is there with its change, and every directory with the growth of what is below it."""
    comparison, view = found.comparison, found.view
    paths, wanted = view.tree.nodes.paths, {}
    for row in range(len(comparison)):
        wanted[comparison.path(row)] = int(comparison.change[row])
    assert {paths[node]: int(view.change[node]) for node in range(len(view.tree)) if view.change[node]} == wanted
    sides = []
    for analysis in (comparison.old, comparison.new):
        last = analysis.tree.view(max(analysis.tree.layers, 1))
        nodes = analysis.tree.nodes
        sides.append({nodes.paths[node]: int(last.subtree_bytes[node]) for node in range(len(nodes)) if last.is_visible[node]})
    assert {paths[node] for node in range(len(view.tree))} == {*sides[0], *sides[1]}
    for node in range(len(view.tree)):
        assert found.growth[node] == sides[1].get(paths[node], 0) - sides[0].get(paths[node], 0)


def test_a_path_is_added_removed_modified_or_the_same(tmp_path: Path) -> None:
    old = layer(directory("d"), file("d/same", b"same"), file("d/other", b"1"), file("gone", b"gone"))
    new = layer(directory("d"), file("d/same", b"same"), file("d/other", b"22"), file("new", b"new!!"))
    found = merged(tmp_path, [old], [new])
    check(found)
    changes = {
        found.view.tree.nodes.paths[node]: Change(int(found.view.change[node])).name for node in range(len(found.view.tree))
    }
    assert {path: change for path, change in changes.items() if change != "UNCHANGED"} == {
        b"d/other": "MODIFIED",
        b"gone": "REMOVED",
        b"new": "ADDED",
    }
    assert found.growth.tolist() == [2, 1, 1, 0, -4, 5]
    other = found.view.tree.nodes.find(b"d/other")
    assert other is not None
    assert found.difference(other) == ["size"]


@given(stacks, stacks)
def test_any_two_images_merge(tmp_path_factory: pytest.TempPathFactory, old: list[Layer], new: list[Layer]) -> None:
    check(merged(tmp_path_factory.mktemp("pair"), old, new))
