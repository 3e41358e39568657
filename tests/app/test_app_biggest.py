"""The list of the biggest files: which are listed, and the way to them."""

from __future__ import annotations

import pytest

from layerscope.app.sizes.biggest_screen import BiggestHeads, BiggestScreen
from layerscope.app.terminal import Terminal
from support.image_builder import directory, file, layer, whiteout
from support.screens import NARROW, POOR, WIDE, Shown, built, demo, explored, piloted

LAYERS = [
    layer(directory("d"), file("d/big", b"1" * 3000), file("old", b"2" * 2000), file("small", b"3" * 10)),
    layer(directory("d"), file("d/big", b"4" * 4000), whiteout("old")),
]


def listed(shown: Shown) -> list[str]:
    """The lines, words apart by one space."""
    return [" ".join(line.split()) for line in shown.lines("biggest")]


def title(shown: Shown) -> str:
    return shown.widget("biggest-heads", BiggestHeads).render_line(0).text


@piloted
async def test_b_lists_every_version_biggest_first() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("B")
        assert listed(shown) == [
            "4.00 kB 2 /d/big",
            "3.00 kB 1 ! overwritten by 2 /d/big",
            "2.00 kB 1 ! deleted by 2 /old",
            "10 B 1 /small",
        ]
        assert title(shown).startswith(" Biggest files ─ all layers ─ seen or wasted · by size ")
        assert title(shown).endswith("4 file versions, 9.01 kB ")
        assert shown.lines("biggest-note")[0].strip() == "/d/big  4.00 kB, a container sees it"
        assert shown.lines("biggest-note")[1].strip().startswith("layer 2")


@piloted
async def test_an_exclamation_mark_shows_what_is_wasted_then_what_is_seen() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("B !")
        assert listed(shown) == ["3.00 kB 1 ! overwritten by 2 /d/big", "2.00 kB 1 ! deleted by 2 /old"]
        await shown.keys("! end")
        assert listed(shown) == ["4.00 kB 2 /d/big", "10 B 1 /small"]
        await shown.keys("!")
        assert len(listed(shown)) == 4
        assert shown.lines("biggest-note")[0].strip() == "/small  10 B, a container sees it"


@piloted
async def test_t_and_brackets_choose_the_layer() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("left_square_bracket B t")
        assert "layer 1 of 2" in title(shown)
        assert len(listed(shown)) == 3
        await shown.keys("right_square_bracket")
        assert listed(shown) == ["4.00 kB 2 /d/big"]
        await shown.keys("t")
        assert "all layers" in title(shown)


@piloted
async def test_s_sorts_by_path_and_by_layer() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("B s")
        assert [line.split()[-1] for line in listed(shown)] == ["/d/big", "/d/big", "/old", "/small"]
        await shown.keys("s")
        assert [line.split()[2] for line in listed(shown)] == ["1", "1", "1", "2"]
        assert "by layer" in title(shown)


@piloted
async def test_enter_shows_the_version_in_the_files_and_b_comes_back_to_it() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("B down down enter")
        assert shown.app.screen is shown.explorer
        assert (shown.path, shown.layer, shown.focus) == ("old", 1, "files")
        await shown.keys("B")
        assert shown.lines("biggest-note")[0].strip() == "/old  2.00 kB, wasted, deleted by 2"


@piloted
async def test_the_filter_is_that_of_the_files() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("B slash")
        await shown.write("big")
        await shown.until(lambda: len(listed(shown)) == 2)
        await shown.keys("enter down enter")
        assert (shown.path, shown.layer) == ("d/big", 1)


@piloted
async def test_escape_clears_the_filter_first() -> None:
    async with explored(built(*LAYERS)) as shown:
        await shown.keys("B slash")
        await shown.write("nothing-like-it")
        await shown.until(lambda: not listed(shown))
        assert "No match" in "\n".join(shown.picture)
        await shown.keys("escape")
        assert len(listed(shown)) == 4
        await shown.keys("escape")
        assert shown.app.screen is shown.explorer


@pytest.mark.parametrize("size", [NARROW, WIDE, (120, 30), (30, 8)])
@piloted
async def test_it_fits_every_size(size: tuple[int, int]) -> None:
    async with explored(demo, size=size, keys=["B"]) as shown:
        assert isinstance(shown.app.screen, BiggestScreen)
        shown.check_lines()


@pytest.mark.parametrize("terminal", POOR)
@piloted
async def test_it_stands_on_poor_terminals(terminal: Terminal) -> None:
    async with explored(built(*LAYERS), terminal=terminal, keys=["B"]) as shown:
        picture = "\n".join(shown.picture)
        assert "! overwritten by 2" in picture
        assert picture.isascii() or not terminal.is_ascii


@piloted
async def test_a_list_of_nothing_says_so() -> None:
    async with explored(built(layer(directory("empty")))) as shown:
        await shown.keys("B")
        assert "No such files." in "\n".join(shown.picture)
        await shown.keys("enter ! s t")
        assert isinstance(shown.app.screen, BiggestScreen)


@piloted
async def test_a_click_on_a_head_sorts_and_the_sorted_one_has_a_mark() -> None:
    async with explored(built(*LAYERS), keys=["B"]) as shown:
        heads = shown.widget("biggest-heads", BiggestHeads)
        assert "size▼" in heads.render_line(1).text
        await shown.pilot.click(heads, offset=(heads.render_line(1).text.index("path") + 1, 1))
        await shown.settled()
        assert "path▲" in heads.render_line(1).text
        assert [line.split()[-1] for line in listed(shown)] == ["/d/big", "/d/big", "/old", "/small"]
