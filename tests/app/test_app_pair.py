"""Two images on one screen: the merged tree, its growth, the report, and what cannot be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.geometry import Size

from layerscope.app.app import LayerscopeApp
from layerscope.app.explorer.loader import Failed, Opener
from layerscope.app.explorer.pair_screen import ImagePair, PairScreen, PairSummary, PairTree
from layerscope.app.terminal import Terminal
from layerscope.errors import NotFound
from layerscope.progress import Progress
from layerscope.settings import Settings
from layerscope.sources.base import Base
from layerscope.sources.image import Image
from support.image_builder import directory, file, layer
from support.screens import COLORED, NARROW, POOR, WIDE, Shown, built, demo, piloted

OLD = built(layer(directory("d"), file("d/grows", b"1" * 100), file("d/same", b"s" * 50), file("gone", b"g" * 2000)))
NEW = built(
    layer(directory("d"), file("d/grows", b"2" * 1100), file("d/same", b"s" * 50), file("d/new", b"n" * 300)),
    layer(file("mode", b"m", mode=0o755)),
)


@asynccontextmanager
async def paired(
    old: Opener = OLD, new: Opener = NEW, *, size: tuple[int, int] = NARROW, terminal: Terminal = COLORED, keys: str = ""
) -> AsyncIterator[Shown]:
    """The app on two images, both read; `keys` were pressed."""
    app = LayerscopeApp(ImagePair([old, new], "old → new"), settings=Settings(), terminal=terminal)
    async with app.run_test(size=Size(*size)) as pilot:
        shown = Shown(app, pilot)
        await shown.until(lambda: bool(app._exit) or shown.widget("summary", PairSummary).has_ended)
        await shown.settled()
        await shown.keys(keys)
        yield shown


def listed(shown: Shown) -> list[str]:
    """The rows: growth, mark and name."""
    pane = shown.widget("pair", PairTree)
    assert pane.rows is not None
    found = []
    for line, text in enumerate(shown.lines("pair")):
        mark = text[10:11].strip()
        found.append(f"{text[:9].strip()} {mark}{pane.rows.view.tree.nodes.name(int(pane.rows.nodes[line])).decode()}")
    return found


def note(shown: Shown) -> str:
    return " ".join(shown.lines("pair-note")).strip()


@piloted
async def test_the_merged_tree_has_what_changed_biggest_first_with_its_growth() -> None:
    async with paired() as shown:
        assert listed(shown) == ["-2.00 kB -gone", "+1.30 kB d", "+1 B +mode"]
        assert "+2 ~1 -1 paths · by change · without unchanged" in "\n".join(shown.picture)
        assert "old → new" in shown.summary
        assert "(-699 B)" in shown.summary


@piloted
async def test_keys_are_those_of_the_explorer() -> None:
    async with paired(keys="e") as shown:
        assert listed(shown) == ["-2.00 kB -gone", "+1.30 kB d", "+1.00 kB ~grows", "+300 B +new", "+1 B +mode"]
        await shown.keys("u s")
        assert listed(shown) == ["+1.30 kB d", "+1.00 kB ~grows", "+300 B +new", "= same", "-2.00 kB -gone", "+1 B +mode"]
        await shown.keys("d E right_curly_bracket")
        assert note(shown).startswith("/d/grows  modified · 100 B → 1.10 kB · other size")


@piloted
async def test_the_filter_finds_files_of_both_images() -> None:
    async with paired(keys="slash") as shown:
        await shown.write("gone")
        await shown.until(lambda: listed(shown) == ["-2.00 kB -gone"])
        await shown.keys("escape")
        assert len(listed(shown)) == 3


@piloted
async def test_tab_shows_the_report_and_escape_the_tree() -> None:
    async with paired(keys="tab") as shown:
        assert any("layers shared" in line for line in shown.lines("pair-report"))
        assert shown.focus == "pair-report"
        await shown.keys("escape")
        assert (shown.focus, isinstance(shown.app.screen, PairScreen)) == ("pair", True)
        await shown.keys("escape")
        assert not shown.app._exit
        await shown.keys("q")
        assert shown.app._exit


@piloted
async def test_equal_images_have_no_rows() -> None:
    async with paired(OLD, OLD) as shown:
        assert listed(shown) == []
        assert "+0 ~0 -0 paths" in "\n".join(shown.picture)


@piloted
async def test_an_image_that_cannot_be_read_ends_the_app_with_its_error() -> None:
    def missing(_progress: Progress) -> tuple[Image, Base]:
        raise NotFound("there is no such image")

    async with paired(OLD, missing) as shown:
        await shown.until(lambda: shown.app._exit)
        ending = shown.app.return_value
        assert isinstance(ending, Failed)
        assert str(ending.error) == "there is no such image"


@pytest.mark.parametrize("size", [NARROW, WIDE, (120, 30), (30, 9)])
@piloted
async def test_it_fits_every_size(size: tuple[int, int]) -> None:
    async with paired(OLD, demo, size=size, keys="e") as shown:
        shown.check_lines()


@pytest.mark.parametrize("terminal", POOR)
@piloted
async def test_it_stands_on_poor_terminals(terminal: Terminal) -> None:
    async with paired(terminal=terminal) as shown:
        picture = "\n".join(shown.picture)
        assert "-2.00 kB -" in picture
        assert picture.isascii() or not terminal.is_ascii
