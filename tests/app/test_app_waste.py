"""The waste view, used as people do: keys and clicks, and what it then shows and ends with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from layerscope.analysis import Analysis
from layerscope.app.app import Ending, LayerscopeApp
from layerscope.app.explorer.loader import ImageSource
from layerscope.app.slim.planner import SlimPlanner
from layerscope.app.terminal import Terminal
from layerscope.app.waste.fix_outline import FixOutline
from layerscope.app.waste.outline import Grouping, WasteOutline
from layerscope.app.waste.waste_lines import WasteLines, WasteNote
from layerscope.app.waste.waste_screen import WasteScreen, WasteTabs
from layerscope.app.widgets.jump import Jump
from layerscope.app.widgets.lines import Lines
from layerscope.app.widgets.overview import OverviewName
from layerscope.settings import Settings
from layerscope.sources.base import Base
from layerscope.sources.open import open_image
from support.image_builder import Layer, file, hardlink, image, layer, whiteout

STACK = (
    layer(file("a/b/x", b"x" * 100), file("a/c/y", b"y" * 50), file("z", b"z" * 30), file("kept", b"k" * 10)),
    layer(whiteout("a/b/x"), file("z", b"Z" * 30)),
    layer(whiteout("a/c")),
    layer(file("kept", b"k" * 10, uid=7)),
)
"""100 bytes and 50 deleted by layers 2 and 3, 30 overwritten by layer 2, 10 whose owner changed in layer 4: all of layer 1."""
BARS = str.maketrans("█▏▎▍▌▋▊▉", " " * 8)
LISTED = 20
"""More lines than these are not looked at."""


@dataclass
class Used:
    """The view in the middle of a test."""

    app: LayerscopeApp
    pilot: Pilot[Ending]
    outline: WasteOutline
    fixes: FixOutline
    ended: list[Jump | OverviewName | None] = field(default_factory=list)

    @property
    def analysis(self) -> Analysis:
        return self.outline.analysis

    @property
    def pane(self) -> WasteLines:
        return self.app.screen.query_one(WasteLines)

    @property
    def lines(self) -> list[str]:
        return [self.text(line) for line in range(min(self.pane.count, LISTED))]

    @property
    def cursor(self) -> str:
        return self.text(self.pane.cursor)

    @property
    def note(self) -> list[str]:
        note = self.app.screen.query_one(WasteNote)
        return [" ".join(note.render_line(y).text.split()) for y in range(note.scrollable_content_region.height)]

    @property
    def screen(self) -> list[str]:
        return [strip.text for strip in self.app.screen._compositor.render_strips(self.app.size)]

    def text(self, line: int) -> str:
        """A line without its bar."""
        return " ".join(self.raw(line).translate(BARS).split())

    def raw(self, line: int) -> str:
        return "".join(part.text for part in self.pane.segments(line, self.pane.room))

    def path(self, jump: Jump | OverviewName | None) -> tuple[int, bytes]:
        assert isinstance(jump, Jump)
        return jump.layer, self.analysis.tree.nodes.paths[jump.node]

    @property
    def has_advice(self) -> bool:
        return self.fixes.is_shown

    async def open(self) -> None:
        self.app.push_screen(WasteScreen(self.outline, self.fixes, SlimPlanner(self.app, self.analysis)), self.ended.append)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


@asynccontextmanager
async def opened(
    place: Path, layers: Iterable[Layer] = STACK, *, base: int | None = None, size: tuple[int, int] = (80, 24), **terminal: bool
) -> AsyncIterator[Used]:
    archive = place / "image.tar"
    archive.write_bytes(image(*layers))
    app = LayerscopeApp(
        ImageSource(lambda _progress: (open_image(str(archive)), Base(base)), "image.tar"),
        settings=Settings(),
        terminal=Terminal(**terminal),
    )
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.explorer is not None
        assert app.explorer.analysis is not None
        analysis = app.explorer.analysis
        used = Used(app, pilot, WasteOutline(analysis), FixOutline(analysis))
        used.fixes.is_shown = False
        await used.open()
        yield used


def after(place: Path, *keys: str, layers: Iterable[Layer] = STACK, **options: Any) -> list[str]:
    """The lines after some keys."""

    async def use() -> list[str]:
        async with opened(place, layers, **options) as used:
            await used.press(*keys)
            return used.lines

    return asyncio.run(use())


def ended(place: Path, *keys: str, layers: Iterable[Layer] = STACK) -> list[tuple[int, bytes] | None]:
    """What the view ended with after some keys: layer and path."""

    async def use() -> list[tuple[int, bytes] | None]:
        async with opened(place, layers) as used:
            await used.press(*keys)
            assert isinstance(used.app.screen, WasteScreen) != bool(used.ended)
            return [used.path(each) if each else None for each in used.ended]

    return asyncio.run(use())


BY_CAUSE = [
    "150 B ▾ deleted removed later; every pull still carries it",
    "100 B ▸ 1 step 1 → 2 step 2",
    "50 B ▸ 1 step 1 → 3 step 3",
    "30 B ▾ overwritten replaced later by other content",
    "30 B ▸ 1 step 1 → 2 step 2",
    "10 B ▾ metadata same bytes; mode, owner or times differ",
    "10 B ▸ 1 step 1 → 4 step 4",
]
BY_PAIR = [
    "100 B ▸ deleted 1 step 1 → 2 step 2",
    "50 B ▸ deleted 1 step 1 → 3 step 3",
    "30 B ▸ overwritten 1 step 1 → 2 step 2",
    "10 B ▸ metadata 1 step 1 → 4 step 4",
]
BY_DIRECTORY = [
    "190 B 4 files ▸ /",
    "150 B 2 files ▸ /a",
    "100 B 1 file ▸ /a/b",
    "50 B 1 file ▸ /a/c",
]
BY_PATH = [
    "100 B deleted 1 → 2 /a/b/x",
    "50 B deleted 1 → 3 /a/c/y",
    "30 B overwritten 1 → 2 /z",
    "10 B metadata 1 → 4 /kept",
]


def test_causes_come_biggest_first_with_their_layer_pairs_below(tmp_path: Path) -> None:
    assert after(tmp_path) == BY_CAUSE


def test_bars_are_on_one_scale_from_the_biggest_cause(tmp_path: Path) -> None:
    stack = (layer(file("a", b"a" * 60), file("b", b"b" * 20), file("c", b"c" * 40)), layer(whiteout("a")), layer(file("c")))

    async def use() -> None:
        async with opened(tmp_path, (*stack, layer(whiteout("b")))) as used:
            bars = [used.raw(line)[9:17] for line in range(used.pane.count)]
            assert bars == ["████████", "██████  ", "██      ", "████    ", "████    "]

    asyncio.run(use())


def test_tab_steps_through_the_groupings_and_around(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            seen = [used.lines]
            for _ in range(5):
                await used.press("tab")
                seen.append(used.lines if not used.has_advice else ["fixes"])
            assert seen == [BY_CAUSE, BY_PAIR, BY_DIRECTORY, BY_PATH, ["fixes"], BY_CAUSE]

    asyncio.run(use())


@pytest.mark.parametrize(("left", "right"), [("left", "right"), ("h", "l")])
def test_left_folds_a_group_or_goes_to_the_one_around_and_right_unfolds_it(tmp_path: Path, left: str, right: str) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            await used.press(left)
            folded = used.lines
            assert len(folded) < len(BY_CAUSE)
            await used.press(right)
            assert used.lines == BY_CAUSE
            await used.press(right, right)
            unfolded = used.lines
            assert len(unfolded) > len(BY_CAUSE)
            await used.press(right)
            assert used.cursor not in BY_CAUSE
            await used.press(left)
            assert used.cursor == BY_CAUSE[1].replace("▸", "▾")
            await used.press(left, left)
            assert (used.lines, used.cursor) == (BY_CAUSE, BY_CAUSE[0])

    asyncio.run(use())


def test_shift_tab_steps_back_through_the_groupings(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            seen = []
            for _ in range(5):
                await used.press("shift+tab")
                seen.append(Grouping.ADVICE if used.has_advice else used.outline.grouping)
            assert seen == [Grouping.ADVICE, Grouping.PATH, Grouping.DIRECTORY, Grouping.PAIR, Grouping.CAUSE]

    asyncio.run(use())


def test_a_grouping_can_be_clicked(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            tabs = used.app.screen.query_one(WasteTabs)
            assert (
                tabs.render_line(0).text.rstrip()
                == " Waste: 190 B in 1 of 4 layers   advice [cause] layer pair  directory  path"
            )
            await used.pilot.click(tabs, offset=(tabs.render_line(0).text.index("directory"), 0))
            await used.pilot.pause()
            assert used.lines == BY_DIRECTORY
            assert "[directory]" in tabs.render_line(0).text

    asyncio.run(use())


@pytest.mark.parametrize("key", ["enter", "space"])
def test_a_layer_pair_unfolds_to_its_paths_and_folds_again(tmp_path: Path, key: str) -> None:
    opened_pair = "100 B ▾ 1 step 1 → 2 step 2"
    assert after(tmp_path, "down", key)[1:4] == [opened_pair, "100 B /a/b/x", BY_CAUSE[2]]
    assert after(tmp_path, "down", key, key) == BY_CAUSE


def test_a_cause_folds_its_layer_pairs_away(tmp_path: Path) -> None:
    assert after(tmp_path, "enter") == [BY_CAUSE[0].replace("▾", "▸"), *BY_CAUSE[3:]]


def test_a_directory_unfolds_to_the_paths_below_it(tmp_path: Path) -> None:
    assert after(tmp_path, "tab", "tab", "down", "enter")[1:4] == [
        "150 B 2 files ▾ /a",
        "100 B deleted 1 → 2 b/x",
        "50 B deleted 1 → 3 c/y",
    ]


def test_choosing_a_path_ends_with_the_layer_that_wrote_it(tmp_path: Path) -> None:
    assert ended(tmp_path, "down", "enter", "down", "enter") == [(1, b"a/b/x")]
    assert ended(tmp_path, "shift+tab", "shift+tab", "down", "space") == [(1, b"a/c/y")]


def test_any_line_can_be_shown_in_the_files(tmp_path: Path) -> None:
    assert ended(tmp_path, "f") == [(1, b"a/b/x")]
    assert ended(tmp_path, "G", "f") == [(1, b"kept")]
    assert ended(tmp_path, "tab", "down", "f") == [(1, b"a/c/y")]
    assert ended(tmp_path, "tab", "tab", "down", "f") == [(1, b"a")]


def test_a_directory_is_shown_at_the_layer_that_wrote_the_most_of_it(tmp_path: Path) -> None:
    stack = (layer(file("d/a", b"a" * 10)), layer(file("d/b", b"b" * 90)), layer(whiteout("d/a"), whiteout("d/b")))
    assert ended(tmp_path, "tab", "tab", "f", layers=stack) == [(2, b"d")]


def test_a_content_whose_last_name_came_later_is_shown_under_its_first(tmp_path: Path) -> None:
    stack = (
        layer(file("first", b"1" * 9)),
        layer(hardlink("last", "first")),
        layer(whiteout("first")),
        layer(whiteout("last")),
    )
    assert after(tmp_path, "shift+tab", "shift+tab", layers=stack) == ["9 B deleted 1 → 4 /last"]
    assert ended(tmp_path, "shift+tab", "shift+tab", "enter", layers=stack) == [(1, b"first")]


@pytest.mark.parametrize("key", ["w", "escape"])
def test_it_is_closed_without_a_choice(tmp_path: Path, key: str) -> None:
    assert ended(tmp_path, key) == [None]


def test_it_opens_again_as_it_was_left(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            await used.press("down", "enter", "down", "tab", "down", "down")
            left = (used.lines, used.cursor)
            await used.press("escape")
            await used.open()
            assert (used.lines, used.cursor) == left
            await used.press("shift+tab")
            assert used.cursor == "100 B /a/b/x"

    asyncio.run(use())


def test_it_opens_again_with_what_is_above_the_cursor_in_sight(tmp_path: Path) -> None:
    stack = (layer(*(file(f"d/{number:03}", b"x" * 10) for number in range(100))), layer(whiteout("d")))

    async def use() -> None:
        async with opened(tmp_path, stack) as used:
            await used.press("down", "enter", *["down"] * 20, "escape")
            await used.open()
            assert used.cursor == "10 B /d/019"
            assert any("/d/018" in line for line in used.screen)
            await used.press("tab", "shift+tab")
            assert any("/d/018" in line for line in used.screen)

    asyncio.run(use())


def test_what_the_base_buries_stands_apart_and_the_cursor_skips_headings(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path, base=2) as used:
            await used.press("tab")
            assert used.lines == [
                "Buried by your layers: 60 B", BY_PAIR[1], BY_PAIR[3],
                "Buried by the base's layers (1 to 2): 130 B", BY_PAIR[0], BY_PAIR[2],
            ]  # fmt: skip
            assert used.cursor == BY_PAIR[1]
            await used.press("down", "down")
            assert used.cursor == BY_PAIR[0]
            await used.press("enter")
            assert used.lines[5] == "100 B /a/b/x"
            await used.press("g")
            assert used.cursor == BY_PAIR[1]
            await used.press("tab", "tab")
            assert used.lines == ["Buried by your layers: 60 B", BY_PATH[1], BY_PATH[3], used.lines[3], BY_PATH[0], BY_PATH[2]]

    asyncio.run(use())


def test_a_base_alone_leaves_nothing_of_yours(tmp_path: Path) -> None:
    lines = after(tmp_path, base=4)
    assert lines[0] == "Buried by your layers: nothing"
    assert lines[2:] == BY_CAUSE


def test_of_an_image_without_waste_it_says_so(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path, [layer("a"), layer("b")]) as used:
            assert any("Nothing is wasted: a container sees every byte" in line for line in used.screen)
            assert "open" not in used.screen[-1]
            await used.press("enter", "f", "down", "tab")
            assert used.ended == []
            await used.press("w")
            assert used.ended == [None]

    asyncio.run(use())


def test_an_unfolded_group_says_how_many_more_it_has(tmp_path: Path) -> None:
    stack = (layer(*(file(f"d/{number:03}", b"x" * 10) for number in range(300))), layer(whiteout("d")))

    async def use() -> None:
        async with opened(tmp_path, stack) as used:
            await used.press("down", "enter", "G")
            assert used.pane.count == 203
            assert used.text(202) == "and 100 more, 1.00 kB in total: group by path to list them"
            assert used.cursor == "10 B /d/199"
            await used.press("shift+tab", "shift+tab")
            assert used.pane.count == 300

    asyncio.run(use())


def test_directories_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    stack = (layer(*(file(f"{number}/x", b"x" * 10) for number in range(505))), layer(*(whiteout(f"{n}") for n in range(505))))

    async def use() -> None:
        async with opened(tmp_path, stack) as used:
            await used.press("tab", "tab")
            assert used.text(500) == "and 6 more directories, of at most 10 B each"

    asyncio.run(use())


def test_a_directory_whose_waste_is_all_in_one_inside_is_not_listed(tmp_path: Path) -> None:
    stack = (layer(file("var/lib/apt/lists/x", b"x" * 100), file("etc/y", b"y" * 50)), layer(whiteout("var"), whiteout("etc")))
    shown = [line.rpartition(" ")[2] for line in after(tmp_path, "tab", "tab", layers=stack)]
    assert shown == ["/", "/var/lib/apt/lists", "/etc"]


def test_the_note_says_all_of_a_line_in_sentences(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            assert used.note[:3] == [
                "150 B in 2 files, deleted: removed later; every pull still carries it",
                "written by layer 1: step 1",
                "buried by layers 2 (100 B), 3 (50 B)",
            ]
            await used.press("down", "enter", "down")
            assert used.note[:4] == [
                "/a/b/x", "100 B, deleted: removed later; every pull still carries it",
                "written by layer 1: step 1", "buried by layer 2: step 2",
            ]  # fmt: skip
            await used.press("tab", "tab", "down")
            assert used.note[:2] == ["/a", "150 B in 2 files below it"]

    asyncio.run(use())


def test_what_its_own_layer_buries_is_said_so(tmp_path: Path) -> None:
    stack = [layer(file("a", b"1" * 10), file("a", b"2" * 10))]
    assert after(tmp_path, "tab", layers=stack) == ["10 B ▸ shadowed 1 step 1"]

    async def use() -> None:
        async with opened(tmp_path, stack) as used:
            assert used.note[2] == "buried by the same layer"

    asyncio.run(use())


def test_a_long_path_takes_two_lines_of_the_note_and_leaves_room_for_the_layers(tmp_path: Path) -> None:
    stack = (layer(file("d" * 120 + "/" + "n" * 120, b"x" * 9)), layer(whiteout("d" * 120)))

    async def use() -> None:
        async with opened(tmp_path, stack) as used:
            await used.press("shift+tab", "shift+tab")
            assert used.note[1].endswith("nnn")
            assert used.note[3:] == ["written by layer 1: step 1", "buried by layer 2: step 2"]

    asyncio.run(use())


@pytest.mark.parametrize(("height", "lines"), [(12, 1), (24, 5), (40, 7)])
def test_the_note_is_as_high_as_the_terminal_allows(tmp_path: Path, height: int, lines: int) -> None:
    async def use() -> None:
        async with opened(tmp_path, size=(80, height)) as used:
            assert len(used.note) == lines
            assert used.note[0].startswith("150 B in 2 files, deleted")

    asyncio.run(use())


@pytest.mark.parametrize("width", [12, 30, 59, 61, 80, 102, 140])
def test_every_line_has_exactly_the_width_of_the_list(tmp_path: Path, width: int) -> None:
    names = ("目录/" + "文" * 60, "e\u0301" * 50, "bell\x07\u202e", "[bold]x[/bold]")
    stack = (layer(*(file(name, name.encode()) for name in names)), layer(*map(whiteout, ("目录", *names[1:]))))

    async def use() -> None:
        async with opened(tmp_path, stack, size=(width, 24)) as used:
            for _ in Grouping:
                await used.press("enter" if used.outline.grouping is not Grouping.PATH else "down", "tab")
                screen = used.app.screen
                assert isinstance(screen, WasteScreen)
                shown: tuple[Lines, ...] = (screen.fix_pane, screen.edit_pane) if used.has_advice else (screen.pane,)
                for pane in shown:
                    for line in range(pane.count):
                        text = "".join(part.text for part in pane.segments(line, pane.room))
                        assert cell_len(text) == pane.room or width < 30 or pane.id == "fix-edit"
                        assert text.isprintable()
                    for y in range(pane.scrollable_content_region.height):
                        assert pane.render_line(y).cell_length == pane.room

    asyncio.run(use())


def test_a_wide_terminal_has_room_for_files_and_whole_instructions(tmp_path: Path) -> None:
    assert after(tmp_path, "tab", size=(140, 40))[0] == "100 B 1 file ▸ deleted 1 step 1 → 2 step 2"


def test_a_click_on_a_group_unfolds_it_and_a_second_on_a_path_shows_it(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            await used.pilot.click(WasteLines, offset=(2, 2))
            await used.pilot.pause()
            assert used.lines == BY_CAUSE
            await used.pilot.click(WasteLines, offset=(40, 2))
            await used.pilot.pause()
            assert used.cursor == BY_CAUSE[1].replace("▸", "▾")
            await used.pilot.click(WasteLines, offset=(40, 3))
            await used.pilot.pause()
            assert used.ended == []
            await used.pilot.click(WasteLines, offset=(40, 3))
            await used.pilot.pause()
            assert [used.path(each) for each in used.ended] == [(1, b"a/b/x")]

    asyncio.run(use())


@pytest.mark.parametrize(
    ("tabs", "keys", "head", "order"),
    [
        (0, "", "size▼ cause written by → buried by", ["150 B", "100 B", "50 B", "30 B", "30 B", "10 B", "10 B"]),
        (0, "s", "size cause▲ written by → buried by", ["150 B", "100 B", "50 B", "10 B", "10 B", "30 B", "30 B"]),
        (1, "s s", "size cause written by▲ → buried by", ["1 → 2", "1 → 2", "1 → 3", "1 → 4"]),
        (2, "s s", "size files directory▲", ["/", "/a", "/a/b", "/a/c"]),
        (3, "s s s", "size cause layer path▲", ["/a/b/x", "/a/c/y", "/kept", "/z"]),
    ],
)
def test_each_grouping_is_sorted_by_its_columns(tmp_path: Path, tabs: int, keys: str, head: str, order: list[str]) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            await used.press(*["tab"] * tabs, *keys.split())
            pane = used.pane
            assert " ".join("".join(part.text for part in pane.head(pane.room)).split()) == head
            shown = [re.sub(r" step \d", "", line) for line in used.lines]
            assert [each for each, line in zip(order, shown, strict=True) if each not in line] == []

    asyncio.run(use())


def test_a_click_on_a_head_sorts_and_the_cursor_stays_on_its_line(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path, base=1) as used:
            await used.press("shift+tab", "shift+tab", "down")
            at = used.cursor
            await used.pilot.click(WasteLines, offset=(60, 0))
            await used.pilot.pause()
            assert [line.rpartition(" ")[2] for line in used.lines if "→" in line] == ["/a/b/x", "/a/c/y", "/kept", "/z"]
            assert used.cursor == at
            await used.press("home")
            await used.pilot.click(WasteLines, offset=(3, 0))
            await used.pilot.pause()
            assert used.cursor.startswith("100 B"), "the first line is the first again"

    asyncio.run(use())


def test_a_second_choice_before_the_first_has_ended_it_closes_nothing_more(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            await used.press("shift+tab", "shift+tab")
            used.pane.choose()
            used.pane.choose()
            await used.pilot.pause()
            assert [used.path(each) for each in used.ended] == [(1, b"a/b/x")]
            assert used.app.screen is used.app.explorer

    asyncio.run(use())


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (30, 10)])
def test_a_terminal_of_ascii_alone_gets_nothing_else(tmp_path: Path, size: tuple[int, int]) -> None:
    async def use() -> None:
        async with opened(tmp_path, size=size, is_ascii=True) as used:
            await used.press("down", "enter", "tab")
            assert all(line.isascii() for line in used.screen)
            assert "layer pair" in used.screen[1]

    asyncio.run(use())


def test_the_first_line_is_that_of_the_explorer_and_the_last_shows_the_keys(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            first, last = used.screen[0], used.screen[-1]
            assert "190 B wasted" in first
            assert last.strip() == "enter open  tab next view  f in files  D leave out  ? help  q back  ^q quit"
            await used.press("w")
            assert used.screen[0] == first

    asyncio.run(use())


def test_it_keeps_its_cursor_when_the_terminal_shrinks(tmp_path: Path) -> None:
    async def use() -> None:
        async with opened(tmp_path) as used:
            await used.press("G")
            await used.pilot.resize_terminal(40, 8)
            await used.pilot.pause()
            assert any("1 ste" in line and "4 ste" in line for line in used.screen)

    asyncio.run(use())
