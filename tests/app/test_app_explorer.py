"""The explorer as a whole: stepping through layers while the files stay where they are, ranges, copying, resizing, leaving."""

from __future__ import annotations

import pytest

from layerscope.app.widgets.lines import Lines
from layerscope.settings import Settings, recall
from support.image_builder import file, layer, whiteout
from support.screens import NARROW, WIDE, built, demo, explored, piloted

# `a/b` comes and goes; `a/c` is there all the time; `z` is last.
COMING = (
    layer("a/c", "z"),
    layer("a/b"),
    layer(whiteout("a/b")),
    layer("y"),
    layer("a/b", file("z", b"other")),
)


# Steps.


@pytest.mark.parametrize("focus", ["", "tab", "tab tab"])
@piloted
async def test_brackets_step_from_every_pane_and_the_focus_stays(focus: str) -> None:
    async with explored(built(*COMING), size=WIDE, keys=[focus]) as screen:
        before = screen.focus
        await screen.keys("[ [")
        assert (screen.layer, screen.rows.view.last, screen.focus) == (3, 3, before)
        await screen.keys("]")
        assert (screen.layer, screen.rows.view.last) == (4, 4)


@piloted
async def test_brackets_step_while_the_details_take_the_place_of_the_files() -> None:
    async with explored(built(*COMING), keys=["i [ ["]) as screen:
        assert screen.layer == 3
        assert any("Layer 3 of 5" in line for line in screen.picture)


@piloted
async def test_the_cursor_stays_on_its_path() -> None:
    async with explored(built(*COMING), keys=["tab e G"]) as screen:
        assert screen.path == "z"
        for _ in range(4):
            await screen.keys("[")
            assert screen.path == "z"


@piloted
async def test_the_cursor_stays_where_it_is_on_the_terminal() -> None:
    many = layer(*(f"m{number:03}" for number in range(60)))
    async with explored(built(many, layer(*(f"a{number:02}" for number in range(20)))), keys=["tab end k k k"]) as screen:
        at = screen.files.cursor - round(screen.files.scroll_y)
        await screen.keys("[")
        assert screen.path == "m056"
        assert screen.files.cursor - round(screen.files.scroll_y) == at


@piloted
async def test_a_path_that_a_layer_does_not_have_is_come_back_to() -> None:
    async with explored(built(*COMING), keys=["tab e j"]) as screen:
        assert screen.path == "a/b"
        await screen.keys("[")
        assert (screen.layer, screen.path) == (4, "a")
        await screen.keys("]")
        assert (screen.layer, screen.path) == (5, "a/b")


@piloted
async def test_a_path_is_come_back_to_over_several_layers() -> None:
    async with explored(built(*COMING), keys=["tab e j [ [ [ [ ]"]) as screen:
        assert (screen.layer, screen.path) == (2, "a/b")


@piloted
async def test_a_cursor_that_was_moved_is_not_taken_back() -> None:
    async with explored(built(*COMING), keys=["tab e j [ j ]"]) as screen:
        assert screen.path == "a/c"


@piloted
async def test_what_is_unfolded_stays_so_from_layer_to_layer() -> None:
    async with explored(built(*COMING), keys=["tab space"]) as screen:
        assert screen.paths == ["a", "a/b", "a/c", "y", "z"]
        await screen.keys("[")
        assert screen.paths == ["a", "a/c", "y", "z"]
        await screen.keys("[")
        assert screen.paths == ["a", "a/b", "a/c", "z"]


@piloted
async def test_a_burst_of_steps_ends_at_the_right_layer() -> None:
    async with explored(demo) as screen:
        await screen.write("[[[[[[]]")
        assert (screen.layer, screen.rows.view.last) == (6, 6)


# Ranges.


@piloted
async def test_t_shows_all_changes_so_far_and_again_this_layers() -> None:
    async with explored(built(*COMING), keys=["[ t"]) as screen:
        assert (screen.rows.view.first, screen.rows.view.last) == (2, 4)
        assert "changes of layers 2 to 4" in screen.title
        await screen.keys("]")
        assert (screen.rows.view.first, screen.rows.view.last) == (2, 5)
        await screen.keys("t")
        assert (screen.rows.view.first, screen.rows.view.last) == (5, 5)
        assert "this layer's changes" in screen.title


@piloted
async def test_t_counts_from_the_base_where_it_is_known() -> None:
    async with explored(built(*COMING, base=3), keys=["t"]) as screen:
        assert (screen.rows.view.first, screen.rows.view.last) == (4, 5)


@piloted
async def test_a_mark_and_a_step_show_the_changes_between_the_two() -> None:
    async with explored(built(*COMING), keys=["[ [ [ m"]) as screen:
        assert "layer 2 is marked" in screen.title
        await screen.keys("] ] ]")
        view = screen.rows.view
        assert (view.first, view.last) == (3, 5)
        assert "from layer 2 to 5" in screen.title
        assert any(line.startswith("◆ 2") for line in screen.lines("layers"))


