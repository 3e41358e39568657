"""The screen of families: what each image costs, opening one and coming back."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from layerscope.app.explorer.pair_screen import PairScreen, PairTree
from layerscope.app.images.image_lines import ImageHeads
from layerscope.app.images.images_screen import ImagesScreen
from layerscope.app.terminal import Terminal
from layerscope.errors import NotFound
from layerscope.progress import Progress
from layerscope.sources.image import Image
from layerscope.sources.listing.find_images import find_images
from support.families_build import facts
from support.image_builder import file, image, layer
from support.image_lists import MB, family, found, listed
from support.screens import NARROW, POOR, WIDE, Shown, piloted

REGISTRY = "registry.example.com/platform"


def gone(_progress: Progress) -> Image:
    raise NotFound("the engine has it no more")


def names(shown: Shown) -> list[str]:
    """The lines from the sign on."""
    return [line[36:].rstrip() for line in shown.lines("images")]


def under_cursor(shown: Shown) -> str:
    images = shown.app.home
    assert isinstance(images, ImagesScreen)
    row = images.pane.row
    return "" if row is None else images.outline.usage.titles(row.image)[0]


@piloted
async def test_the_list_is_a_forest_with_what_each_image_costs() -> None:
    dangling = family()[3].id.short
    async with listed(found(family())) as shown:
        assert shown.lines("images") == [
            " 80.0 MB                    9.00 MB ▾ python:3.12, python:latest",
            "  120 MB                    21.5 MB   ▾ team/service:1.4",
            f"  184 MB  64.0 MB  64.0 MB        ?       (dangling) {dangling}",
            "  127 MB  7.00 MB                 ?       team/service:1.5-rc1 +1",
            " 83.0 MB  3.00 MB  3.00 MB  9.00 MB     registry.exa…tform/tools/report:2024.05",
            " 30.0 MB                            ▾ 1 shared layer; no image has exactly this",
            "  120 MB  90.0 MB  90.0 MB        ?     node:20",
            " 42.0 MB  12.0 MB  12.0 MB     0  B     web:1",
            "                               0  B   scratch/empty:1",
        ]
        assert "8 images in 3 families" in shown.summary
        assert "21.5 MB known wasted  326 MB on disk" in shown.summary


@piloted
async def test_the_note_says_what_there_is_to_say_of_the_image_under_the_cursor() -> None:
    async with listed(found(family()), size=WIDE, keys="down") as shown:
        note = shown.lines("images-note")
        assert note[:2] == [" team/service:1.4", f" linux/amd64 · {family()[1].id.short} · created 2024-05-29 08:30"]
        assert note[2].split() == ["removing", "it", "frees", "0", "B:", "other", "images", "need", "all", "its", "layers"]
        assert "21.5 MB, 12.5 MB of it by its own layers; fixing them saves 12.5 MB on disk, and 37.5 MB on pulls" in note[3]
        told = {line.split()[0]: line for line in note[2:]}
        assert told["layers"].split(maxsplit=1)[1] == "2, 1 of them on python:3.12"
        assert "120 MB with 4 images: python:3.12, team/service:1.5-rc1, " in told["shares"]


@piloted
async def test_enter_opens_an_image_and_q_comes_back_to_its_line() -> None:
    learned: list[int] = []
    async with listed(found(family()), keys="down down down", learned=learned) as shown:
        await shown.keys("enter")
        await shown.until(lambda: shown.explorer.analysis is not None)
        await shown.settled()
        assert shown.focus == "layers"
        assert "wasted" in shown.summary
        await shown.keys("q")
        assert under_cursor(shown) == "team/service:1.5-rc1"
        assert (len(learned), "8 images" in shown.summary) == (1, True)
        await shown.keys("q")
        assert shown.app._exit


@piloted
async def test_an_image_is_sorted_as_the_one_opened_before() -> None:
    async with listed(found(family()), keys="enter") as shown:
        await shown.until(lambda: shown.explorer.analysis is not None)
        await shown.keys("s q enter")
        await shown.until(lambda: shown.explorer.analysis is not None)
        assert shown.rows.order.value == "size"


@piloted
async def test_escape_steps_back_in_the_image_and_then_out_of_it_and_never_quits() -> None:
    async with listed(found(family()), keys="enter") as shown:
        await shown.until(lambda: shown.explorer.analysis is not None)
        await shown.settled()
        await shown.keys("tab slash escape escape")
        assert shown.focus == "layers"
        await shown.keys("escape")
        assert shown.focus == "images"
        await shown.keys("escape escape")
        assert not shown.app._exit


@piloted
async def test_the_explorer_knows_which_layers_are_those_of_the_image_below() -> None:
    images = found([facts("base:1", "a 1", "b 1"), facts("app:1", "a 1", "b 1", "c 1")])
    async with listed(images, keys="down enter") as shown:
        await shown.until(lambda: shown.explorer.analysis is not None)
        await shown.settled()
        analysis = shown.explorer.analysis
        assert analysis is not None
        assert (analysis.base_layers, analysis.base_name) == (2, "base:1")


@piloted
async def test_an_image_that_cannot_be_opened_is_a_notice_and_the_list_stays() -> None:
    async with listed(found(family(), gone), keys="enter") as shown:
        await shown.until(lambda: bool(shown.said))
        assert shown.said == ["the engine has it no more"]
        assert shown.focus == "images"


@piloted
async def test_the_filter_narrows_the_list_and_escape_brings_all_back_to_the_same_image() -> None:
    async with listed(found(family()), keys="slash") as shown:
        await shown.write("edge")
        assert [line.split()[-2] for line in names(shown)] == ["python:3.12,", "▾", "team/service:1.5-rc1"]
        assert under_cursor(shown) == "team/service:1.5-rc1"
        assert "1 image" in "\n".join(shown.picture)
        await shown.keys("enter")
        assert shown.focus == "images"
        await shown.keys("escape")
        assert (len(names(shown)), under_cursor(shown)) == (9, "team/service:1.5-rc1")


@piloted
async def test_letters_that_are_typed_into_the_filter_do_nothing_else() -> None:
    async with listed(found(family()), keys="slash") as shown:
        await shown.write("sea/?")
        assert shown.focus == "images-filter-text"
        assert names(shown) == []
        assert shown.lines("images-note") == []


@piloted
async def test_families_fold_and_unfold_and_left_goes_to_what_an_image_is_built_on() -> None:
    async with listed(found(family()), keys="down space") as shown:
        assert len(names(shown)) == 7
        await shown.keys("right")
        assert len(names(shown)) == 9
        await shown.keys("right")
        assert under_cursor(shown).startswith("(dangling)")
        await shown.keys("left")
        assert under_cursor(shown) == "team/service:1.4"
        await shown.keys("E")
        assert (len(names(shown)), under_cursor(shown)) == (3, "python:3.12")
        await shown.keys("e")
        assert len(names(shown)) == 9


@piloted
async def test_sorting_goes_through_the_figures_and_keeps_the_cursor_on_its_image() -> None:
    async with listed(found(family()), keys="down down") as shown:
        firsts = []
        for _ in range(5):
            firsts.append(names(shown)[0].split()[-1])
            assert under_cursor(shown).startswith("(dangling)")
            await shown.keys("s")
        assert len(set(firsts)) > 1


@piloted
async def test_a_key_reads_all_images_whose_waste_is_not_known_and_the_cursor_stays() -> None:
    learned: list[int] = []
    async with listed(found(family()), keys="down a", learned=learned) as shown:
        await shown.until(lambda: len(learned) == 3)
        await shown.until(lambda: "reading" not in shown.summary)
        await shown.settled()
        assert not any("?" in line for line in names(shown))
        assert under_cursor(shown) == "team/service:1.4"


@piloted
async def test_what_cannot_be_read_is_said_once_all_was_tried() -> None:
    async with listed(found(family(), gone), keys="a") as shown:
        await shown.until(lambda: bool(shown.said))
        assert shown.said == ["the engine has it no more (and 2 more)"]
        assert "8 images" in shown.summary


@piloted
async def test_no_images_are_an_empty_list_that_no_key_harms() -> None:
    async with listed([], keys="enter space s slash") as shown:
        await shown.write("x")
        await shown.keys("escape a left right e E down")
        assert "0 images in 0 families" in shown.summary
        shown.check_lines()


@piloted
async def test_images_of_archives_open_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "one.tar").write_bytes(image(layer("a"), tag="one:1"))
    (tmp_path / "two.tar").write_bytes(image(layer("a"), layer(file("b", b"1" * 500)), tag="two:1"))
    images = find_images([str(tmp_path / "one.tar"), str(tmp_path / "two.tar")]).found
    async with listed(images, keys="down enter") as shown:
        await shown.until(lambda: shown.explorer.analysis is not None)
        await shown.settled()
        assert shown.paths == ["a", "b"]


HOSTILE = "evil\x1b[2J\x07\u202e\ud800[bold]x[/bold]目录"


@pytest.mark.parametrize("size", [(20, 6), (40, 10), NARROW, (100, 30), WIDE])
@piloted
async def test_hostile_names_and_any_size_leave_every_line_whole(size: tuple[int, int]) -> None:
    images = [
        facts(HOSTILE, "a 1", created=HOSTILE),
        facts("b:1", "a 1", *(f"{number} 9{MB}{MB}" for number in range(30)), platform="linux/amd64"),
        *(facts(f"deep{depth}:1", "a 1", *(f"{number} 9{MB}{MB}" for number in range(depth))) for depth in range(1, 30)),
    ]
    async with listed(found(images), size=size) as shown:
        shown.check_lines()
        await shown.keys("G k")
        shown.check_lines()
        await shown.resize(size[0] + 13, size[1] + 3)
        shown.check_lines()


@pytest.mark.parametrize("terminal", POOR)
@pytest.mark.parametrize("size", [NARROW, WIDE])
@piloted
async def test_poor_terminals_get_what_they_can_show(size: tuple[int, int], terminal: Terminal) -> None:
    async with listed(found(family()), size=size, terminal=terminal, keys="down slash") as shown:
        await shown.keys("s e escape space")
        if terminal.is_ascii:
            assert all(line.isascii() for line in shown.picture)
        assert all(cell_len(line) == size[0] for line in shown.picture)


@piloted
async def test_a_click_on_the_sign_folds_and_a_second_on_an_image_opens_it() -> None:
    async with listed(found(family())) as shown:
        await shown.click("images", 1, 38)
        assert len(names(shown)) == 7
        await shown.click("images", 0, 50)
        await shown.click("images", 0, 50)
        await shown.until(lambda: shown.explorer.analysis is not None)


@piloted
async def test_the_help_lists_the_keys_of_this_screen() -> None:
    async with listed(found(family()), size=WIDE) as shown:
        assert shown.footer.split()[:8] == ["enter", "open", "space", "fold", "/", "filter", "s", "sort"]
        await shown.keys("question_mark")
        assert "Expand or collapse the images built on this one" in "\n".join(shown.picture)


@piloted
async def test_enter_right_after_the_letters_of_a_filter_goes_to_what_they_find() -> None:
    async with listed(found(family()), keys="slash") as shown:
        for key in "nod":
            shown.press(key)
        shown.press("enter")
        await shown.settled()
        images = shown.app.home
        assert isinstance(images, ImagesScreen)
        assert (images.filter_line.is_on, images.filter_line.text, shown.focus) == (True, "nod", "images")


@piloted
async def test_m_marks_an_image_and_enter_on_another_compares_them(tmp_path: Path) -> None:
    for name, content in (("one", b"1"), ("two", b"22")):
        (tmp_path / f"{name}.tar").write_bytes(image(layer(file(name, content)), tag=f"{name}:1"))
    images = find_images([str(tmp_path / "one.tar"), str(tmp_path / "two.tar")])
    async with listed(images.found, keys="m down") as shown:
        assert sum("◆" in line for line in shown.lines("images")) == 1
        await shown.keys("enter")
        await shown.until(lambda: isinstance(shown.app.screen, PairScreen))
        await shown.until(lambda: shown.widget("pair", PairTree).rows is not None)
        await shown.settled()
        assert len(shown.lines("pair")) == 2
        await shown.keys("escape")
        assert shown.focus == "images"
        await shown.keys("escape")
        assert not any("◆" in line for line in shown.lines("images"))


@piloted
async def test_a_click_on_a_head_sorts_and_the_sorted_one_has_a_mark() -> None:
    async with listed(found(family())) as shown:
        heads = shown.widget("images-heads", ImageHeads)
        assert "size▼" in heads.render_line(0).text
        await shown.pilot.click(heads, offset=(heads.render_line(0).text.index("name") + 1, 0))
        await shown.settled()
        assert "name▲" in heads.render_line(0).text
        await shown.pilot.click(heads, offset=(heads.render_line(0).text.index("frees") + 1, 0))
        await shown.settled()
        assert "frees▼" in heads.render_line(0).text
