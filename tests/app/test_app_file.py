from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, cast

import pytest
from rich.cells import cell_len
from textual import on
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from layerscope.analysis import analyze, read_image
from layerscope.app import app
from layerscope.app.app import LayerscopeApp
from layerscope.app.file import page_reading
from layerscope.app.file.file_lines import FileLines
from layerscope.app.file.file_screen import FileScreen
from layerscope.app.file.header import FileHeader, FileStatus, Mode
from layerscope.app.file.highlight import highlighted, pieces
from layerscope.app.file.pager import find_matches, pattern_of
from layerscope.app.file.pages import Difference
from layerscope.app.file.path_history import PathHistory
from layerscope.app.keys import KeyContext, bindings
from layerscope.app.widgets.summary import Progressed
from layerscope.errors import CorruptLayer
from layerscope.sources.open import open_image
from layerscope.viewing.shown import load
from layerscope.viewing.unified import DiffLine
from support.image_builder import Layer, directory, file, hardlink, image, layer, symlink, whiteout
from support.screens import built, explored

P = ParamSpec("P")
NARROW, WIDE = (80, 24), (140, 40)
CODE = b"import os  # why\n\nNAME = 'value'\n\n\ndef run():\n    return 12\n"
LONG = b"".join(b"line %d of many\n" % number for number in range(1, 201))
STORY = (
    layer(file("etc/app.conf", b"port = 1\nhost = a\n")),
    layer(file("etc/app.conf", b"port = 2\nhost = a\n", mode=0o600, uid=5, gid=6, mtime=1717200000)),
    layer(whiteout("etc/app.conf")),
    layer(file("etc/app.conf", b"port = 3\n")),
)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


class Shell(App[None], inherit_bindings=False):
    """An app with nothing but files to look at."""

    CSS_PATH = Path(app.__file__).with_name("app.tcss")
    BINDINGS = bindings(KeyContext.EVERYWHERE)

    def __init__(self) -> None:
        super().__init__()
        self.extracted: list[tuple[int, int]] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return LayerscopeApp.get_theme_variable_defaults(cast("LayerscopeApp", self))

    @on(FileScreen.ExtractRequested)
    def _extract(self, message: FileScreen.ExtractRequested) -> None:
        self.extracted.append((message.node, message.layer))


