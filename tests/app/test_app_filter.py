"""The filter: what each term finds, that no key is lost, and that the cursor and the folding keep their places."""

from __future__ import annotations

import pytest

from support.image_builder import file, layer, symlink, whiteout
from support.screens import NARROW, WIDE, Shown, built, demo, explored, piloted

STACK = (
    layer(
        "etc/conf", "etc/passwd", file("usr/lib/a.pyc", b"x" * 2000), "usr/lib/a.py", symlink("usr/link", "lib"), "secret/key"
    ),
    layer(whiteout("secret"), "etc/conf", file("usr/bin/tool", b"x" * 30, mode=0o755)),
    layer("new file", "var/中文"),
)


def hits(screen: Shown) -> list[str]:
    return [path for path, node in zip(screen.paths, screen.rows.nodes.tolist(), strict=True) if screen.rows.is_hit(node)]


def count(screen: Shown) -> str:
    return str(screen.app.screen.query_one("#filter-count").render()).strip()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("conf", ["etc/conf"]),
        ("pswd", ["etc/passwd"]),
        ("ETC", []),
        ("'ass", ["etc/passwd"]),
        ("*.pyc", ["usr/lib/a.pyc"]),
        ("usr/**/*.py", ["usr/lib/a.py"]),
        (r"/\.pyc?$/", ["usr/lib/a.py", "usr/lib/a.pyc"]),
        (">1k", ["usr/lib/a.pyc"]),
        (">=2000 <1M", ["usr/lib/a.pyc"]),
        ("is:added", ["new file", "var", "var/中文"]),
        ("is:removed", ["secret", "secret/key"]),
        ("is:removed layer:3", []),
        ("is:wasted", ["etc/conf", "secret/key"]),
        ("is:link", ["usr/link"]),
        ("is:exec", ["usr/bin/tool"]),
        ("layer:3", ["new file", "var", "var/中文"]),
        ("layer:2 'conf", ["etc/conf"]),
        ("is:file !layer:1", ["new file", "usr/bin/tool", "var/中文"]),
        ("'key", ["secret/key"]),
        ("secret/key", ["secret/key"]),
        ('"new file"', ["new file"]),
        (r"new\ file", ["new file"]),
        ("中文", ["var/中文"]),
        ("nowhere", []),
    ],
)
@piloted
async def test_each_kind_of_term_finds_what_it_says(text: str, found: list[str]) -> None:
    async with explored(built(*STACK), keys=["tab"]) as screen:
        await screen.write("/" + text)
        assert hits(screen) == found
        assert count(screen) == f"{len(found)} hit" + "s" * (len(found) != 1)


@piloted
async def test_the_hierarchy_is_kept_and_opened() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'tool")
        assert screen.paths == ["usr", "usr/bin", "usr/bin/tool"]


@piloted
async def test_the_cursor_goes_to_the_best_hit() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/conf")
        assert screen.path == "etc/conf"


@piloted
async def test_deleted_files_are_found_with_the_layer_that_removed_them() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'key")
        assert screen.line("secret/key").endswith("key  removed by 2")
        assert "strike" in screen.styles("secret/key")


@pytest.mark.parametrize("text", ["/is:", "/is:remov", "/>", "/layer:", "/!", "/'", "/*.[", "//abc", "/ ", "/layer:1-"])
@piloted
async def test_half_typed_terms_are_no_filter_yet(text: str) -> None:
    async with explored(built(*STACK), keys=["tab j j"]) as screen:
        before = screen.paths
        await screen.write(text)
        assert set(before) <= set(screen.paths)
        assert count(screen) == ""


@piloted
async def test_a_half_typed_term_waits_with_those_that_are_typed_already_in_force() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'tool is:")
        assert hits(screen) == ["usr/bin/tool"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/is:nothing ", "is:nothing is unknown"),
        ("/layer:x ", "names no layers"),
        ("/>much", "is not a size"),
        ("//(/", "("),
        ("/layer:9", "0 hits"),
    ],
)
@pytest.mark.parametrize("size", [NARROW, WIDE])
@piloted
async def test_what_is_wrong_with_a_term_is_said(text: str, words: str, size: tuple[int, int]) -> None:
    async with explored(built(*STACK), size=size) as screen:
        await screen.write(text)
        assert words in count(screen)
        screen.check_lines()


