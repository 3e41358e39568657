"""Saving what is shown: as text or as a page, to a file that the user names, and never over one that is there unasked."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from layerscope.advice.advise import advise
from layerscope.analysis import Analysis, analyze, read_image
from layerscope.app.export.saving import reports, save, text_page
from layerscope.errors import CannotWrite, WouldOverwrite
from layerscope.sources.demo import open_demo
from support.commands import written
from support.image_builder import file, layer, whiteout
from support.screens import Shown, built, explored, piloted, stored

HARMFUL = "<b>\x1b[31m&"


def analyzed() -> Analysis:
    return analyze(read_image(open_demo()))


async def answer(screen: Shown, where: Path) -> None:
    screen.app.screen.query_one(Input).value = str(where)
    await screen.keys("enter")


def note(screen: Shown) -> str:
    return str(screen.app.screen.query_one("#question-note", Static).render())


@piloted
async def test_the_tree_is_saved_as_it_is_shown_with_no_name_cut(tmp_path: Path) -> None:
    stack = built(layer(f"d/{HARMFUL}", "e/f", file("n" * 200, b"12345")), layer(whiteout("d"), "g"))
    async with explored(stack, keys=["tab j j e u S t"]) as screen:
        await answer(screen, tmp_path / "tree.txt")
        text = (tmp_path / "tree.txt").read_text(encoding="utf-8")
        shown = [line.split()[-1] for line in text.splitlines()[3:]]
        assert text.splitlines()[0].endswith(" after layer 2: this layer's changes; unchanged hidden")
        assert shown == [Path(path).name + "/" * (path == "d") for path in screen.paths]
        assert "\x1b" not in text
        assert screen.said[-1].endswith(f"saved to {tmp_path / 'tree.txt'}")


@piloted
async def test_a_page_escapes_what_an_image_holds_and_colors_changes(tmp_path: Path) -> None:
    async with explored(built(layer(HARMFUL)), keys=["S enter"]) as screen:
        await answer(screen, tmp_path / "tree.HTML")
        page = (tmp_path / "tree.HTML").read_text(encoding="utf-8")
        assert "&lt;b&gt;\\x1b[31m&amp;</span>" in page
        assert '<span class="good">+' in page
        assert "default-src 'none'" in page


@piloted
async def test_a_file_that_is_there_is_replaced_only_after_a_second_enter(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    async with explored(built(layer("a")), keys=["S w"]) as screen:
        await answer(screen, tmp_path / "out")
        assert "already exists. Enter again replaces it." in note(screen)
        assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"
        await screen.keys("escape S w")
        await answer(screen, tmp_path / "out")
        await screen.keys("enter")
        assert (tmp_path / "out").read_text(encoding="utf-8") == ""
        assert screen.app.screen is screen.explorer


@piloted
async def test_the_image_itself_is_never_replaced(tmp_path: Path) -> None:
    image = written(tmp_path / "image.tar", layer("a"))
    before = image.read_bytes()
    async with explored(stored(image), keys=["S t"]) as screen:
        screen.explorer.source = type(screen.explorer.source)(stored(image), str(image))
        await screen.keys("escape S t")
        await answer(screen, image)
        await screen.keys("enter")
        assert "is the image itself" in note(screen)
        assert image.read_bytes() == before


@piloted
async def test_in_the_waste_what_is_grouped_is_saved_as_it_is_grouped(tmp_path: Path) -> None:
    stack = built(layer(file("d/a", b"1" * 1000)), layer(whiteout("d/a")))
    async with explored(stack, keys=["w tab tab S"]) as screen:
        assert any("waste" in line and "by layer" in line for line in screen.picture)
        await screen.keys("enter")
        await answer(screen, tmp_path / "waste.txt")
        assert "1.00 kB" in (tmp_path / "waste.txt").read_text(encoding="utf-8")


def test_the_waste_and_the_report_are_those_of_the_commands() -> None:
    analysis = analyzed()
    waste, report = reports(analysis, lambda: advise(analysis, None), "cause")
    assert b"metadata" in waste.text()
    assert b"<pre>" in waste.page()
    assert b"Worst paths" in report.text()
    assert b"What to change" in report.page()


def test_what_is_no_regular_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("fifo", "link", ".", "missing/f", "a\0b"):
        with pytest.raises(CannotWrite):
            save(tmp_path / name, b"x", image="demo", has_asked=True)
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    save(tmp_path / "f", b"one", image="demo", has_asked=False)
    with pytest.raises(WouldOverwrite):
        save(tmp_path / "f", b"two", image="demo", has_asked=False)
    save(tmp_path / "f", b"two", image="demo", has_asked=True)
    assert (tmp_path / "f").read_bytes() == b"two"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) & 0o111 == 0


def test_a_title_is_escaped_in_a_page() -> None:
    assert b"<b>" not in text_page("<b>", "<b>")
