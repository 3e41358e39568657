"""The screen of tags over time: bars, the note, opening one, comparing two."""

from __future__ import annotations

from threading import Event

import pytest
from rich.cells import cell_len

from layerscope.app.explorer.pair_screen import PairScreen, PairSummary, ReportLines
from layerscope.app.terminal import Terminal
from layerscope.errors import Cancelled, NotFound
from layerscope.progress import Progress
from layerscope.sources.image import Image
from support.screens import NARROW, POOR, WIDE, Shown, piloted
from support.tag_lists import list_of, opener, tags_listed
from support.tagged_images import Built, growing


def gone(_reference: str, _progress: Progress) -> Image:
    raise NotFound("the registry has it no more")


def marked(shown: Shown) -> list[str]:
    pane = list_of(shown)
    return [pane.series.tags[number].tag for number in pane.marked]


def note(shown: Shown) -> str:
    return " ".join(" ".join(shown.lines("tags-note")).split())


async def compared(shown: Shown) -> None:
    """Wait until the comparison is there."""
    await shown.until(lambda: isinstance(shown.app.screen, PairScreen))
    await shown.until(lambda: shown.widget("summary", PairSummary).has_ended)
    await shown.until(
        lambda: bool(shown.widget("pair-report", ReportLines).count or "registry has it no more" in "".join(shown.picture))
    )
    await shown.settled()


@piloted
async def test_the_list_has_a_bar_a_tag_and_the_cursor_on_the_newest() -> None:
    async with tags_listed() as shown:
        assert shown.lines("tags") == [
            "  1.0.0  2024-01-10   952 kB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒██████████",
            "  1.0.1  2024-02-10   954 kB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒██████████                +2.00 kB",
            "  1.1.0  2024-03-10  1.48 MB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒███████████████████████    +528 kB",
            "  1.9.0  2024-04-10  1.51 MB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒████████████████████████  +30.0 kB",
            "  1.10.0 2024-05-10  1.10 MB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒█████████████              -409 kB",
            "  latest 2024-05-10  1.10 MB ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒█████████████             = 1.10.0",
        ]
        assert list_of(shown).cursor == 5
        assert "952 kB → 1.10 MB (+151 kB)" in shown.summary
        assert "same as 1.10.0" in note(shown)


@piloted
async def test_the_note_says_what_grew_and_by_which_layer() -> None:
    async with tags_listed(keys="up up up", notes=("Left out: 2 tags of signatures and other artifacts.",)) as shown:
        assert note(shown).startswith("1.1.0 linux/amd64 ·")
        assert "size 1.48 MB: own 882 kB, base 600 kB (2 layers)" in note(shown)
        assert "growth +528 kB since 1.0.1, 3 layers changed +520 kB layer 4: RUN pip install -r requirements.txt" in note(
            shown
        )
        assert "Left out: 2 tags of signatures" in note(shown)


@piloted
async def test_enter_opens_the_tag_with_its_base_and_q_comes_back_to_it() -> None:
    async with tags_listed(keys="up up up enter") as shown:
        await shown.until(lambda: shown.explorer.analysis is not None)
        analysis = shown.explorer.analysis
        assert analysis is not None
        assert (len(analysis.image.layers), analysis.base_layers) == (5, 2)
        await shown.keys("q")
        assert (shown.focus, list_of(shown).cursor) == ("tags", 2)
        await shown.keys("q")
        assert shown.app._exit


@piloted
async def test_two_tags_are_marked_at_most_and_escape_unmarks() -> None:
    async with tags_listed(keys="m up m") as shown:
        assert marked(shown) == ["latest", "1.10.0"]
        await shown.keys("up m")
        assert marked(shown) == ["1.10.0", "1.9.0"]
        await shown.keys("m")
        assert marked(shown) == ["1.10.0"]
        await shown.keys("escape")
        assert (marked(shown), shown.app._exit) == ([], False)


@piloted
async def test_enter_compares_two_marked_tags_older_first() -> None:
    async with tags_listed(keys="up m up up m enter") as shown:
        await compared(shown)
        assert "1.1.0 → 1.10.0" in shown.summary
        assert any("-820 kB" in line and "deps2" in line for line in shown.lines("pair"))
        await shown.keys("tab")
        lines = shown.lines("pair-report")
        assert any("2 of 5 layers shared" in line for line in lines)
        assert any("RUN pip install -r requirements.txt" in line for line in lines)
        assert any(line.strip() == "-   -820 kB  /deps2" for line in lines)
        await shown.keys("escape escape")
        assert (shown.focus, marked(shown)) == ("tags", ["1.10.0", "1.1.0"])


