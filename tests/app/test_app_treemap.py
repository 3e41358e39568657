"""The treemap: boxes to move between and to zoom into, and the way back."""

from __future__ import annotations

import pytest
from textual.widget import Widget

from layerscope.app.sizes.painter import HATCH
from layerscope.app.sizes.treemap_map import TreemapMap, neighbor
from layerscope.app.sizes.treemap_screen import Trail, TreemapScreen
from layerscope.app.terminal import Terminal
from layerscope.sizes.boxes import Box
from layerscope.text import escape
from support.image_builder import directory, file, layer
from support.screens import NARROW, WIDE, Shown, built, demo, explored, piloted

KB = 1000
LAYERS = [
    layer(directory("big"), file("big/one", b"1" * 60 * KB), file("big/two", b"2" * 40 * KB), file("small", b"s" * 20 * KB)),
    layer(directory("big"), file("big/two", b"3" * 30 * KB)),
]


def where(shown: Shown) -> str:
    """The path under the cursor."""
    box = the_map(shown).box
    assert box is not None
    analysis = shown.explorer.analysis
    assert analysis is not None
    return "/" + escape(analysis.tree.nodes.paths[box.node])


def is_open(shown: Shown) -> bool:
    return isinstance(shown.app.screen, TreemapScreen)


def the_map(shown: Shown) -> TreemapMap:
    return shown.widget("map", TreemapMap)


def trail(shown: Shown) -> str:
    return shown.widget("map-trail", Trail).render_line(0).text


def drawn(shown: Shown) -> str:
    pane = shown.widget("map", Widget)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


@piloted
async def test_t_shows_where_the_bytes_are_and_t_leaves() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("T")
        assert is_open(shown)
        assert trail(shown).strip() == f"All layers  150 kB = 110 kB seen + 40.0 kB wasted {HATCH * 2}"
        assert "big/  130 kB" in drawn(shown)
        assert "small" in drawn(shown)
        said = "/big  130 kB = 90.0 kB seen + 40.0 kB wasted · 86.7% of the image · …"
        assert shown.lines("map-note")[0].strip() == said
        assert shown.lines("map-note")[1].strip() == "layer 1: 100 kB, 40.0 kB of it wasted · layer 2: 30.0 kB"
        await shown.keys("T")
        assert shown.app.screen is shown.explorer


@piloted
async def test_enter_zooms_in_and_escape_out_to_where_one_was() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("T enter")
        assert where(shown) == "/big/two"
        assert trail(shown).startswith(" All layers / big  130 kB")
        await shown.keys("escape")
        assert where(shown) == "/big"
        await shown.keys("enter backspace")
        assert (where(shown), is_open(shown)) == ("/big", True)
        await shown.keys("escape")
        assert shown.app.screen is shown.explorer


@piloted
async def test_enter_on_a_file_shows_it_in_the_files_at_the_last_layer_that_wrote_it() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("left_square_bracket T enter enter")
        assert shown.app.screen is shown.explorer
        assert (shown.path, shown.layer, shown.focus) == ("big/two", 2, "files")


@piloted
async def test_f_shows_a_directory_at_the_layer_shown() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("T right_square_bracket")
        assert trail(shown).startswith(" Layer 1 of 2  120 kB = 80.0 kB seen + 40.0 kB wasted")
        await shown.keys("f")
        assert (shown.path, shown.layer) == ("big", 1)


@piloted
async def test_brackets_step_through_the_layers_and_all() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("T")
        seen = []
        for key in ("right_square_bracket",) * 3 + ("left_square_bracket",):
            await shown.keys(key)
            seen.append(trail(shown).split("  ")[0].strip())
        assert seen == ["Layer 1 of 2", "Layer 2 of 2", "All layers", "Layer 2 of 2"]


@piloted
async def test_a_layer_without_files_says_so() -> None:
    async with explored(built(layer(file("a", b"a")), layer(directory("empty")))) as shown:
        await shown.keys("T left_square_bracket")
        assert "Nothing here has any bytes." in drawn(shown)
        await shown.keys("enter f right")
        assert is_open(shown)


@piloted
async def test_arrows_go_to_the_neighbors() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("T right")
        assert where(shown) == "/small"
        await shown.keys("right")
        assert where(shown) == "/small"
        await shown.keys("left")
        assert where(shown) == "/big"


@piloted
async def test_it_opens_with_the_cursor_around_the_files_cursor() -> None:
    async with explored(built(*LAYERS), keys=["tab", "end"]) as shown:
        assert shown.path == "small"
        await shown.keys("T")
        assert where(shown) == "/small"


@piloted
async def test_the_cursor_follows_the_mouse_and_a_click_zooms() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("T")
        pane = the_map(shown)
        await shown.pilot.hover(pane, offset=(pane.size.width - 3, 3))
        assert where(shown) == "/small"
        await shown.pilot.click(pane, offset=(3, 0))
        await shown.settled()
        assert trail(shown).startswith(" All layers / big")
        await shown.pilot.click("#map-trail", offset=(3, 0))
        await shown.settled()
        assert (trail(shown).startswith(" All layers  "), where(shown)) == (True, "/big")


@pytest.mark.parametrize("size", [NARROW, WIDE, (120, 30), (200, 60), (30, 10)])
@piloted
async def test_what_is_wasted_is_hatched(size: tuple[int, int]) -> None:
    async with explored(demo, size=size, keys=["T"]) as shown:
        shown.check_lines()
        assert HATCH in drawn(shown)


@pytest.mark.parametrize("terminal", [Terminal(has_few_colors=True), Terminal(has_no_color=True), Terminal(is_ascii=True)])
@piloted
async def test_it_stands_without_colors(terminal: Terminal) -> None:
    async with explored(built(*LAYERS), terminal=terminal, keys=["T"]) as shown:
        picture = "\n".join(shown.picture)
        assert picture.isascii() or not terminal.is_ascii
        assert "big/  130 kB" in picture
        fills = (".", ":", "+", "#", "/", "|") if terminal.is_ascii and terminal.has_few_colors else ()
        assert all(fill in picture for fill in fills)
        assert ("/////" if terminal.is_ascii else HATCH * 3) in picture


@piloted
async def test_the_screen_can_shrink_and_grow_under_it() -> None:
    async with explored(demo, size=WIDE, keys=["T"]) as shown:
        for size in ((40, 8), (20, 5), (200, 60), NARROW):
            await shown.resize(*size)
            shown.check_lines()


@piloted
async def test_names_are_escaped_and_may_be_wide() -> None:
    names = layer(file("\x1b[31m漢字かな交じり文", b"1" * KB), file("e\u0301\u0301", b"2" * KB))
    async with explored(built(names), keys=["T"]) as shown:
        shown.check_lines()
        assert "\\x1b" in drawn(shown)


def test_the_nearest_box_beside_is_the_neighbor() -> None:
    places = [(0, 0, 10, 20), (10, 0, 20, 10), (10, 10, 20, 20), (20, 0, 30, 20)]
    boxes = [Box(0, 1, 0, 0, 0, -1, *place) for place in places]
    assert [neighbor(boxes, 0, side) for side in ("left", "right", "up", "down")] == [None, 1, None, None]
    assert [neighbor(boxes, 2, side) for side in ("left", "right", "up")] == [0, 3, 1]
