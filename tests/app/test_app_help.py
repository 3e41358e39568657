"""The help: every key there is, also those the user chose."""

from __future__ import annotations

import pytest
from textual.command import CommandList

from layerscope.app.keys import KEYS, KeyAction
from layerscope.app.widgets.footer import key_text
from layerscope.settings import Settings, recall
from support.screens import NARROW, WIDE, Shown, demo, explored, piloted


def help_of(screen: Shown) -> list[str]:
    """The lines of the help with spaces between its words alone."""
    return [" ".join(line.split()) for line in screen.lines("help")]


@pytest.mark.parametrize("key", ["?", "f1"])
@piloted
async def test_keys_open_the_help(key: str) -> None:
    async with explored(demo, keys=[key]) as screen:
        assert screen.focus == "help"


@pytest.mark.parametrize("key", ["escape", "q", "?", "f1"])
@piloted
async def test_keys_close_it_and_nothing_else(key: str) -> None:
    async with explored(demo, keys=["tab ?", key]) as screen:
        assert screen.app.screen is screen.explorer
        assert screen.focus == "files"
        assert screen.app.is_running


@pytest.mark.parametrize("size", [NARROW, WIDE])
@piloted
async def test_every_key_is_listed_with_what_it_does(size: tuple[int, int]) -> None:
    async with explored(demo, size=size, keys=["?"]) as screen:
        text = " ".join(help_of(screen))
        for key in KEYS:
            shown = "  ".join(key_text(each) for each in key.keys.split(","))
            assert " ".join(shown.split()) in text, key.id
            assert key.description in text, key.id


@piloted
async def test_keys_that_the_user_chose_are_listed() -> None:
    keys = {"explore.waste": "f5", "layer.next": "ctrl+n,full_stop"}
    async with explored(demo, settings=Settings(keys=keys), keys=["?"]) as screen:
        lines = help_of(screen)
        assert "f5 Show what to change, all waste and what caused it" in lines
        assert "^n . Step to the next layer" in lines


@piloted
async def test_dives_keys_are_listed_where_they_hold() -> None:
    async with explored(demo, settings=Settings(keymap="dive"), keys=["?"]) as screen:
        assert "^f / Filter the files" in help_of(screen)


@piloted
async def test_marks_and_filters_are_explained() -> None:
    async with explored(demo, keys=["?"]) as screen:
        text = " ".join(help_of(screen))
        for word in ("+ added", "~ modified", "- removed", "! wasted", "◆", "is:removed", "layer:3", "*.pyc", ">10M"):
            assert word in text


@pytest.mark.parametrize("size", [NARROW, WIDE, (40, 10), (200, 60)])
@piloted
async def test_it_fits_and_scrolls_to_its_end_at_every_size(size: tuple[int, int]) -> None:
    async with explored(demo, size=size, keys=["?"]) as screen:
        screen.check_lines()
        assert "Marks, colors, columns" in "\n".join(screen.picture)
        await screen.keys("end")
        screen.check_lines()
        assert any("compare them" in " ".join(line.split()) or "one before" in line for line in screen.picture)


@piloted
async def test_no_key_is_cut_at_the_narrowest() -> None:
    async with explored(demo, size=(40, 10), keys=["?"]) as screen:
        room = screen.app.screen.focused
        assert room is not None
        lines = screen.lines("help")
        assert all(len(line) <= room.scrollable_content_region.width for line in lines)


@piloted
async def test_it_scrolls_with_keys() -> None:
    async with explored(demo, keys=["? j j down pagedown"]) as screen:
        focused = screen.app.screen.focused
        assert focused is not None
        assert focused.scroll_y > 3


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_every_key_has_an_id_and_a_description(key: KeyAction) -> None:
    assert key.id
    assert key.description[0].isupper()
    assert not key.description.endswith(".")


def test_no_key_does_two_things_in_one_place() -> None:
    for place in {key.context for key in KEYS}:
        keys = [each for key in KEYS if key.context is place for each in key.keys.split(",")]
        assert len(keys) == len(set(keys)), place


@pytest.mark.parametrize(("keys", "first"), [("", "Layers (here)"), ("tab", "Files (here)"), ("w", "Waste (here)")])
@piloted
async def test_keys_that_work_here_come_first(keys: str, first: str) -> None:
    async with explored(demo, keys=[f"{keys} ?"]) as screen:
        headings = [line for line in help_of(screen) if line in {f"{key.context.value} (here)" for key in KEYS}]
        assert headings[0] == first


@piloted
async def test_it_is_searched() -> None:
    async with explored(demo, size=NARROW, keys=["? / t r e e m"]) as screen:
        assert "T Show where the bytes are: a treemap" in help_of(screen)
        assert not any("Sort by" in line for line in help_of(screen))
        await screen.keys("escape")
        assert any("Sort by" in line for line in help_of(screen))
        await screen.keys("escape")
        assert screen.app.screen is screen.explorer


@piloted
async def test_the_palette_begins_with_what_was_used_last() -> None:
    async with explored(demo) as screen:

        def titles() -> list[str]:
            return [command.title for command in screen.app.get_system_commands(screen.app.screen)]

        assert titles().index("Filter the files") < titles().index("Theme")
        await screen.keys("ctrl+p")
        await screen.write("previous layer")
        await screen.until(lambda: bool(screen.app.screen.query_one(CommandList).option_count))
        await screen.keys("enter")
        await screen.until(lambda: screen.layer == 9)
        assert titles()[0] == "Step to the previous layer"
        assert recall().recent == ("Step to the previous layer",)


@piloted
async def test_what_is_searched_for_in_the_help_can_be_seen() -> None:
    async with explored(demo, keys=["? /"]) as screen:
        await screen.write("sort")
        assert any(line.lstrip().startswith("/ sort") or line.lstrip().startswith("/sort") for line in screen.picture)
