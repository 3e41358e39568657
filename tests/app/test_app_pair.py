"""Two images on one screen: the merged tree, its growth, the report, and what cannot be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from textual.geometry import Size

from layerscope.app.app import LayerscopeApp
from layerscope.app.explorer.loader import Failed, Opener
from layerscope.app.explorer.pair_screen import GROWTH, ImagePair, PairScreen, PairSummary, PairTree
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
    old: Opener = OLD,
    new: Opener = NEW,
    *,
    size: tuple[int, int] = NARROW,
    terminal: Terminal = COLORED,
    keys: str = "",
    opens: bool = False,
) -> AsyncIterator[Shown]:
    """The app on two images, both read; `keys` were pressed."""
    app = LayerscopeApp(ImagePair([old, new], "old → new"), settings=Settings(open_files=opens), terminal=terminal)
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
        assert "+2 ~1 -1 paths · by growth · without unchanged" in "\n".join(shown.picture)
        assert "old → new" in shown.summary
        assert "(-699 B)" in shown.summary


@piloted
async def test_keys_are_those_of_the_explorer() -> None:
    async with paired(keys="e") as shown:
        assert listed(shown) == ["-2.00 kB -gone", "+1.30 kB d", "+1.00 kB ~grows", "+300 B +new", "+1 B +mode"]
        await shown.keys("u s s s")
        assert listed(shown) == ["+1.30 kB d", "+1.00 kB ~grows", "+300 B +new", "= same", "-2.00 kB -gone", "+1 B +mode"]
        await shown.keys("d E right_curly_bracket")
        assert note(shown).startswith("/d/grows  modified · 100 B → 1.10 kB · other size")


@piloted
async def test_what_grew_or_shrank_most_is_first_and_s_sorts_by_all_that_changed() -> None:
    old = built(layer(file("big", b"1" * 5000), file("shrinks", b"1" * 2000)))
    new = built(layer(file("big", b"2" * 5001), file("shrinks", b"2" * 1000), file("new", b"n" * 300)))
    async with paired(old, new) as shown:
        assert listed(shown) == ["-1.00 kB ~shrinks", "+300 B +new", "+1 B ~big"]
        await shown.keys("s")
        assert listed(shown) == ["+1 B ~big", "-1.00 kB ~shrinks", "+300 B +new"]
        await shown.click("pair", -1, shown.head("pair").index("growth"))
        assert listed(shown)[0] == "-1.00 kB ~shrinks"


@piloted
async def test_the_tree_opens_itself_where_something_changed() -> None:
    async with paired(opens=True) as shown:
        assert listed(shown) == ["-2.00 kB -gone", "+1.30 kB d", "+1.00 kB ~grows", "+300 B +new", "+1 B +mode"]


@piloted
async def test_each_head_stands_over_its_column_and_sorts_when_clicked() -> None:
    async with paired(keys="e") as shown:
        head, first = (next(line for line in shown.picture if text in line) for text in ("growth▾", "gone"))
        assert head.index("growth▾") + len("growth▾") == first.index("-2.00 kB") + len("-2.00 kB")
        assert head.index("mode") == first.index("-rw-")
        assert head.index("name") == first.index("gone")
        for column, order in (("name", "d"), ("growth", "gone")):
            await shown.click("pair", -1, head.index(column) + 1)
            assert listed(shown)[0].endswith(order)


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


# One path in both images.


def page(shown: Shown) -> list[str]:
    return [line.strip() for line in shown.lines("file-lines")]


def shows(shown: Shown, end: str) -> bool:
    return any(line.endswith(end) for line in page(shown))


@piloted
async def test_a_file_is_compared_line_by_line_and_shown_as_it_is_in_each_image() -> None:
    old, new = (
        built(layer(file("etc/motd", b"one\ntwo\n"))),
        built(layer("x"), layer(file("etc/motd", b"one\n2\n", mode=0o600))),
    )
    async with paired(old, new, keys="e") as shown:
        await shown.keys("/ m o t d enter enter")
        await shown.until(partial(shows, shown, "two"))
        assert [line.split()[-1] for line in page(shown)[1:5]] == ["@@", "one", "two", "2"]
        assert "mode 0644 -> 0600" in page(shown)[0]
        for key, content in (("[", "two"), ("]", "2"), ("d", "@@")):
            await shown.keys(key)
            await shown.until(partial(shows, shown, content))
        shown.check_lines()
        await shown.keys("escape")
        assert shown.widget("pair", PairTree).has_focus


@pytest.mark.parametrize(("keys", "modes"), [("gone", ("old",)), ("new", ("new",))])
@piloted
async def test_a_file_of_one_image_is_shown_as_it_is_there(keys: str, modes: tuple[str, ...]) -> None:
    async with paired() as shown:
        await shown.keys(" ".join(["/", *keys, "enter", "v"]))
        await shown.until(lambda: any(3 * keys[0] in line for line in page(shown)))
        header = " ".join(line for line in shown.picture[:3])
        assert "not there" in header
        shown.check_lines()


@piloted
async def test_column_heads_stand_over_their_columns_and_sort() -> None:
    async with paired(keys="e") as shown:
        head, lines = shown.head("pair"), shown.lines("pair")
        assert (head.index("growth▾"), head.split()[0]) == (GROWTH - 7, "growth▾")
        ends = head.index("size") + len("size")
        assert all(line[ends : ends + 1] in ("", " ") and line[ends - 1] in "B " for line in lines)
        await shown.click("pair", -1, head.index("size"))
        assert "size▼" in shown.head("pair")
        assert len(shown.head("pair").split("name")[0]) == len(head.split("name")[0])