@piloted
async def test_c_compares_a_tag_with_the_one_before_or_with_the_marked_one() -> None:
    async with tags_listed(keys="up c") as shown:
        await compared(shown)
        assert "1.9.0 → 1.10.0" in shown.summary
        await shown.keys("q m up up c")
        await compared(shown)
        assert "1.1.0 → 1.10.0" in shown.summary


@piloted
async def test_a_single_tag_has_nothing_to_be_compared_with() -> None:
    async with tags_listed(growing()[:1], keys="c") as shown:
        assert shown.said == ["mark another tag with `m` to compare this one with it"]


@piloted
async def test_the_comparison_is_written_again_for_another_width() -> None:
    async with tags_listed(keys="up c") as shown:
        await compared(shown)
        await shown.resize(60, 20)
        await shown.until(lambda: max(cell_len(line) for line in shown.lines("pair-report")) <= 60)
        shown.check_lines()


@piloted
async def test_a_tag_that_cannot_be_read_is_a_sentence_and_the_list_stays() -> None:
    async with tags_listed(opens=gone, keys="enter") as shown:
        await shown.until(lambda: bool(shown.said))
        assert (shown.said, shown.focus) == (["the registry has it no more"], "tags")
        await shown.keys("c")
        await compared(shown)
        assert any("the registry has it no more" in line for line in shown.picture)
        await shown.keys("escape")
        assert shown.focus == "tags"


@piloted
async def test_leaving_the_comparison_stops_the_reading() -> None:
    begun, ended = Event(), Event()

    def endless(_reference: str, progress: Progress) -> Image:
        begun.set()
        try:
            while True:
                progress("waiting", 1, 2)
        except Cancelled:
            ended.set()
            raise

    async with tags_listed(opens=endless, keys="c") as shown:
        await shown.until(begun.is_set)
        await shown.keys("escape")
        await shown.until(ended.is_set)
        assert shown.focus == "tags"


@piloted
async def test_s_and_clicks_on_heads_sort_and_the_cursor_and_marks_stay_on_their_tags() -> None:
    def listed(shown: Shown) -> list[str]:
        return [line.split()[0 if line[0] == " " else 1] for line in shown.lines("tags")]

    async with tags_listed(keys="up m s") as shown:
        assert shown.head("tags").split() == ["tag", "date", "size▼", "▒", "base", "█", "own", "growth"]
        assert listed(shown) == ["1.9.0", "1.1.0", "1.10.0", "latest", "1.0.1", "1.0.0"]
        assert (list_of(shown).cursor, marked(shown)) == (2, ["1.10.0"])
        await shown.click("tags", -1, 78)
        assert shown.head("tags").endswith("growth▼")
        assert listed(shown) == ["1.1.0", "1.9.0", "1.0.1", "1.0.0", "latest", "1.10.0"]
        await shown.keys("s")
        assert listed(shown) == ["1.0.0", "1.0.1", "1.1.0", "1.9.0", "1.10.0", "latest"]
        assert "same as latest" in note(shown)
        await shown.click("tags", -1, 12)
        assert "date▲" in shown.head("tags")
        await shown.keys("s up m enter")
        await compared(shown)
        assert "1.1.0 → 1.10.0" in shown.summary


@pytest.mark.parametrize("size", [NARROW, WIDE, (40, 12), (120, 30)])
@pytest.mark.parametrize("terminal", [*POOR, Terminal()])
@piloted
async def test_every_line_fits_on_every_terminal(size: tuple[int, int], terminal: Terminal) -> None:
    built = [Built("a-very-long-tag-of-a-branch-" + "x" * 90, "layer 1"), Built("日本", "layer 1 more 9"), *growing()]
    async with tags_listed(built, opens=opener(built), size=size, terminal=terminal, keys="up m") as shown:
        shown.check_lines()
        if terminal.is_ascii:
            assert all(line.isascii() for line in shown.picture if "日" not in line)
