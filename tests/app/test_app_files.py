"""The pane of files: what its lines say, and what keys and the mouse do there."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from layerscope.settings import SavedState, Settings, recall
from layerscope.tree.tree import Change
from support.image_builder import directory, file, hardlink, layer, symlink, whiteout
from support.screens import NARROW, POOR, WIDE, Shown, built, explored, piloted

CHANGED = (
    layer(file("d/kept", b"k" * 100), file("d/gone", b"g" * 1000), file("d/new", b"o" * 10), "e/f"),
    layer(whiteout("d/gone"), file("d/new", b"n" * 500), file("d/added", b"a" * 200)),
)


# What a line says.


@piloted
async def test_marks_tell_what_changed_and_what_is_wasted() -> None:
    async with explored(built(*CHANGED), keys=["e"]) as screen:
        marks = {path: screen.line(path)[:2] for path in screen.paths if path.startswith("d/")}
        assert marks == {"d/added": "+ ", "d/gone": "-!", "d/kept": "  ", "d/new": "~!"}


@piloted
async def test_what_was_removed_is_struck_through() -> None:
    async with explored(built(*CHANGED), keys=["e"]) as screen:
        assert "strike" in screen.styles("d/gone")
        assert "strike" not in screen.styles("d/kept")


@piloted
async def test_each_change_has_a_color_of_its_own() -> None:
    async with explored(built(*CHANGED), keys=["e"]) as screen:
        inks = {screen.styles(path) for path in ("d/added", "d/gone", "d/kept", "d/new")}
        assert len(inks) == 4


@piloted
async def test_in_16_colors_nothing_is_dim_on_the_ground_of_the_cursor() -> None:
    async with explored(built(*CHANGED), settings=Settings(theme="ansi-dark"), keys=["tab"]) as screen:
        with_cursor, without = ({bool(each.style and each.style.dim) for each in screen.files.render_line(y)} for y in (1, 2))
        assert (with_cursor, without) == ({False}, {False, True})


@piloted
async def test_a_directory_says_how_much_changed_below_it() -> None:
    async with explored(built(*CHANGED)) as screen:
        assert screen.line("d").endswith("▸ d/  3 changes, 1.70 kB")
        assert screen.line("e").endswith("▸ e/")


@piloted
async def test_a_directory_has_the_total_of_its_subtree_removed_files_too() -> None:
    async with explored(built(*CHANGED)) as screen:
        assert "1.80 kB" in screen.line("d")
        assert "15  B" in screen.line("e")


@piloted
async def test_a_bar_is_the_share_of_the_directory_around() -> None:
    async with explored(built(layer(file("d/a", b"x" * 750), file("d/b", b"x" * 250))), keys=["e"]) as screen:
        bars = {path: screen.line(path).count("█") for path in ("d", "d/a", "d/b")}
        assert bars == {"d": 8, "d/a": 6, "d/b": 2}


@piloted
async def test_a_line_has_mode_size_and_name() -> None:
    async with explored(built(layer(file("f", b"x" * 12, mode=0o4755, uid=1000, gid=33)))) as screen:
        assert screen.line("f") == "+  -rwsr-xr-x    12  B ████████             f"


@pytest.mark.parametrize(
    ("member", "line"),
    [(symlink("l", "a/b"), "lrwxrwxrwx"), (directory("l"), "drwxr-xr-x"), (hardlink("l", "a/b"), "-rw-r--r--")],
)
@piloted
async def test_kinds_are_told_by_the_mode(member: Any, line: str) -> None:
    async with explored(built(layer("a/b", member))) as screen:
        assert line in screen.line("l")


@piloted
async def test_symbolic_links_show_where_they_lead() -> None:
    async with explored(built(layer("a", symlink("s", "a")))) as screen:
        assert screen.line("s").endswith("s → a")


@piloted
async def test_in_ascii_links_have_the_arrows_of_ls() -> None:
    async with explored(built(layer("a", symlink("s", "a"), hardlink("t", "a"))), terminal=POOR[0]) as screen:
        ends = [line.strip("| ") for line in screen.picture if "-> a" in line or "=>" in line]
        assert [each[each.index("s -" if "->" in each else "t =") :] for each in ends] == ["s -> a", "t => /a"]


@piloted
async def test_a_directory_that_no_tar_has_an_entry_of_has_no_mode() -> None:
    async with explored(built(layer("d/f"))) as screen:
        assert "drwx" not in screen.line("d")


@piloted
async def test_a_directory_without_anything_in_it_has_no_sign() -> None:
    async with explored(built(layer(directory("d"), "e/f"))) as screen:
        assert ("▸" in screen.line("d"), "▸" in screen.line("e")) == (False, True)


@pytest.mark.parametrize(
    ("size", "has"),
    [
        ((200, 60), (True, True, True, True)),
        ((140, 40), (True, False, True, True)),
        ((80, 24), (True, False, True, True)),
        ((56, 24), (False, False, True, False)),
    ],
)
@piloted
async def test_columns_go_where_there_is_no_room_for_names(size: tuple[int, int], has: tuple[bool, ...]) -> None:
    async with explored(built(layer(file("f", b"x" * 12, uid=1000))), size=size) as screen:
        line = screen.line("f")
        assert tuple(part in line for part in ("-rw-r--r--", "1000:0", "12  B", "█")) == has


@piloted
async def test_in_the_narrowest_terminal_there_are_still_size_and_name() -> None:
    async with explored(built(layer(file("name", b"x" * 12))), size=(40, 10)) as screen:
        assert screen.line("name") == "+     12  B   name"


@piloted
async def test_o_brings_mode_and_owner_and_leaves_them_out() -> None:
    async with explored(built(layer(file("f", b"x" * 12, uid=1000)))) as screen:
        for is_shown in (True, False, True):
            await screen.keys("o")
            assert ("-rw-r--r-- 1000:0" in screen.line("f"), "-rw" in screen.line("f")) == (is_shown, is_shown)


@piloted
async def test_what_is_wasted_below_is_shown_before_the_owner() -> None:
    async with explored(built(*CHANGED)) as screen:
        assert ("wasted" in screen.head("files"), "owner" in screen.head("files")) == (True, False)
        assert "! 1.01 kB" in screen.line("d")
        assert "!" not in screen.line("e")


@piloted
async def test_where_there_is_room_what_is_wasted_stands_beside_mode_and_owner() -> None:
    async with explored(built(*CHANGED), size=(160, 40)) as screen:
        assert "! 1.01 kB" in screen.line("d")
        assert screen.line("d").endswith("▸ d/  3 changes, 1.70 kB")


@pytest.mark.parametrize("width", [110, 112, 120, 128, 139])
@piloted
async def test_no_width_shows_less_than_a_narrower_one(width: int) -> None:
    async with explored(built(*CHANGED), size=(width, 30)) as screen:
        heads, line = screen.head("files").split(), screen.line("d")
        assert ({"size", "wasted"} <= set(heads), "█" in line, "! 1.01 kB" in line) == (True, True, True)
        assert "wasted" in screen.head("layers")
        assert any("█" in each for each in screen.lines("layers"))


@piloted
async def test_where_there_is_room_a_directory_has_its_share_and_its_number_of_files() -> None:
    async with explored(built(*CHANGED), size=(200, 60)) as screen:
        assert screen.head("files").split() == ["~", "mode", "owner", "size", "%", "wasted", "files", "name▲"]
        assert "99%" in screen.line("d")
        assert " 3 ▸ d/" in " ".join(screen.line("d").split())


@piloted
async def test_columns_are_those_of_the_settings_in_their_order() -> None:
    async with explored(built(*CHANGED), settings=Settings(columns=("size", "wasted", "mode")), keys=["e"]) as screen:
        assert screen.line("d/gone") == "-!  1.00 kB ! 1.00 kB -rw-r--r--     gone"


@piloted
async def test_no_columns_at_all_leave_marks_and_names() -> None:
    async with explored(built(layer(file("f", b"x"))), settings=Settings(columns=())) as screen:
        assert screen.line("f") == "+    f"


@piloted
async def test_figures_in_one_column_end_at_the_same_cell() -> None:
    sizes = (0, 1, 12, 999, 1000, 1234, 99_949, 123_456, 999_499, 999_500, 1_234_567)
    async with explored(built(layer(*(file(f"f{size:07}", b"x" * size) for size in sizes)))) as screen:
        ends = {line.index("B ") for line in screen.lines("files") if "B " in line}
        assert len(ends) == 1


# Keys.

TREE = layer("a/x/1", "a/y/2", "b/3", "c")


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("down", "b"),
        ("j j", "c"),
        ("j j j j", "c"),
        ("j k", "a"),
        ("k", "a"),
        ("G", "c"),
        ("end", "c"),
        ("end home", "a"),
        ("G g", "a"),
        ("pagedown", "c"),
        ("pagedown pageup", "a"),
        ("ctrl+f ctrl+b", "a"),
        ("right right", "a/x"),
        ("l l l l", "a/x/1"),
        ("l l l l h", "a/x"),
        ("l l l l left left left", "a"),
        ("enter down", "a/x"),
        ("space down", "a/x"),
        ("enter enter down", "b"),
        ("space space down", "b"),
        ("h", "a"),
        ("j j l", "c"),
    ],
)
@piloted
async def test_keys_move_through_the_tree(keys: str, path: str) -> None:
    async with explored(built(TREE), keys=["tab", keys]) as screen:
        assert screen.path == path


@piloted
async def test_a_directory_folds_and_unfolds() -> None:
    async with explored(built(TREE), keys=["tab space"]) as screen:
        assert screen.paths == ["a", "a/x", "a/y", "b", "c"]
        assert "▾" in screen.line("a")
        await screen.keys("space")
        assert screen.paths == ["a", "b", "c"]
        assert "▸" in screen.line("a")


@piloted
async def test_all_unfolds_and_folds_the_cursor_staying_on_its_path() -> None:
    async with explored(built(TREE), keys=["tab j e"]) as screen:
        assert screen.paths == ["a", "a/x", "a/x/1", "a/y", "a/y/2", "b", "b/3", "c"]
        assert screen.path == "b"
        await screen.keys("j E")
        assert (screen.paths, screen.path) == (["a", "b", "c"], "b")


@piloted
async def test_sort_goes_round_is_named_and_not_remembered() -> None:
    sized = layer(file("a", b"x"), file("b", b"xxx"), file("c", b"x"))
    async with explored(built(sized, layer(file("c", b"xx"))), keys=["tab"]) as screen:
        assert screen.paths == ["a", "b", "c"]
        seen = []
        for _ in range(4):
            await screen.keys("s")
            seen.append((screen.paths, screen.rows.order.value, "by" in screen.title))
        assert seen == [
            (["b", "c", "a"], "size", True),
            (["c", "a", "b"], "change", True),
            (["c", "a", "b"], "wasted", True),
            (["a", "b", "c"], "name", False),
        ]
        assert recall() == SavedState()


@pytest.mark.parametrize(
    ("head", "order"), [("size", "size"), ("wasted", "wasted"), ("~", "change"), ("name", "name"), ("mode", "name")]
)
@piloted
async def test_a_click_on_a_column_head_sorts_by_it_and_marks_it(head: str, order: str) -> None:
    async with explored(built(*CHANGED)) as screen:
        cell = screen.head("files").index(head)
        await screen.click("files", -1, cell)
        assert screen.rows.order.value == order
        assert f"{'~' if order == 'change' else order}{'▲' if order == 'name' else '▼'}" in screen.head("files")


@piloted
async def test_sorted_by_waste_what_wastes_most_is_first() -> None:
    first = layer(file("a", b"1"), file("b", b"2" * 50), file("c", b"3" * 20))
    async with explored(built(first, layer(file("a", b"x"), file("b", b"y"), file("c", b"z"))), keys=["s s s"]) as screen:
        assert screen.paths == ["b", "c", "a"]


@piloted
async def test_the_next_run_sorts_by_name_again() -> None:
    sized = built(layer(file("a", b"x"), file("b", b"xx")))
    async with explored(sized, keys=["s"]):
        pass
    async with explored(sized) as screen:
        assert screen.paths == ["a", "b"]


@piloted
async def test_the_settings_order_wins_over_what_is_remembered() -> None:
    sized = built(layer(file("a", b"x"), file("b", b"xx")))
    async with explored(sized, keys=["s"]):
        pass
    async with explored(sized, settings=Settings(sort="name")) as screen:
        assert screen.paths == ["a", "b"]


@piloted
async def test_sorting_keeps_the_cursor_on_its_path_but_at_the_top() -> None:
    async with explored(built(layer(file("a", b"x"), file("b", b"xx"), file("c", b"xxx"))), keys=["tab j s"]) as screen:
        assert screen.path == "b"
        await screen.keys("g s s s s")
        assert (screen.path, screen.files.cursor) == ("c", 0)


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ("a", ["d", "d/gone", "d/kept", "d/new", "e", "e/f"]),
        ("c", ["d", "d/added", "d/gone", "d/kept", "e", "e/f"]),
        ("d", ["d", "d/added", "d/kept", "d/new", "e", "e/f"]),
        ("u", ["d", "d/added", "d/gone", "d/new"]),
        ("u a c", ["d", "d/gone"]),
        ("u u", ["d", "d/added", "d/gone", "d/kept", "d/new", "e", "e/f"]),
        ("a c d u", []),
        ("a c d u A", ["d", "d/added", "d/gone", "d/kept", "d/new", "e", "e/f"]),
        ("1 2 3 4 escape", ["d", "d/added", "d/gone", "d/kept", "d/new", "e", "e/f"]),
    ],
)
@piloted
async def test_keys_hide_and_show_each_sort_of_change(keys: str, left: list[str]) -> None:
    async with explored(built(*CHANGED), keys=["e", keys]) as screen:
        assert screen.paths == left
        screen.check_lines()


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("a c d u", "Nothing left to show: unchanged, added, modified and removed files are hidden."),
        ("/ n o w h e r e", "No match for `nowhere` in layer 2. Esc clears the filter."),
        ("[ / a d d e d", "No match for `added` in layer 1. A later layer may have one. Esc clears the filter."),
    ],
)
@piloted
async def test_where_there_is_no_line_a_sentence_says_why(keys: str, sentence: str) -> None:
    async with explored(built(*CHANGED), size=WIDE, keys=["tab", keys]) as screen:
        assert screen.files.count == 0
        assert sentence in " ".join(line.strip("│ ") for line in (row[57:] for row in screen.picture))


@pytest.mark.parametrize("size", [NARROW, WIDE])
@piloted
async def test_what_is_hidden_is_said_first_in_the_title_and_one_key_shows_all(size: tuple[int, int]) -> None:
    async with explored(built(*CHANGED), size=size, keys=["u d"]) as screen:
        assert screen.title.startswith("unchanged, removed hidden, A shows all ─ ")
        assert "A show all" in screen.footer
        assert any("unchanged, removed hidden, A shows all" in line for line in screen.picture)
        assert screen.rows.hidden == {Change.UNCHANGED, Change.REMOVED}
        await screen.keys("A")
        assert screen.rows.hidden == frozenset()
        assert "hidden" not in screen.title
        assert "show all" not in screen.footer


@pytest.mark.parametrize(
    ("keys", "path"),
    [("3 j", "d/kept"), ("1 0 j", "e/f"), ("3 G", "d/gone"), ("G 2 k", "d/new"), ("2 }", "d/gone"), ("3 escape j", "d/added")],
)
@piloted
async def test_digits_say_how_many_times_the_next_key_is_meant(keys: str, path: str) -> None:
    async with explored(built(*CHANGED), keys=["e tab", keys]) as screen:
        assert screen.path == path
        assert screen.rows.hidden == frozenset()


@piloted
async def test_a_count_is_shown_while_it_is_typed_and_serves_one_key() -> None:
    async with explored(built(*CHANGED), keys=["e tab 1 2"]) as screen:
        assert screen.footer.startswith(" 12 ")
        await screen.keys("k j j")
        assert screen.path == "d/gone"
        assert not screen.footer.startswith(" 12 ")


@piloted
async def test_digits_typed_into_a_line_are_text() -> None:
    async with explored(built(*CHANGED)) as screen:
        await screen.write("/12")
        assert screen.explorer.bar.text == "12"


@piloted
async def test_a_cursor_whose_file_is_hidden_comes_back_to_it() -> None:
    async with explored(built(*CHANGED), keys=["e tab j j j"]) as screen:
        assert screen.path == "d/kept"
        await screen.keys("u")
        assert screen.path == "d"
        await screen.keys("u")
        assert screen.path == "d/kept"


@piloted
async def test_braces_jump_to_the_changes_also_those_folded_away() -> None:
    async with explored(built(*CHANGED), keys=["tab"]) as screen:
        seen = []
        for _ in range(3):
            await screen.keys("}")
            seen.append(screen.path)
        assert seen == ["d/added", "d/gone", "d/new"]
        await screen.keys("{ {")
        assert screen.path == "d/added"


@piloted
async def test_braces_work_from_the_layers_too() -> None:
    async with explored(built(*CHANGED), keys=["}"]) as screen:
        assert (screen.path, screen.focus) == ("d/added", "layers")


@piloted
async def test_where_there_is_no_further_change_that_is_said() -> None:
    async with explored(built(*CHANGED), keys=["tab G }"]) as screen:
        assert screen.said == ["No further change below"]


@piloted
async def test_the_scrollbar_follows_what_is_unfolded() -> None:
    many = layer(*(f"d/{number:03}" for number in range(50)), *(f"f{number}" for number in range(30)))
    async with explored(built(many, layer("f0/x")), keys=["tab"]) as screen:
        bar = screen.files.vertical_scrollbar
        assert (bar.window_virtual_size, screen.files.virtual_size.height) == (32, 32)
        await screen.keys("space")
        assert (bar.window_virtual_size, screen.files.virtual_size.height) == (82, 82)
        await screen.keys("G")
        assert screen.files.scroll_y == screen.files.max_scroll_y == 82 - screen.files.scrollable_content_region.height
        await screen.keys("E")
        assert bar.window_virtual_size == 32
        await screen.keys("d a u")
        assert not screen.files.show_vertical_scrollbar


# The mouse.


@piloted
async def test_a_click_on_a_line_puts_the_cursor_there() -> None:
    async with explored(built(TREE)) as screen:
        await screen.click("files", 2)
        assert (screen.path, screen.focus) == ("c", "files")


@piloted
async def test_a_click_on_a_directorys_sign_unfolds_it() -> None:
    async with explored(built(TREE)) as screen:
        sign = screen.line("b").index("▸")
        await screen.click("files", 1, sign)
        assert screen.paths == ["a", "b", "b/3", "c"]
        await screen.click("files", 1, sign)
        assert screen.paths == ["a", "b", "c"]


@piloted
async def test_a_click_on_a_directorys_figures_only_moves_the_cursor() -> None:
    async with explored(built(TREE)) as screen:
        await screen.click("files", 1, 5)
        assert (screen.path, screen.paths) == ("b", ["a", "b", "c"])


@piloted
async def test_a_double_click_on_a_directorys_name_folds_it_and_unfolds_it() -> None:
    async with explored(built(TREE)) as screen:
        await screen.click("files", 1, screen.line("b").index("b/"), times=2)
        assert screen.path == "b"
        assert screen.paths in (["a", "b", "c"], ["a", "b", "b/3", "c"])


@piloted
async def test_a_click_below_the_last_line_does_nothing() -> None:
    async with explored(built(TREE), keys=["tab j"]) as screen:
        await screen.click("files", 6)
        assert screen.path == "b"


@piloted
async def test_the_wheel_scrolls_and_leaves_the_cursor() -> None:
    async with explored(built(layer(*(f"f{number:03}" for number in range(100)))), keys=["tab"]) as screen:
        await screen.pilot._post_mouse_events([_scroll_down()], widget=screen.files, offset=(5, 3))
        await screen.settled()
        assert screen.files.scroll_y > 0
        assert screen.path == "f000"
        await screen.keys("down")
        assert screen.path == "f001"
        assert screen.files.scroll_y <= 1


def _scroll_down() -> Any:
    from textual.events import MouseScrollDown

    return MouseScrollDown


# Names of all kinds.

NAMES = (
    "简体中文的文件名",
    "한국어",
    "e\u0301\u0302\u0303combining",
    "tab\tnewline\nescape\x1b[31m",
    b"not-utf8-\xff\xfe",
    "n" * 255,
    "宽" * 85,
    "👩\u200d👩\u200d👧 emoji",
    "\u202ertl",
    "עברית",
    "\u0e01\u0e33thai",
    "soft\u00adhyphen",
    "각jamo",
    "🇩🇪flag",
    "❤\ufe0fheart",
    "क्षि",
    "dash—…",
    " leading and trailing ",
    "[bold]markup[/bold]",
)


@pytest.mark.parametrize("size", [NARROW, WIDE, (40, 10), (200, 60), (61, 24)])
@piloted
async def test_names_of_all_kinds_keep_columns_straight(size: tuple[int, int]) -> None:
    async with explored(built(layer(*NAMES, symlink("link", "宽" * 60))), size=size, keys=["tab"]) as screen:
        for _ in screen.paths:
            screen.check_lines()
            await screen.keys("down")
        screen.check_lines()


@piloted
async def test_names_of_all_kinds_at_any_depth_keep_columns_straight() -> None:
    deep = [
        b"/".join([b"d" * 30, "中文".encode() * 9] * 6) + b"/" + name.replace(b"/", b"")
        for name in [_raw(each) for each in NAMES]
    ]
    async with explored(built(layer(*deep)), keys=["e tab"]) as screen:
        for _ in screen.paths:
            screen.check_lines()
            await screen.keys("down")


def _raw(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()


@piloted
async def test_control_characters_and_other_bytes_are_escaped() -> None:
    async with explored(built(layer("a\x1b[31m\n", b"b\xff"))) as screen:
        lines = screen.lines("files")
        assert lines[0].endswith("a\\x1b[31m\\x0a")
        assert lines[1].endswith("b\\xff")


@piloted
async def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    async with explored(
        built(layer("[red]x", "[bold @click=app.bell()]z", "[@click=app.quit]y")), size=WIDE, keys=["tab"]
    ) as screen:
        assert any(line.endswith("[@click=app.quit]y") for line in screen.lines("files"))
        for _ in range(3):
            await screen.keys("y")
            screen.check_lines()
            await screen.keys("y down")
        assert "/[red]x" in "\n".join(screen.picture)
        screen.check_lines()


@piloted
async def test_a_very_long_name_keeps_its_start_and_its_end() -> None:
    async with explored(built(layer("start" + "x" * 240 + ".so.1"))) as screen:
        line = screen.lines("files")[0]
        assert "start" in line
        assert line.endswith(".so.1")
        assert cell_len(line) <= screen.files.room


@piloted
async def test_deeply_nested_files_still_show_their_names() -> None:
    path = "/".join(f"d{number}" for number in range(60))
    async with explored(built(layer(path + "/leaf")), keys=["tab e G"]) as screen:
        assert screen.line(path + "/leaf").endswith("leaf")
        screen.check_lines()


def names(screen: Shown) -> list[str]:
    """The name in each row of the files."""
    nodes = screen.rows.view.tree.nodes
    return [nodes.name(node).decode() for node in screen.rows.nodes.tolist()]


@piloted
async def test_the_tree_opens_itself_until_the_pane_is_full_or_the_user_opens_or_closes_something() -> None:
    many = [file(f"many/{number}", b"1" * 9) for number in range(99)]
    images = built(layer(*many, "some/a", "some/b/c"), layer("some/b/d"))
    async with explored(images, settings=Settings()) as screen:
        assert names(screen) == ["many", "some", "a", "b", "c", "d"]
        await screen.keys("[ tab j space")
        assert names(screen) == ["many", "some"]
        await screen.keys("]")
        assert names(screen) == ["many", "some"]
