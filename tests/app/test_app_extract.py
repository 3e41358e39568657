"""The extract dialog: where to, what already exists, what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, Static

from support.image_builder import char, file, layer, whiteout
from support.screens import NARROW, Shown, built, explored, piloted

STACK = (
    layer("d/a", "d/e/b", "top", char("d/null"), file("changed", b"old")),
    layer(whiteout("d/a"), file("changed", b"new")),
)


async def answer(screen: Shown, where: str | Path) -> None:
    screen.app.screen.query_one(Input).value = str(where)
    await screen.keys("enter")


def note(screen: Shown) -> str:
    return str(screen.app.screen.query_one("#extract-note", Static).render())


def is_open(screen: Shown) -> bool:
    return screen.app.screen is not screen.explorer


@piloted
async def test_it_says_what_is_copied_and_how_much() -> None:
    async with explored(built(*STACK), keys=["tab j x"]) as screen:
        assert any("Copy /d as it is after layer 2, to:" in line for line in screen.picture)
        assert note(screen) == "2 files, 17 B. Enter copies, Esc cancels."


@piloted
async def test_a_file_is_written(tmp_path: Path) -> None:
    async with explored(built(*STACK), keys=["tab x"]) as screen:
        await answer(screen, tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == b"new" or (tmp_path / "out" / "changed").read_bytes() == b"new"
        assert not is_open(screen)
        assert "1 file, 3 B copied to" in screen.said[-1]


@piloted
async def test_a_file_is_written_as_it_is_after_the_layer_under_the_cursor(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    async with explored(built(*STACK), keys=["[ tab x"]) as screen:
        await answer(screen, tmp_path / "out")
        assert (tmp_path / "out" / "changed").read_bytes() == b"old"


@piloted
async def test_a_directory_is_written_and_what_could_not_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    async with explored(built(*STACK), keys=["[ tab j x"]) as screen:
        await answer(screen, tmp_path / "out")
        assert (tmp_path / "out/d/a").read_bytes() == b"content of d/a\n"
        assert (tmp_path / "out/d/e/b").is_file()
        await screen.until(lambda: bool(screen.said))
        assert "1 device left out" in screen.said[-1]


@piloted
async def test_what_this_layer_removed_is_taken_as_it_was_before(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    async with explored(built(*STACK), keys=["tab j space j"]) as screen:
        assert screen.path == "d/a"
        await screen.keys("x")
        await answer(screen, tmp_path / "out")
        assert (tmp_path / "out/a").read_bytes() == b"content of d/a\n"


@piloted
async def test_what_a_layer_before_removed_is_taken_as_it_was_before_that(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    async with explored(built(*STACK, layer("new"))) as screen:
        await screen.write("/d/a")
        await screen.keys("enter")
        assert screen.path == "d/a"
        await screen.keys("x")
        assert is_open(screen)
        await answer(screen, tmp_path / "out")
        assert (tmp_path / "out/a").read_bytes() == b"content of d/a\n"


@piloted
async def test_what_is_there_is_not_replaced_until_asked_again(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/changed").write_bytes(b"mine")
    async with explored(built(*STACK), keys=["tab x"]) as screen:
        await answer(screen, tmp_path / "out")
        assert is_open(screen)
        assert note(screen).endswith("nothing was written; Enter again replaces it")
        assert (tmp_path / "out/changed").read_bytes() == b"mine"
        await screen.keys("enter")
        assert not is_open(screen)
        assert (tmp_path / "out/changed").read_bytes() == b"new"


@piloted
async def test_another_place_is_asked_about_anew(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "changed").write_bytes(b"mine")
    async with explored(built(*STACK), keys=["tab x"]) as screen:
        await answer(screen, tmp_path / "one")
        await answer(screen, tmp_path / "two")
        assert is_open(screen)
        assert (tmp_path / "two/changed").read_bytes() == b"mine"


@piloted
async def test_a_place_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_bytes(b"")
    async with explored(built(*STACK), keys=["tab x"]) as screen:
        await answer(screen, tmp_path / "in-the-way" / "below")
        assert is_open(screen)
        assert str(tmp_path / "in-the-way") in note(screen)
        assert "Traceback" not in note(screen)


@pytest.mark.parametrize("where", ["~nobody-of-this-name/x", "\0", "/proc/no/such", "x" * 5000])
@piloted
async def test_no_place_whatsoever_ends_the_app(where: str) -> None:
    async with explored(built(*STACK), keys=["tab x"]) as screen:
        await answer(screen, where)
        assert is_open(screen)
        assert len(note(screen)) > 10


@piloted
async def test_an_empty_answer_copies_nothing() -> None:
    async with explored(built(*STACK), keys=["tab x"]) as screen:
        await answer(screen, "  ")
        assert is_open(screen)
        assert note(screen).endswith("Enter copies, Esc cancels.")


@piloted
async def test_escape_copies_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    async with explored(built(*STACK), keys=["tab x escape"]) as screen:
        assert not is_open(screen)
        assert screen.said == []
        assert list(Path().iterdir()) == []
        assert screen.focus == "files"


@piloted
async def test_enter_alone_copies_to_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    async with explored(built(*STACK), keys=["tab x enter"]):
        assert Path("changed").read_bytes() == b"new"


@piloted
async def test_the_keys_of_the_explorer_are_letters_here() -> None:
    async with explored(built(*STACK), keys=["tab x"]) as screen:
        await screen.write("q?w/[t")
        assert screen.app.screen.query_one(Input).value == "q?w/[t"
        assert is_open(screen)


@pytest.mark.parametrize("size", [NARROW, (40, 10), (200, 60)])
@piloted
async def test_long_and_odd_names_fit_into_the_dialog(size: tuple[int, int]) -> None:
    async with explored(built(layer("宽" * 80, "[b]x", "new\nline")), size=size, keys=["tab"]) as screen:
        for _ in range(3):
            await screen.keys("x")
            screen.check_lines()
            await screen.keys("escape j")


@piloted
async def test_all_that_is_marked_is_extracted_into_one_directory(tmp_path: Path) -> None:
    stack = built(layer("d/a", "d/e/b", "top", "z"), layer(whiteout("top")))
    async with explored(stack, keys=["tab e 2 *"]) as screen:
        assert screen.title.startswith("2 marked, 32 B ─ ")
        assert [path for path in screen.paths if "◆" in screen.line(path)] == ["d", "d/a"]
        await screen.keys("j j * x")
        assert any("Copy 2 marked files and directories into the directory:" in line for line in screen.picture)
        await answer(screen, tmp_path / "out")
        written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*"))
        assert written == ["d", "d/a", "d/e", "d/e/b", "top"]
        assert "marked" not in screen.title
        await screen.keys("home * escape")
        assert "marked" not in screen.title
        assert screen.files.has_focus


@piloted
async def test_marks_stay_on_their_paths_and_what_is_in_the_way_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    async with explored(built(layer("a", "b", "d/a")), keys=["tab e * * r"]) as screen:
        await screen.until(lambda: screen.explorer.analysis is not None)
        await screen.settled()
        assert [path for path in screen.paths if "◆" in screen.line(path)] == ["a", "b"]
        await screen.keys("x")
        await answer(screen, tmp_path)
        assert "already exists; nothing was written" in note(screen)
        assert not (tmp_path / "a").exists()
        await screen.keys("enter")
        assert (tmp_path / "b").read_bytes() == b"content of b\n"


@piloted
async def test_two_of_one_name_do_not_go_into_one_directory(tmp_path: Path) -> None:
    async with explored(built(layer("a", "d/a")), keys=["tab e * j * x"]) as screen:
        await answer(screen, tmp_path)
        assert "two of them are called a" in note(screen)
        assert list(tmp_path.iterdir()) == []


@piloted
async def test_without_any_file_there_is_nothing_to_copy() -> None:
    async with explored(built(layer()), keys=["x"]) as screen:
        screen.check_lines()
        await screen.keys("escape")
        assert screen.app.screen is screen.explorer


@piloted
async def test_in_the_layers_what_the_layer_wrote_is_copied_into_a_directory_of_its_own(tmp_path: Path) -> None:
    async with explored(built(*STACK), keys=["x"]) as screen:
        assert any("Copy what layer 2 wrote, to the directory:" in line for line in screen.picture)
        assert screen.app.screen.query_one(Input).value == "layer-2"
        await answer(screen, tmp_path / "layer-2")
        found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
        assert found == ["layer-2", "layer-2/changed"]
        assert screen.said[-1].startswith("1 file, 3 B copied to")
