"""The biggest files: every version with its layer, chosen and sorted."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.layers.table import Kind
from layerscope.sizes.biggest import Biggest, Fate, FileOrder
from layerscope.sources.demo import open_demo


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyze(read_image(open_demo()))


@pytest.fixture(scope="module")
def files(analysis: Analysis) -> Biggest:
    return Biggest.of(analysis)


def rows(files: Biggest) -> list[tuple[int, int, int]]:
    return list(zip(files.size.tolist(), files.node.tolist(), files.layer.tolist(), strict=True))


def test_every_version_with_bytes_is_listed_biggest_first(analysis: Analysis, files: Biggest) -> None:
    entries = analysis.tree.entries
    wanted = [
        (int(entries.size[each]), int(analysis.tree.entry_node[each]), int(analysis.tree.entry_layer[each]))
        for each in range(len(entries))
        if entries.kind[each] == Kind.FILE and entries.size[each]
    ]
    assert rows(files) == sorted(wanted, key=lambda row: (-row[0], row[1], row[2]))
    assert int(files.size.sum()) == analysis.waste.content_bytes


def test_wasted_and_seen_files_are_all_there_are(analysis: Analysis, files: Biggest) -> None:
    wasted, seen = files.part(fate=Fate.WASTED), files.part(fate=Fate.SEEN)
    assert int(wasted.size.sum()) == analysis.waste.wasted_bytes
    assert len(wasted) == len(analysis.waste)
    assert sorted(rows(wasted) + rows(seen)) == sorted(rows(files))
    assert (seen.row == -1).all()
    assert (analysis.waste.size[wasted.row] == wasted.size).all()


def test_a_layer_has_what_it_wrote(analysis: Analysis, files: Biggest) -> None:
    sums = [int(files.part(layer=layer).size.sum()) for layer in range(1, analysis.tree.layers + 1)]
    assert sums == analysis.contents.layer_content_bytes


def test_a_filter_keeps_nodes(analysis: Analysis, files: Biggest) -> None:
    flags = np.zeros(len(analysis.tree), bool)
    flags[files.node[0]] = True
    assert set(files.part(nodes=flags).node.tolist()) == {int(files.node[0])}


def test_the_orders(files: Biggest) -> None:
    assert rows(files.in_order(FileOrder.PATH)) == sorted(rows(files), key=lambda row: (row[1], row[2]))
    assert rows(files.in_order(FileOrder.LAYER)) == sorted(rows(files), key=lambda row: (row[2], -row[0], row[1]))
    assert rows(files.in_order(FileOrder.PATH).in_order(FileOrder.SIZE)) == rows(files)
