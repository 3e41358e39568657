"""What to change, on the screen: the first tab of the waste view, with and without a Dockerfile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import pytest
from textual.geometry import Size

from layerscope.advice.advice import Advice, Adviser
from layerscope.analysis import Analysis
from layerscope.app.app import LayerscopeApp
from layerscope.app.explorer.loader import ImageSource
from layerscope.app.terminal import Terminal
from layerscope.app.waste.advice_lines import FixLines, shorter
from layerscope.app.waste.fix_outline import FixOutline
from layerscope.app.waste.outline import Grouping
from layerscope.app.waste.waste_screen import WasteScreen
from layerscope.cli.advising import find_advice
from layerscope.progress import Progress
from layerscope.settings import Settings
from layerscope.sources.base import Base
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.commands import process
from support.fixing import analyzed, big, made
from support.image_builder import whiteout
from support.screens import Shown, demo, explored, piloted

LAYERS = (
    made("COPY app /app", big("app", 2_000_000)),
    made("RUN npm ci --token=verysecretvalue", big("root/.npm/_cacache/x", 3_000_000), big("srv/a", 900)),
    made("RUN rm /app", whiteout("app")),
)
DOCKERFILE = "FROM scratch\n" + "".join(f"{instruction}\n" for instruction, _ in LAYERS)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


def adviser_of(place: Path, text: str = DOCKERFILE) -> Adviser:
    """Advice with the Dockerfile that is written to a directory, beside the image."""
    (place / "Dockerfile").write_text(text)

    def adviser(analysis: Analysis, only: Collection[str]) -> Advice:
        return find_advice(analysis, place / "Dockerfile", only=only)

    return adviser


def test_while_there_is_no_advice_the_cursor_has_somewhere_to_be(tmp_path: Path) -> None:
    lines = FixLines(FixOutline(analyzed(tmp_path, *LAYERS)))
    assert [lines.nearest_stop(line, step) for line in (0, 24) for step in (1, -1)] == [0, 0, 0, 0]


@asynccontextmanager
async def advised(
    place: Path, adviser: Adviser | None, *, size: tuple[int, int] = (80, 24), terminal: Terminal | None = None
) -> AsyncIterator[Shown]:
    """The waste view, just opened, of the image with LAYERS."""
    analyzed(place, *LAYERS)

    def opener(progress: Progress) -> tuple[Image, Base]:
        return open_image(str(place / "image.tar"), progress=progress), Base()

    source = ImageSource(opener, "image.tar", adviser=adviser)
    app = LayerscopeApp(source, settings=Settings(), terminal=terminal or Terminal())
    async with app.run_test(size=Size(*size)) as pilot:
        shown = Shown(app, pilot)
        await shown.until(lambda: shown.explorer.analysis is not None)
        await shown.settled()
        shown.press("w")
        yield shown


def text(shown: Shown) -> str:
    return "\n".join(line.rstrip() for line in shown.picture)


@piloted
async def test_it_is_the_first_tab_and_shows_what_the_command_prints(tmp_path: Path) -> None:
    async with advised(tmp_path, adviser_of(tmp_path)) as shown:
        await shown.settled()
        printed = json.loads(process("fix", tmp_path / "image.tar", "--dockerfile", tmp_path / "Dockerfile", "--json").stdout)
        assert [fix["saves_bytes"] for fix in printed["fixes"] if fix["edit"]] == [3_000_000]
        assert "[advice] cause  layer pair  directory  path" in text(shown)
        assert "3.00 MB by 1 edit" in shown.lines("fixes")[0]
        assert shown.lines("fixes")[1].startswith(" 3.00 MB line 3  `RUN npm ci")
        edit = shown.lines("fix-edit")
        assert any("saves 3.00 MB, 60.0%; Dockerfile line 3, layer 2" in line for line in edit)
        assert [line for line in edit if line.startswith(" +RUN")] == [" +RUN npm ci --token=*** \\"]
        assert " /root/.npm/_cacache/x" in edit
        assert "verysecret" not in text(shown)


@pytest.mark.parametrize("terminal", [Terminal(), Terminal(has_no_color=True), Terminal(is_ascii=True)])
@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 10)])
@piloted
async def test_added_and_removed_lines_stand_apart_in_every_terminal(
    tmp_path: Path, size: tuple[int, int], terminal: Terminal
) -> None:
    async with advised(tmp_path, adviser_of(tmp_path), size=size, terminal=terminal) as shown:
        await shown.settled()
        shown.check_lines()
        screen = shown.app.screen
        assert isinstance(screen, WasteScreen)
        pane = screen.edit_pane
        lines = [pane.segments(line, pane.room) for line in range(pane.count)]
        plus, minus = (next(line[1] for line in lines if line[1].text.startswith(f"{sign}RUN")) for sign in "+-")
        assert plus.style != minus.style or terminal.has_no_color
        assert not terminal.is_ascii or text(shown).isascii()


def test_what_is_wrong_can_be_read_however_long_the_instruction_is() -> None:
    sentence = "`RUN apt-get update && apt-get install python3` leaves 3 MB"
    assert shorter(sentence, 80) == sentence
    assert shorter(sentence, 42) == "`RUN apt-get u…` leaves 3 MB"
    assert shorter("nothing is quoted, and it is too long", 10) == "nothing is quoted, and it is too long"


@piloted
async def test_y_copies_a_patch_that_git_applies(tmp_path: Path) -> None:
    async with advised(tmp_path, adviser_of(tmp_path)) as shown:
        await shown.settled()
        await shown.keys("y")
        assert shown.said == ["The patch of npm-cache-3 (9 lines) was copied"]
        subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown.app.clipboard.encode(), check=True)
        assert "--token=verysecretvalue \\\n && rm -rf /root/.npm/_cacache\n" in (tmp_path / "Dockerfile").read_text()


@piloted
async def test_y_copies_the_sentence_of_what_is_made_by_hand(tmp_path: Path) -> None:
    async with advised(tmp_path, adviser_of(tmp_path)) as shown:
        await shown.settled()
        await shown.keys("down")
        assert any(line.startswith(" By hand: ") for line in shown.lines("fix-edit"))
        await shown.keys("y")
        assert "app" in shown.app.clipboard
        assert shown.said == ["What to do by hand was copied"]


@piloted
async def test_enter_jumps_to_the_largest_file_at_the_layer(tmp_path: Path) -> None:
    async with advised(tmp_path, adviser_of(tmp_path)) as shown:
        await shown.settled()
        await shown.keys("enter")
        assert (shown.layer, shown.path, shown.focus) == (2, "root/.npm/_cacache/x", "files")
        await shown.keys("w f")
        assert (shown.layer, shown.path) == (2, "root/.npm/_cacache/x")


@piloted
async def test_right_goes_into_the_edit_and_left_back_to_the_fixes(tmp_path: Path) -> None:
    async with advised(tmp_path, adviser_of(tmp_path), size=(80, 16)) as shown:
        await shown.settled()
        first = text(shown)
        await shown.keys("right j j")
        assert shown.focus == "fix-edit"
        assert text(shown) != first
        await shown.keys("left down")
        assert shown.focus == "fixes"
        assert "By hand" in text(shown)


@piloted
async def test_without_a_dockerfile_the_history_tells_what_it_can(tmp_path: Path) -> None:
    async with advised(tmp_path, None) as shown:
        await shown.settled()
        lines = shown.lines("fixes")
        assert lines[1].startswith(" 3.00 MB layer 2  `RUN npm ci --token=…` leaves 3.00 MB of npm's cache")
        assert any("with --dockerfile FILE" in line for line in lines)


@piloted
async def test_keys_answer_while_it_is_looked_for_and_it_is_looked_for_once(tmp_path: Path) -> None:
    find, asked, may_end = adviser_of(tmp_path), [], Event()

    def slow(analysis: Analysis, only: Collection[str]) -> Advice:
        asked.append(only)
        assert may_end.wait(60)
        return find(analysis, only)

    async with advised(tmp_path, slow) as shown:
        await shown.until(lambda: bool(asked))
        assert "Looking for what to change; the other tabs (Tab) can be used meanwhile." in text(shown)
        for key in ("y", "enter", "f", "down", "right", "left", "tab"):
            shown.press(key)
        await shown.until(lambda: "[cause]" in text(shown))
        shown.press("w")
        await shown.until(lambda: shown.app.screen is shown.explorer)
        shown.press("w")
        await shown.until(lambda: "[cause]" in text(shown))
        shown.press("shift+tab")
        await shown.until(lambda: "[advice]" in text(shown))
        may_end.set()
        await shown.settled()
        assert "3.00 MB by 1 edit" in text(shown)
        assert asked == [()]


@piloted
async def test_a_dockerfile_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    find = adviser_of(tmp_path)
    (tmp_path / "Dockerfile").unlink()
    async with advised(tmp_path, find) as shown:
        await shown.settled()
        assert "Dockerfile" in text(shown)
        assert "No such file" in text(shown) or "cannot be read" in text(shown)
        await shown.keys("tab")
        assert shown.app.screen.query_one("#waste").has_focus


@piloted
async def test_it_opens_again_on_the_same_fix(tmp_path: Path) -> None:
    async with advised(tmp_path, adviser_of(tmp_path)) as shown:
        await shown.settled()
        await shown.keys("down w w")
        screen = shown.app.screen
        assert isinstance(screen, WasteScreen)
        assert screen.fix_pane.cursor == 2
        assert screen.has_advice and Grouping.ADVICE.value in text(shown)


@piloted
async def test_what_there_is_to_say_of_a_fix_is_there_again_when_the_view_is_opened_again() -> None:
    async with explored(demo, keys=["w"]) as screen:
        await screen.until(lambda: bool(screen.lines("fix-edit")[0].strip()))
        said = screen.lines("fix-edit")
        await screen.keys("escape w")
        assert screen.lines("fix-edit") == said
        await screen.keys("tab shift+tab")
        assert screen.lines("fix-edit") == said