@dataclass(frozen=True, slots=True)
class Opened:
    app: Shell
    pilot: Pilot[None]
    screen: FileScreen

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settled()

    async def settled(self) -> None:
        for _ in range(1000):
            # Twice: what a worker has told at its end is on its way when the first look finds that it has ended.
            if await self._is_quiet() and await self._is_quiet():
                return
            await self.pilot.pause(0.002)
        raise AssertionError("it is still at work")

    async def _is_quiet(self) -> bool:
        for _ in range(6):
            await self.pilot.pause(0)
        return all(worker.is_finished for worker in self.app.workers)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something; what never comes is a failure."""
        for _ in range(2000):
            if condition():
                return
            await self.pilot.pause(0.005)
        raise AssertionError("it never came")

    @property
    def lines(self) -> FileLines:
        return self.screen.pager.lines

    @property
    def text(self) -> str:
        """All lines that are seen, without what comes before them."""
        return "\n".join(self.lines.page.texts)

    @property
    def shown(self) -> list[str]:
        """What is seen of the lines."""
        height = self.lines.scrollable_content_region.height
        return [self.lines.render_line(y).text.rstrip() for y in range(min(height, self.lines.count))]

    @property
    def header(self) -> str:
        widget = self.screen.query_one(FileHeader)
        return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))

    @property
    def status(self) -> str:
        return " ".join(self.screen.query_one(FileStatus).render_line(0).text.split())

    @property
    def footer(self) -> str:
        return self.screen.query_one("#footer").render_line(0).text.strip()

    @property
    def found(self) -> str:
        return self.screen.pager.bar.found.text

    @property
    def state(self) -> tuple[Mode, int]:
        return self.screen.mode, self.screen.index

    def check_widths(self) -> None:
        for strip in self.screen._compositor.render_strips(self.screen.size):
            assert cell_len(strip.text) == self.screen.size.width


def piloted(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@asynccontextmanager
async def opened(
    tmp_path: Path,
    layers: tuple[Layer, ...],
    path: str,
    shows: Mode = "content",
    *,
    after: int = 99,
    size: tuple[int, int] = NARROW,
) -> AsyncIterator[Opened]:
    stored = tmp_path / "image.tar"
    stored.write_bytes(image(*layers))
    analysis = analyze(read_image(open_image(str(stored))))
    node = analysis.tree.nodes.find(path.encode())
    assert node is not None
    shell = Shell()
    async with shell.run_test(size=size) as pilot:
        screen = FileScreen(PathHistory.of(analysis.contents, node, analysis.waste), after, shows=shows)
        shell.push_screen(screen)
        found = Opened(shell, pilot, screen)
        await found.settled()
        yield found


# Which version.


@piloted
async def test_the_version_seen_after_the_layer_is_shown_first(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", after=2) as view:
        assert view.state == ("content", 1)
        assert view.text == "port = 2\nhost = a"
        assert "version 2 of 4 · layer 2 · ~ modified · -rw------- 5:6 · 2024-06-01 00:00" in view.header
        assert "step 2" in view.header
        assert "! wasted, buried by layer 3" in view.header


@piloted
async def test_what_the_layer_removed_is_shown_as_it_was_before(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", after=3) as view:
        assert view.state == ("content", 1)


@piloted
async def test_brackets_step_through_the_versions_and_stay_in_the_mode(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf") as view:
        assert view.state == ("content", 3)
        await view.press("left_square_bracket")
        assert view.state == ("content", 2)
        assert view.text == "removed by layer 3"
        await view.press("left_square_bracket", "left_square_bracket")
        assert view.text == "port = 1\nhost = a"
        await view.press("left_square_bracket")
        assert view.state == ("content", 0)
        await view.press("d", "right_square_bracket")
        assert view.state == ("diff", 1)


@piloted
async def test_stepping_to_another_version_keeps_the_place(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", LONG)), layer(file("a", LONG + b"end\n"))), "a") as view:
        await view.press("pagedown", "pagedown")
        top = view.lines.top
        assert top > 20
        await view.press("left_square_bracket")
        assert (view.lines.top, view.lines.count) == (top, 200)
        await view.press("b", "v")
        assert view.lines.top == top


# Content.


@piloted
async def test_text_has_line_numbers_and_colors(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("run.py", CODE)),), "run.py") as view:
        assert view.shown[0] == "  1 import os  # why"
        keyword = view.lines.get_component_rich_style("file--keyword", partial=True)
        assert [part.text for part in view.lines.segments(0, 60) if part.style == keyword] == ["import"]
        assert view.status == "60 B · python 1-7 of 7"


@piloted
async def test_binary_is_shown_in_hex_as_wide_as_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", bytes(range(256)))),), "a") as view:
        assert view.shown[0] == "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|"
        await view.pilot.resize_terminal(60, 24)
        await view.settled()
        assert view.shown[0] == "00000000  00 01 02 03 04 05 06 07  |........|"


@piloted
async def test_an_archive_lists_its_members(tmp_path: Path) -> None:
    inner = layer(file("inner/name", b"12345")).tar()
    async with opened(tmp_path, (layer(file("a.tar", inner)),), "a.tar") as view:
        assert view.text.endswith("5 B  1970-01-01 00:00  inner/name")
        assert "tar: 1 member" in view.status


@piloted
async def test_what_is_cut_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_reading, "load", lambda *args, **names: load(*args, **names, limit=1000))
    async with opened(tmp_path, (layer(file("a.gz", gzip.compress(LONG, mtime=0))),), "a.gz") as view:
        assert view.status.startswith("cut: ")
        assert "gzip, the first 1.00 kB unpacked" in view.status
        await view.press("slash", *"line 200")
        assert view.found == "not found in what is shown"


@piloted
async def test_a_symlink_shows_its_target(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(symlink("a", "/usr/b")),), "a") as view:
        assert view.text == "-> /usr/b"


@piloted
async def test_a_hard_link_shows_what_it_leads_to(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", b"text\n"), hardlink("b", "a")),), "b") as view:
        assert view.text == "text"


@piloted
async def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a")),), "a") as view:
        assert view.text == "an empty file"


@piloted
async def test_a_directory_has_blame_instead_of_content(tmp_path: Path) -> None:
    layers = (layer(directory("d"), "d/a"), layer(directory("d", mode=0o700)))
    async with opened(tmp_path, layers, "d") as view:
        assert view.state == ("blame", 1)
        await view.press("v", "enter")
        assert view.state == ("blame", 1)
        await view.press("d")
        assert view.state == ("diff", 1)
        assert view.shown[0].lstrip().startswith("- drwxr-xr-x  0:0")
        assert view.shown[1].lstrip().startswith("+ drwx------  0:0")


@piloted
async def test_control_characters_of_names_and_contents_reach_no_line(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("e\x1b[31m", b"a\x1b[2Jb\n")),), "e\x1b[31m") as view:
        assert view.text == "a\\x1b[2Jb"
        assert "/e\\x1b[31m" in view.header


@piloted
async def test_wide_characters_take_two_cells_and_are_never_cut_in_two(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("漢字", ("漢字" * 60 + "\n").encode())),), "漢字") as view:
        for _ in range(4):
            view.check_widths()
            await view.press("right")
        await view.press("slash", "字")
        assert view.found == "1 of 60"
        view.check_widths()


@piloted
async def test_long_lines_are_scrolled_sideways_behind_their_numbers(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", b"0123456789" * 10 + b"end\nshort\n")),), "a") as view:
        assert view.shown[0].endswith("…")
        await view.press("l")
        assert view.lines.across == 20
        assert view.shown[0].startswith("  1 …1234")
        assert "column 21" in view.status
        await view.press("right", "l", "right")
        assert view.shown[0].endswith("end")
        await view.press("h", "left", "h")
        assert view.lines.across == 0
        await view.press("l", "d")
        assert view.shown[0] == " nothing before it: added by layer 1"


# The difference.


@piloted
async def test_a_difference_has_marks_numbers_and_a_note(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", "diff", after=2) as view:
        assert view.shown[-3:] == ["  1     - port = 1", "      1 + port = 2", "  2   2   host = a"]
        assert "mode 0644 -> 0600, owner 0:0 -> 5:6" in view.shown[0]
        assert view.status.startswith("layer 1 → layer 2")


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (0, "nothing before it: removed by layer 3, added by layer 4"),
        (1, "removed by layer 3"),
        (3, "nothing before it: added by layer 1"),
    ],
)
@piloted
async def test_where_there_is_nothing_to_compare_a_sentence_says_why(tmp_path: Path, steps: int, sentence: str) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", "diff") as view:
        await view.press(*["left_square_bracket"] * steps)
        assert view.text == sentence


@piloted
async def test_a_file_that_became_a_link_is_listed_as_both(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", b"x")), layer(symlink("a", "b"))), "a", "diff") as view:
        assert "- -rw-r--r--" in view.shown[0]
        assert "-> b" in view.shown[1]


def test_numbers_of_a_difference_go_where_there_is_no_room_for_them() -> None:
    page = Difference.of([DiffLine("added", "text", None, 7)], "").at(50)
    assert page.gutter(0, 80) == [("      7 ", "comment"), ("+ ", "added")]
    assert page.gutter(0, 50) == [("+ ", "added")]


# Blame.


@piloted
async def test_blame_lists_every_version_with_its_instruction(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", "blame", size=WIDE) as view:
        assert [line.split() for line in view.shown[:2]] == [
            [
                "+!",
                "layer",
                "1",
                "added",
                "-rw-r--r--",
                "0:0",
                "18",
                "B",
                "1970-01-01",
                "00:00",
                "(until",
                "layer",
                "2,",
                "wasted)",
            ],
            ["step", "1"],
        ]
        assert view.shown[4].split() == ["-", "layer", "3", "removed"]
        assert len(view.shown) == 8
        assert view.state == ("blame", 3)


@piloted
async def test_blame_puts_what_ended_a_version_below_it_where_there_is_no_room(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", "blame", size=(60, 24)) as view:
        assert view.shown[1].strip() == "until layer 2, wasted · step 1"


@piloted
async def test_enter_in_blame_shows_the_content_of_the_version_under_the_cursor(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", "blame") as view:
        await view.press("up", "k", "up")
        assert view.state == ("blame", 0)
        assert "version 1 of 4" in view.header
        await view.press("enter")
        assert view.state == ("content", 0)
        assert view.text == "port = 1\nhost = a"
        await view.press("b", "j", "d")
        assert view.state == ("diff", 1)


@piloted
async def test_a_version_that_its_own_layer_buried_is_said_to_be_shadowed(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", b"1"), file("a", b"22")),), "a", "blame", size=WIDE) as view:
        assert "(shadowed: the same layer holds the path again, wasted)" in view.shown[0]
        assert view.state == ("blame", 1)
        await view.press("up", "x")
        assert view.app.extracted == []


@piloted
async def test_a_second_click_on_a_version_opens_it_and_a_click_on_a_word_switches(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", "blame") as view:
        await view.pilot.click(FileLines, offset=(9, 1))
        await view.settled()
        assert view.state == ("blame", 0)
        await view.pilot.click(FileLines, offset=(9, 0))
        await view.settled()
        assert view.state == ("content", 0)
        place = view.header.splitlines()[0].index("diff")
        await view.pilot.click(FileHeader, offset=(place, 0))
        await view.settled()
        assert view.state == ("diff", 0)


# The search.


@piloted
async def test_a_search_goes_to_the_first_match_from_here_and_on_with_n(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", LONG)),), "a") as view:
        await view.press("pagedown", "slash", *"line 7")
        assert view.found == "2 of 11"
        assert view.screen.pager.bar.is_typed_in
        await view.press("enter")
        assert not view.screen.pager.bar.is_typed_in
        await view.press("n", "enter")
        assert view.found == "4 of 11"
        assert 71 in view.lines.seen
        await view.press("N", "N", "N", "N")
        assert view.found == "11 of 11"


@piloted
async def test_escape_leaves_the_search_and_then_the_file(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", LONG)),), "a") as view:
        await view.press("slash", *"line", "escape")
        assert not view.screen.pager.bar.is_on
        assert view.screen.focused is view.lines
        await view.press("n")
        assert view.found == "not found"
        await view.press("slash", *"line", "enter", "escape")
        assert view.app.screen is view.screen
        assert not view.screen.pager.bar.is_on
        await view.press("escape")
        assert view.app.screen is not view.screen
        assert view.app.is_running


@piloted
async def test_letters_and_slashes_are_typed_into_the_search(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", b"/dev/x\n")),), "a") as view:
        await view.press("slash", *"/dvbx[")
        assert view.screen.query_one(Input).value == "/dvbx["
        assert view.state == ("content", 0)
        assert view.found == "not found"


@piloted
async def test_a_search_goes_on_in_the_next_version_without_moving(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", LONG)), layer(file("a", LONG + LONG))), "a") as view:
        await view.press("slash", *"line 7", "enter")
        assert view.found == "1 of 22"
        top = view.lines.top
        await view.press("left_square_bracket")
        assert view.found == "11"
        assert view.lines.top == top
        await view.press("n")
        assert view.found == "1 of 11"


@piloted
async def test_a_match_far_to_the_right_is_brought_into_sight(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("a", b"." * 300 + b"here\n")),), "a") as view:
        await view.press("slash", *"here")
        assert "here" in view.shown[0]
        await view.press("escape", "slash", *"....")
        assert view.lines.across == 0


@piloted
async def test_blame_can_be_searched(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", "blame") as view:
        await view.press("slash", *"step 2", "enter")
        assert view.state == ("blame", 1)


def test_upper_case_letters_make_a_search_exact() -> None:
    texts = ["Name name", "NAME."]
    for text, count in (("name", 3), ("Name", 1), (".", 1), ("", 0)):
        pattern = pattern_of(text)
        assert (len(find_matches(texts, pattern, lambda: False)) if pattern else 0) == count


# Other keys, and what goes wrong.


@piloted
async def test_x_asks_for_the_version_that_is_shown(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", after=1) as view:
        await view.press("x", "right_square_bracket", "x", "right_square_bracket", "x")
        assert [number for _, number in view.app.extracted] == [1, 2]


@piloted
async def test_the_footer_has_only_the_keys_that_work_now(tmp_path: Path) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", after=1, size=WIDE) as view:
        assert view.footer.startswith("] version  d diff  b blame  / search  x extract  y copy")
        await view.press("right_square_bracket", "b")
        assert view.footer.startswith("[ ] version  v content  d diff")
        await view.press("down")
        assert "extract" not in view.footer


@piloted
async def test_damage_is_a_sentence_in_the_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_args: object, **_names: object) -> None:
        raise CorruptLayer("layer 1: it ends too early")

    monkeypatch.setattr(page_reading, "load", damaged)
    async with opened(tmp_path, STORY, "etc/app.conf") as view:
        assert view.text == "layer 1: it ends too early"
        await view.press("b", "v", "d")
        assert view.state == ("diff", 3)


@piloted
async def test_a_version_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = []

    def counted(contents: Any, entry: int, **names: Any) -> Any:
        entries.append(entry)
        return load(contents, entry, **names)

    monkeypatch.setattr(page_reading, "load", counted)
    async with opened(tmp_path, STORY, "etc/app.conf", after=2) as view:
        await view.press("left_square_bracket", "right_square_bracket", "d", "v", "d")
        assert sorted(entries) == sorted(set(entries))
        assert len(entries) == 2


@piloted
async def test_loading_is_said_when_it_takes_long_and_other_versions_can_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = []

    def stuck(contents: Any, entry: int, *, name: bytes, is_cancelled: Callable[[], bool]) -> Any:
        if entry == 1:
            while not is_cancelled():
                pass
            stopped.append(entry)
        return load(contents, entry, name=name, is_cancelled=is_cancelled)

    monkeypatch.setattr(page_reading, "load", stuck)
    async with opened(tmp_path, STORY, "etc/app.conf", after=1) as view:
        await view.pilot.press("right_square_bracket")
        for _ in range(500):
            if view.text == "loading …":
                break
            await view.pilot.pause(0.01)
        assert view.text == "loading …"
        await view.press("left_square_bracket")
        assert view.text == "port = 1\nhost = a"
        assert stopped == [1]


@piloted
async def test_the_file_says_how_far_an_engine_is_that_sends_its_content_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(contents: Any, entry: int, *, name: bytes, is_cancelled: Callable[[], bool]) -> Any:
        while not is_cancelled():
            pass
        return load(contents, entry, name=name, is_cancelled=is_cancelled)

    monkeypatch.setattr(page_reading, "load", stuck)
    async with explored(built(*STORY), keys=["tab e end"]) as screen:
        screen.press("v")
        await screen.until(lambda: isinstance(screen.app.screen, FileScreen))
        await screen.until(lambda: "loading" in "".join(screen.picture))
        screen.explorer.post_message(Progressed("exporting", 250, 1000, 0))
        await screen.until(lambda: "loading … exporting 25%" in "".join(screen.picture))
        screen.press("escape")
        await screen.settled()
        assert screen.app.screen is screen.explorer


@pytest.mark.parametrize("size", [(40, 10), (20, 5), NARROW, WIDE])
@pytest.mark.parametrize("shows", ["content", "diff", "blame"])
@piloted
async def test_every_size_of_terminal_shows_whole_lines(tmp_path: Path, size: tuple[int, int], shows: Mode) -> None:
    async with opened(tmp_path, STORY, "etc/app.conf", shows, after=2, size=size) as view:
        view.check_widths()
        await view.press("slash", "a", "enter", "l", "end")
        view.check_widths()
        await view.pilot.resize_terminal(70, 12)
        await view.settled()
        view.check_widths()


def test_a_text_that_is_too_large_has_no_colors() -> None:
    assert highlighted(["x = 1"] * 5001, "python", lambda: False) == []
    assert highlighted(["x" * 1001], "python", lambda: False) == []
    assert highlighted(["x = 1"], "no such language", lambda: False) == []


def test_a_string_of_several_lines_is_colored_in_each() -> None:
    spans = highlighted(["'''a", "", "b''' + 1"], "python", lambda: False)
    assert [[kind for _, _, kind in line] for line in spans] == [["string"], [], ["string", "number"]]
    assert spans[2][-1] == (7, 8, "number")


def test_a_line_is_cut_where_its_look_changes() -> None:
    assert pieces(6, [(1, 3, "string")], [(2, 5)]) == [
        (0, 1, "", -1),
        (1, 2, "string", -1),
        (2, 3, "string", 2),
        (3, 5, "", 2),
        (5, 6, "", -1),
    ]
