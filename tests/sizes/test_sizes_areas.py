"""The bytes that layers write at and below each node, held against sums over entries one by one."""

from __future__ import annotations

import pytest

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.layers.table import Kind
from layerscope.sizes.areas import Areas
from layerscope.sources.demo import open_demo


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyze(read_image(open_demo()))


def written(analysis: Analysis, node: int, layer: int) -> list[int]:
    """The sizes of what `layer` (0: any) wrote at and below a node."""
    tree = analysis.tree
    return [
        int(tree.entries.size[entry])
        for entry in range(len(tree.entries))
        if tree.entries.kind[entry] == Kind.FILE
        and node <= tree.entry_node[entry] < tree.nodes.end[node]
        and layer in (0, tree.entry_layer[entry])
    ]


def test_every_node_has_the_bytes_written_below_it(analysis: Analysis) -> None:
    for layer in range(analysis.tree.layers + 1):
        areas = Areas.of(analysis, layer)
        for node in range(len(analysis.tree)):
            assert areas.size[node] == sum(written(analysis, node, layer))


def test_wasted_bytes_are_those_of_the_layer_that_wrote_them(analysis: Analysis) -> None:
    by_layer = analysis.waste.by_layer(analysis.tree.layers).tolist()
    assert [int(Areas.of(analysis, layer).wasted[0]) for layer in range(1, analysis.tree.layers + 1)] == by_layer
    assert int(Areas.of(analysis).wasted[0]) == sum(by_layer) == analysis.waste.wasted_bytes


def test_the_layers_of_a_node_sum_up_to_it(analysis: Analysis) -> None:
    areas = Areas.of(analysis)
    for node in areas.children(0).tolist():
        parts = areas.by_layer(node)
        assert sum(part.size for part in parts) == areas.size[node]
        assert sum(part.wasted for part in parts) == areas.wasted[node]
        assert [part.size for part in parts] == sorted((part.size for part in parts), reverse=True)
        for part in parts:
            assert part.size == Areas.of(analysis, part.layer).size[node]


def test_the_files_of_a_node_are_counted_by_version(analysis: Analysis) -> None:
    for layer in (0, 2):
        areas = Areas.of(analysis, layer)
        for node in [0, *areas.children(0).tolist()]:
            assert areas.files(node) == len(written(analysis, node, layer))


def test_children_are_biggest_first_and_without_what_has_no_bytes(analysis: Analysis) -> None:
    areas, parent = Areas.of(analysis), analysis.tree.nodes.parent
    found = areas.children(0).tolist()
    assert [int(areas.size[node]) for node in found] == sorted((int(areas.size[node]) for node in found), reverse=True)
    assert set(found) == {node for node in range(1, len(parent)) if parent[node] == 0 and areas.size[node]}
