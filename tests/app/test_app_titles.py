"""The title of the files: every word in it is whole, and the path gives way in its middle."""

from __future__ import annotations

import pytest

from layerscope.app.explorer.tree_lines import LayerRange, files_title
from layerscope.rows import Rows
from layerscope.settings import Order
from layerscope.wording.style import cells
from support.image_builder import layer
from support.screens import built, explored, piloted
from support.seen import tree_of

PATH = b"usr/lib/python3.11/site-packages/numpy/core/include/deep"
TREE = tree_of([layer("a"), layer(PATH), layer("b")])
CHOICES = [
    LayerRange.of(3, marked=marked, is_so_far=is_so_far, base_layers=0)
    for marked, is_so_far in ((0, False), (1, False), (3, False), (0, True))
]


def title(room: int, *, shown: LayerRange = CHOICES[0], read: int = 3, order: Order = Order.NAME, path: bytes = PATH) -> str:
    node = TREE.nodes.find(path)
    assert node is not None
    return files_title(Rows(TREE.view(3), order=order), node, shown, read=read, room=room)


@pytest.mark.parametrize("shown", CHOICES)
@pytest.mark.parametrize("read", [2, 3])
@pytest.mark.parametrize("order", list(Order))
def test_every_word_is_whole_and_all_fits(shown: LayerRange, read: int, order: Order) -> None:
    words = {"after layer 3", "after layer 3 (2 of 3 layers read)", shown.title, shown.brief, f"by {order.value}"}
    for room in range(14, 120):
        found = title(room, shown=shown, read=read, order=order)
        assert cells(found) <= room
        parts = [each for part in found.split(" ─ ") for each in part.split(" · ")]
        assert [part for part in parts if part not in words and not part.startswith("/")] == []


@pytest.mark.parametrize(
    ("room", "found"),
    [
        (100, "after layer 3 ─ /usr/lib/python3.11/site-packages/numpy/core/include/deep ─ this layer's changes"),
        (76, "after layer 3 ─ /usr/lib/pyt…/numpy/core/include/deep ─ this layer's changes"),
        (45, "after layer 3 ─ /usr/lib/…y/core/include/deep"),
        (24, "after layer 3 ─ /u…/deep"),
        (20, "after layer 3"),
    ],
)
def test_the_path_is_cut_in_its_middle_and_keeps_a_useful_length(room: int, found: str) -> None:
    assert title(room) == found


@piloted
async def test_an_image_without_layers_says_so() -> None:
    async with explored(built()) as screen:
        assert screen.title == "no layers"
        assert "the image has no layers" in " ".join(screen.picture)