@piloted
async def test_a_mark_works_backwards_too() -> None:
    async with explored(built(*COMING), keys=["m [ [ ["]) as screen:
        assert (screen.rows.view.first, screen.rows.view.last) == (3, 5)


@piloted
async def test_m_on_the_marked_layer_takes_the_mark_away() -> None:
    async with explored(built(*COMING), keys=["m m"]) as screen:
        assert screen.layers.marked == 0


@piloted
async def test_m_elsewhere_moves_the_mark() -> None:
    async with explored(built(*COMING), keys=["m [ m"]) as screen:
        assert screen.layers.marked == 4


@pytest.mark.parametrize("keys", ["m [", "t"])
@piloted
async def test_escape_ends_a_range(keys: str) -> None:
    async with explored(built(*COMING), keys=[keys, "escape"]) as screen:
        view = screen.rows.view
        assert (screen.layers.marked, view.first) == (0, view.last)
        assert "this layer's changes" in screen.title


@piloted
async def test_escape_steps_back_and_never_quits() -> None:
    async with explored(built(*COMING), keys=["tab escape"]) as screen:
        assert screen.focus == "layers"
        await screen.keys("escape escape escape")
        assert screen.app.is_running


# The footer and the palette.


@piloted
async def test_the_footer_shows_only_what_works_now() -> None:
    async with explored(demo, size=(200, 24)) as screen:
        assert "space files" in screen.footer
        assert "space open" not in screen.footer
        await screen.keys("tab")
        assert "space open" in screen.footer
        assert "space files" not in screen.footer


@pytest.mark.parametrize("width", [40, 60, 80, 110, 140, 200])
@piloted
async def test_help_and_quit_are_in_the_footer_at_every_width(width: int) -> None:
    async with explored(demo, size=(width, 24)) as screen:
        assert screen.footer.rstrip().endswith("? help  q quit")


@pytest.mark.parametrize(("word", "number"), [("[ ", 9), ("] layer", 10)])
@piloted
async def test_a_click_on_a_key_of_the_footer_presses_it(word: str, number: int) -> None:
    async with explored(demo) as screen:
        await screen.click("footer", 0, screen.footer.index(word))
        assert screen.layer == number


@piloted
async def test_a_click_on_a_word_of_the_footer_presses_its_key() -> None:
    async with explored(demo) as screen:
        await screen.click("footer", 0, screen.footer.index("filter") + 2)
        assert screen.focus == "filter-text"


@piloted
async def test_every_word_of_the_footer_can_be_clicked() -> None:
    async with explored(demo, size=(200, 40)) as screen:
        for word in ("files", "pane", "filter", "sort", "so far", "mark", "info", "copy", "help"):
            assert word in screen.footer, word
            await screen.click("footer", 0, screen.footer.index(f" {word}") + 1)
            await screen.keys("escape escape")
        assert screen.rows.order.value == "size"


@piloted
async def test_a_click_beside_the_keys_of_the_footer_does_nothing() -> None:
    async with explored(demo) as screen:
        await screen.click("footer", 0, 0)
        assert screen.app.is_running
        assert len(screen.app.screen_stack) == 1


@piloted
async def test_the_palette_runs_what_keys_do() -> None:
    async with explored(demo, keys=["ctrl+p"]) as screen:
        await screen.write("previous layer")
        await screen.until(lambda: _found(screen.app.screen))
        await screen.keys("enter")
        await screen.until(lambda: screen.layer == 9)


def _found(palette: object) -> bool:
    from textual.command import CommandList, CommandPalette

    assert isinstance(palette, CommandPalette)
    return palette.query_one(CommandList).option_count > 0


@piloted
async def test_the_palette_has_everything_that_works_now() -> None:
    async with explored(demo) as screen:
        titles = {command.title for command in screen.app.get_system_commands(screen.app.screen)}
        wanted = {
            "Filter the files",
            "Show where the bytes are: a treemap",
            "Sort by size, change, wasted bytes, name",
            "Theme",
        }
        assert wanted <= titles
        assert "Content of the version" not in titles


@piloted
async def test_ctrl_p_is_closed_by_escape() -> None:
    async with explored(demo, keys=["ctrl+p escape"]) as screen:
        assert screen.app.screen is screen.explorer


# Themes.


@piloted
async def test_every_theme_can_be_worn() -> None:
    async with explored(demo, keys=["tab e"]) as screen:
        for name in screen.app.available_themes:
            screen.app.theme = name
            await screen.settled()
            screen.check_lines()
            assert screen.files.style("added") != screen.files.style("removed"), name
        assert recall().theme == name


