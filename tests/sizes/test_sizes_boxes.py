"""The boxes of a treemap: they fill the screen, stand inside each other, and are as big as what they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.sizes.areas import Areas
from layerscope.sizes.boxes import LEAST_AREA, Box, boxes, squarified
from layerscope.sources.demo import open_demo
from layerscope.sources.open import open_image
from support.image_builder import file, image, layer

SIZES = st.lists(st.integers(1, 10**9), min_size=1, max_size=40).map(lambda sizes: sorted(sizes, reverse=True))


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyze(read_image(open_demo()))


def analysis_of(folder: Path, **sizes: int) -> Analysis:
    """An image with files of these names and sizes."""
    path = folder / "image.tar"
    path.write_bytes(image(layer(*(file(name, b"x" * size) for name, size in sizes.items()))))
    return analyze(read_image(open_image(str(path))))


@given(SIZES, st.integers(1, 200), st.integers(1, 120))
def test_rectangles_cover_every_cell_once(sizes: list[int], width: int, height: int) -> None:
    covered = [[0] * width for _ in range(height)]
    for left, top, right, bottom in squarified(sizes, width, height):
        for y in range(top, bottom):
            for x in range(left, right):
                covered[y][x] += 1
    assert {count for row in covered for count in row} == {1}


@given(SIZES)
def test_rectangles_are_as_big_as_what_they_stand_for(sizes: list[int]) -> None:
    found = squarified(sizes, 10_000, 10_000)
    assert len(found) == len(sizes)
    for size, (left, top, right, bottom) in zip(sizes, found, strict=True):
        # Each edge is rounded by half a cell at most.
        wanted, around = size / sum(sizes) * 1e8, (right - left) + (bottom - top)
        assert abs((right - left) * (bottom - top) - wanted) <= around + 2


def test_equal_sizes_become_squares() -> None:
    assert squarified([1, 1, 1, 1], 20, 20) == [(0, 0, 10, 10), (0, 10, 10, 20), (10, 0, 20, 10), (10, 10, 20, 20)]


def test_what_is_inside_a_box_stands_below_its_name(analysis: Analysis) -> None:
    found = boxes(Areas.of(analysis), 0, 140, 70)
    inner = [box for box in found if box.around >= 0]
    assert inner
    for box in inner:
        around = found[box.around]
        assert around.left <= box.left < box.right <= around.right
        assert around.top + around.head <= box.top < box.bottom <= around.bottom
        assert around.head >= 2
        assert box.depth == around.depth + 1
        assert analysis.tree.nodes.parent[box.node] == around.node or box.is_rest


def test_the_outermost_boxes_are_the_root_s_children_and_the_rest(tmp_path: Path) -> None:
    analysis = analysis_of(tmp_path, a=500, b=300, c=170, d=9, e=9, f=8, g=4)
    areas = Areas.of(analysis)
    outer = boxes(areas, 0, 40, 20)
    paths = [analysis.tree.nodes.paths[box.node].decode() for box in outer]
    assert [(path, box.size, box.is_rest) for path, box in zip(paths, outer, strict=True)] == [
        ("a", 500, False),
        ("b", 300, False),
        ("c", 170, False),
        ("", 30, True),
    ]
    for box in outer[:-1]:
        assert box.size * 40 * 20 >= 1000 * LEAST_AREA


def test_a_file_is_one_box(analysis: Analysis) -> None:
    areas = Areas.of(analysis)
    node = next(node for node in range(len(analysis.tree)) if areas.size[node] and not len(areas.children(node)))
    assert boxes(areas, node, 80, 40) == [Box(node, int(areas.size[node]), int(areas.wasted[node]), 0, 0, -1, 0, 0, 80, 40)]


def test_nothing_has_no_box(analysis: Analysis) -> None:
    areas = Areas.of(analysis)
    empty = next(node for node in range(len(analysis.tree)) if not areas.size[node])
    assert boxes(areas, empty, 80, 40) == []