@pytest.mark.parametrize("size", [NARROW, (40, 10), WIDE])
@piloted
async def test_a_wrong_term_leaves_room_to_see_what_is_typed(size: tuple[int, int]) -> None:
    async with explored(built(*STACK), size=size) as screen:
        await screen.write("/is:nothing ")
        assert any("/is:nothing " in line for line in screen.picture)


@piloted
async def test_a_burst_of_keys_loses_none() -> None:
    async with explored(demo) as screen:
        await screen.write("/settings.py")
        assert screen.explorer.bar.text == "settings.py"
        assert hits(screen) == ["srv/app/settings.py"]


@piloted
async def test_letters_that_are_keys_elsewhere_are_typed() -> None:
    async with explored(demo) as screen:
        await screen.write("/qwtjkse?[]{}1234/")
        assert screen.explorer.bar.text == "qwtjkse?[]{}1234/"
        assert screen.app.is_running


@piloted
async def test_backspace_takes_a_letter_back_and_finds_anew() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'tooly")
        assert hits(screen) == []
        await screen.keys("backspace")
        assert hits(screen) == ["usr/bin/tool"]


@piloted
async def test_an_emptied_filter_shows_everything() -> None:
    async with explored(built(*STACK)) as screen:
        everything = screen.paths
        await screen.write("/co")
        await screen.keys("backspace backspace")
        assert set(screen.paths) >= set(everything)
        assert screen.path == "etc/conf"
        assert count(screen) == ""


@piloted
async def test_escape_leaves_the_filter_and_the_cursor_is_where_it_was() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'tool")
        await screen.keys("escape")
        assert (screen.path, screen.focus, screen.explorer.bar.is_on) == ("etc", "files", False)
        assert "new file" in screen.paths


@piloted
async def test_escape_after_enter_leaves_the_filter_too() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'tool")
        await screen.keys("enter")
        assert screen.focus == "files"
        await screen.keys("escape")
        assert (screen.path, screen.explorer.bar.is_on) == ("usr/bin/tool", False)
        assert "new file" in screen.paths


@piloted
async def test_a_deleted_file_is_not_there_any_more_without_the_filter() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'key")
        await screen.keys("escape")
        assert "secret/key" not in screen.paths
        screen.check_lines()


@pytest.mark.parametrize("key", ["enter", "down", "tab"])
@piloted
async def test_keys_go_from_the_filter_to_what_it_found(key: str) -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'a.py")
        await screen.keys(key)
        assert screen.focus == "files"
        assert screen.explorer.bar.is_on
        assert screen.explorer.bar.text == "'a.py"


@piloted
async def test_a_slash_goes_back_to_the_filter_to_type_it_on_or_anew() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'a.py")
        await screen.keys("enter / end c")
        assert hits(screen) == ["usr/lib/a.pyc"]
        await screen.keys("enter / t")
        assert screen.explorer.bar.text == "t"


@piloted
async def test_a_filter_that_is_opened_again_says_nothing_yet() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'a.py")
        await screen.keys("escape /")
        assert (screen.explorer.bar.text, count(screen)) == ("", "")


@piloted
async def test_enter_in_an_empty_filter_closes_it() -> None:
    async with explored(built(*STACK), keys=["/ enter"]) as screen:
        assert (screen.focus, screen.explorer.bar.is_on) == ("files", False)


@piloted
async def test_folding_works_while_filtered_and_is_forgotten_after() -> None:
    async with explored(built(*STACK), keys=["tab"]) as screen:
        before = screen.paths
        await screen.write("/'a.py")
        await screen.keys("enter g space")
        assert screen.paths == ["usr"]
        await screen.keys("space")
        assert screen.paths == ["usr", "usr/lib", "usr/lib/a.py", "usr/lib/a.pyc"]
        await screen.keys("g escape")
        assert screen.paths == before