@piloted
async def test_a_theme_that_was_chosen_is_that_of_the_next_run() -> None:
    async with explored(built(layer("f"))) as screen:
        screen.app.theme = "nord"
        await screen.settled()
    async with explored(built(layer("f"))) as screen:
        assert screen.app.theme == "nord"


@piloted
async def test_the_settings_theme_wins_over_what_is_remembered() -> None:
    async with explored(built(layer("f"))) as screen:
        screen.app.theme = "nord"
        await screen.settled()
    async with explored(built(layer("f")), settings=Settings(theme="gruvbox")) as screen:
        assert screen.app.theme == "gruvbox"


# Sizes.

SIZES = ((40, 10), WIDE, (200, 60), (109, 30), (41, 60), (200, 10))


@pytest.mark.parametrize("keys", ["", "tab e G", "i", "tab / a", "?", "x", "ctrl+p"])
@piloted
async def test_the_terminal_can_be_resized_at_any_time(keys: str) -> None:
    async with explored(demo, keys=[keys]) as screen:
        for size in SIZES:
            await screen.resize(*size)
            screen.check_lines()
            focused = screen.app.screen.focused
            assert focused is not None
            assert focused.is_on_screen, size


@pytest.mark.parametrize("size", SIZES)
@piloted
async def test_the_cursors_are_in_sight_at_every_size(size: tuple[int, int]) -> None:
    async with explored(demo, keys=["[ [ tab e G k k k"]) as screen:
        path = screen.path
        await screen.resize(*size)
        assert screen.path == path
        for pane in (screen.layers, screen.files):
            top, height = round(pane.scroll_y), pane.scrollable_content_region.height
            assert height >= 1
            assert top <= pane.cursor < top + height


# Start and end.


@pytest.mark.parametrize(("start", "focus"), [("layers", "layers"), ("files", "files")])
@piloted
async def test_it_starts_where_the_settings_say(start: str, focus: str) -> None:
    async with explored(demo, settings=Settings(start=start)) as screen:  # type: ignore[arg-type]
        assert screen.focus == focus


@piloted
async def test_it_starts_with_the_waste_where_the_settings_say() -> None:
    async with explored(demo, settings=Settings(start="waste")) as screen:
        assert type(screen.app.screen).__name__ == "WasteScreen"
        await screen.keys("escape")
        assert screen.app.screen is screen.explorer


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
@piloted
async def test_keys_quit(key: str) -> None:
    async with explored(demo, keys=["tab", key]) as screen:
        assert screen.app._exit
        assert screen.app.return_value is None


@pytest.mark.parametrize("keys", ["/", "?", "x", "w", "v / a", "ctrl+p"])
@piloted
async def test_ctrl_c_quits_wherever_one_is(keys: str) -> None:
    async with explored(demo, keys=["tab", keys, "ctrl+c"]) as screen:
        assert screen.app._exit


@pytest.mark.parametrize("size", [NARROW, WIDE, (40, 10)])
@piloted
async def test_the_first_line_names_the_image_and_its_efficiency(size: tuple[int, int]) -> None:
    async with explored(demo, size=size) as screen:
        assert screen.summary.startswith(" layerscope/demo:latest")
        assert "48.9% efficient" in screen.summary


@pytest.mark.parametrize(
    ("keys", "kind"), [("wj", "WasteScreen"), ("vn", "FileScreen"), ("bj", "FileScreen"), ("x.", "ExtractDialog")]
)
@piloted
async def test_keys_typed_ahead_go_to_the_screen_that_the_first_of_them_opens(keys: str, kind: str) -> None:
    async with explored(demo, keys=["tab"]) as screen:
        before = (screen.path, screen.layer)
        await screen.write(keys)
        assert type(screen.app.screen).__name__ == kind
        assert (screen.path, screen.layer) == before


@pytest.mark.parametrize("size", [(80, 24), (120, 30)])
@piloted
async def test_z_gives_the_pane_with_the_focus_all_the_room_and_escape_shares_it_again(size: tuple[int, int]) -> None:
    async with explored(demo, size=size) as screen:
        panes = {name: screen.widget(name, Lines) for name in ("layers", "files")}
        before = {name: pane.size for name, pane in panes.items()}
        await screen.keys("z")
        room = [pane.size.width * pane.size.height > 0 for pane in panes.values()]
        assert (room, panes["layers"].outer_size.height) == ([True, False], size[1] - 2)
        await screen.keys("tab")
        assert (screen.focus, screen.title[:11]) == ("files", "after layer")
        assert (panes["files"].outer_size.width, panes["files"].outer_size.height) == (size[0], size[1] - 2)
        await screen.keys("escape")
        assert {name: pane.size for name, pane in panes.items()} == before
        assert screen.focus == "files"
