"""Keymaps, rebinding, and 300 keys at random."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from layerscope.app.keys import DIVE, KEYS, KeyContext
from layerscope.app.terminal import Terminal
from layerscope.settings import Settings
from layerscope.tree.tree import Change
from support.screens import NARROW, POOR, WIDE, demo, explored, piloted

DIVE_SETTINGS = Settings(keymap="dive")


# Rebinding.


@piloted
async def test_a_key_that_was_chosen_works_and_the_old_one_does_not() -> None:
    async with explored(demo, settings=Settings(keys={"layer.previous": "comma"}), keys=[","]) as screen:
        assert screen.layer == 9
        await screen.keys("[")
        assert screen.layer == 9


@piloted
async def test_several_keys_can_be_chosen() -> None:
    async with explored(demo, settings=Settings(keys={"layer.previous": "comma,f5"}), keys=[", f5"]) as screen:
        assert screen.layer == 8


@piloted
async def test_the_footer_shows_and_clicks_the_key_that_was_chosen() -> None:
    async with explored(demo, settings=Settings(keys={"explore.filter": "f3"})) as screen:
        assert "f3 filter" in screen.footer
        await screen.click("footer", 0, screen.footer.index("f3 filter") + 4)
        assert screen.focus == "filter-text"


@piloted
async def test_escape_can_be_chosen_anew() -> None:
    async with explored(demo, settings=Settings(keys={"app.back": "backspace"}), keys=["tab backspace"]) as screen:
        assert screen.focus == "layers"


@piloted
async def test_the_palette_names_the_key_that_was_chosen() -> None:
    async with explored(demo, settings=Settings(keys={"explore.sort": "f6"})) as screen:
        commands = {each.title: each.help for each in screen.app.get_system_commands(screen.app.screen)}
        assert commands["Sort by size, change, wasted bytes, name"] == "key f6"


@piloted
async def test_a_chosen_key_wins_over_the_keymap() -> None:
    keys = {"explore.filter": "f7"}
    async with explored(demo, settings=Settings(keymap="dive", keys=keys), keys=["f7"]) as screen:
        assert screen.focus == "filter-text"


# dive's keys.


@pytest.mark.parametrize("key", ["ctrl+f", "/"])
@piloted
async def test_dive_filters(key: str) -> None:
    async with explored(demo, settings=DIVE_SETTINGS, keys=[key]) as screen:
        assert screen.focus == "filter-text"


@pytest.mark.parametrize(
    ("key", "hidden"), [("ctrl+a", "ADDED"), ("c", "MODIFIED"), ("ctrl+r", "REMOVED"), ("ctrl+u", "UNCHANGED")]
)
@piloted
async def test_dive_hides_changes(key: str, hidden: str) -> None:
    async with explored(demo, settings=DIVE_SETTINGS, keys=["tab", key]) as screen:
        assert {change.name for change in screen.rows.hidden} == {hidden}


@piloted
async def test_dive_pages_with_u_and_d() -> None:
    async with explored(demo, settings=DIVE_SETTINGS, keys=["tab e d"]) as screen:
        assert screen.files.cursor > 5
        await screen.keys("u")
        assert screen.files.cursor == 0
        assert screen.rows.hidden == set()


@piloted
async def test_dive_collapses_all_with_ctrl_space() -> None:
    async with explored(demo, settings=DIVE_SETTINGS, keys=["tab e"]) as screen:
        assert len(screen.paths) > 20
        await screen.keys("ctrl+@")
        assert len(screen.paths) == 7


@piloted
async def test_dive_shows_all_changes_so_far_with_ctrl_l() -> None:
    async with explored(demo, settings=DIVE_SETTINGS, keys=["ctrl+l"]) as screen:
        assert screen.rows.view.first == 2


@piloted
async def test_dive_leaves_out_attributes_with_ctrl_b() -> None:
    async with explored(demo, settings=DIVE_SETTINGS, size=(200, 60), keys=["tab ctrl+b"]) as screen:
        assert "drwxr-xr-x" not in screen.line("srv")


@piloted
async def test_dive_extracts_with_ctrl_e() -> None:
    async with explored(demo, settings=DIVE_SETTINGS, keys=["tab ctrl+e"]) as screen:
        assert type(screen.app.screen).__name__ == "ExtractDialog"


@piloted
async def test_dive_sorts_with_ctrl_o() -> None:
    async with explored(demo, settings=DIVE_SETTINGS, keys=["ctrl+o"]) as screen:
        assert screen.rows.order.value == "size"


@pytest.mark.parametrize(("old", "change"), [("files.changed", Change.MODIFIED), ("files.deleted", Change.REMOVED)])
@piloted
async def test_ids_of_earlier_versions_still_name_their_keys(old: str, change: Change) -> None:
    async with explored(demo, settings=Settings(keys={old: "f5"}), keys=["f5"]) as screen:
        assert screen.rows.hidden == {change}


@piloted
async def test_a_key_with_the_new_id_wins_over_one_with_the_old() -> None:
    keys = {"files.removed": "f6", "files.deleted": "f5"}
    async with explored(demo, settings=Settings(keys=keys), keys=["f5"]) as screen:
        assert screen.rows.hidden == set()
        await screen.keys("f6")
        assert screen.rows.hidden == {Change.REMOVED}


def test_in_dives_keymap_no_key_is_bound_twice() -> None:
    table = {key.id: (key.context, DIVE.get(key.id, key.keys).split(",")) for key in KEYS}
    places = {KeyContext.EVERYWHERE, KeyContext.EXPLORER, KeyContext.LISTS, KeyContext.FILES}
    keys = [each for place, bound in table.values() if place in places for each in bound]
    assert sorted(keys) == sorted(set(keys))


# Anything, in any order.

POOL = [
    *sorted({each for key in KEYS for each in key.keys.split(",")} - {"q", "ctrl+c", "ctrl+q", "ctrl+z", "ctrl+p"}),
    *"abcz*!>/' .1", *["escape"] * 4, "backspace", "delete", "ctrl+u", "shift+left", "ctrl+a",
]  # fmt: skip
SIZES = (NARROW, WIDE, (40, 10), (200, 60), (60, 15))


@pytest.mark.parametrize("seed", range(2))
@piloted
async def test_300_keys_at_random_do_no_harm(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # `x` and Enter write here
    chance = random.Random(seed)
    pressed: list[str] = []
    async with explored(demo) as screen:
        for number in range(300):
            pressed.append(chance.choice(POOL))
            await screen.keys(pressed[-1])
            assert not screen.app._exit, pressed
            if number % 10 == 0:
                screen.check_lines()
            if number % 60 == 59:
                await screen.resize(*chance.choice(SIZES))
        screen.check_lines()


@pytest.mark.parametrize("terminal", POOR)
@piloted
async def test_a_burst_of_keys_at_random_does_no_harm(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(7)
    async with explored(demo, terminal=terminal) as screen:
        for _ in range(100):
            screen.press(chance.choice(POOL))
        await screen.settled()
        screen.check_lines()


@piloted
async def test_ascii_is_all_there_is_where_only_that_will_do() -> None:
    async with explored(demo, size=WIDE, terminal=Terminal(is_ascii=True), keys=["m [ tab e s"]) as screen:
        drawn = screen.app.export_screenshot()
        shown = drawn[drawn.rindex("</defs>") :] if "</defs>" in drawn else drawn
        assert all(character.isascii() or character == "\xa0" for character in shown)


@piloted
async def test_without_color_no_style_has_one() -> None:
    async with explored(demo, terminal=Terminal(has_no_color=True), keys=["tab e"]) as screen:
        assert screen.app.theme == "ansi-dark"
        assert screen.app.no_color