@piloted
async def test_sorting_and_hiding_work_while_filtered() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'a.py")
        await screen.keys("enter s")
        assert screen.paths == ["usr", "usr/lib", "usr/lib/a.pyc", "usr/lib/a.py"]
        await screen.keys("u")
        assert screen.paths == []
        await screen.keys("u")
        assert hits(screen) == ["usr/lib/a.pyc", "usr/lib/a.py"]


@piloted
async def test_steps_between_layers_keep_the_filter() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/is:added")
        await screen.keys("enter [")
        assert hits(screen) == ["usr/bin", "usr/bin/tool"]
        assert count(screen) == "2 hits"
        await screen.keys("]")
        assert hits(screen) == ["new file", "var", "var/中文"]


@piloted
async def test_the_cursor_stays_on_its_path_while_filtered_layers_are_stepped_through() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'a.py")
        await screen.keys("enter down down down")
        assert screen.path == "usr/lib/a.pyc"
        await screen.keys("[ [")
        assert (screen.layer, screen.path) == (1, "usr/lib/a.pyc")


@piloted
async def test_braces_go_from_change_to_change_while_filtered() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'e is:file")
        await screen.keys("enter g }")
        assert screen.path in ("new file", "var")


@piloted
async def test_the_filter_is_shown_as_long_as_it_holds() -> None:
    async with explored(built(*STACK)) as screen:
        await screen.write("/'a.py")
        await screen.keys("enter")
        assert any("'a.py" in line and "2 hits" in line for line in screen.picture)


@piloted
async def test_the_filter_has_its_own_place_in_a_narrow_terminal() -> None:
    async with explored(built(*STACK), size=(40, 10)) as screen:
        await screen.write("/'a.py")
        assert any("'a.py" in line for line in screen.picture)
        assert any("a.pyc" in line for line in screen.picture[:-2])
        screen.check_lines()


@piloted
async def test_the_filter_opens_also_from_the_details_of_a_narrow_terminal() -> None:
    async with explored(built(*STACK), keys=["i"]) as screen:
        await screen.write("/'tool")
        assert screen.files.is_on_screen
        assert any("'tool" in line for line in screen.picture)


@piloted
async def test_the_footer_says_how_to_leave_the_filter() -> None:
    async with explored(built(*STACK), keys=["/"]) as screen:
        assert "esc clear" in screen.footer
        assert "enter matches" in screen.footer


@piloted
async def test_a_regex_that_backtracks_neither_holds_the_keys_nor_goes_on_for_ever() -> None:
    async with explored(built(layer("a" * 200 + "c", "b")), keys=["tab"]) as screen:
        for key in (*"//(a+)+$/", "escape"):
            screen.press(key)
        await screen.settled()
        assert screen.paths == ["a" * 200 + "c", "b"]
        await screen.write("/" + "/(a+)+$/")
        await screen.until(lambda: "takes more than 5 s" in count(screen))


@pytest.mark.parametrize("size", [NARROW, WIDE])
@piloted
async def test_what_is_wrong_with_a_regular_expression_is_told_to_its_end(size: tuple[int, int]) -> None:
    async with explored(built(*STACK), size=size) as screen:
        await screen.write("//usr/[a-z/")
        assert count(screen) == "the pattern '/usr/[a-z/' cannot be read: unterminated character set at position 4"
        shown = " ".join(line.replace("│", " ") for line in screen.picture)
        assert "position 4" in shown
        screen.check_lines()
        await screen.keys("ctrl+u")
        assert count(screen) == ""


@piloted
async def test_escape_while_typing_gives_back_the_place_and_after_going_to_a_match_keeps_it() -> None:
    async with explored(built(layer("a/b/c", "d", "e")), keys=["tab j"]) as screen:
        await screen.keys("/")
        await screen.write("c")
        await screen.keys("escape")
        assert (screen.path, len(screen.rows)) == ("d", 3)
        await screen.keys("/")
        await screen.write("c")
        await screen.keys("enter escape")
        assert screen.path == "a/b/c"
