"""What a terminal can show: which colors are written, which characters, and what can be told apart without either."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from layerscope.app.terminal import Terminal
from layerscope.errors import BadSettings
from support.commands import Settings, written
from support.image_builder import file, layer
from support.terminals import READY, Bare, bare, styles, tmux, until, without_codes

FOREGROUNDS_AND_BACKGROUNDS = {*range(30, 50), *range(90, 108)}
WIDE_NAMES = ("日本語.txt", "👩‍💻.md", "é", "naïve·…")
THEMES = ("ansi-dark", "ansi-light", "textual-dark", "nord")


def terminal(**environment: str) -> Terminal:
    return Terminal.of({"LANG": "C.UTF-8", **environment}, encoding="utf-8")


@pytest.mark.parametrize(
    ("term", "colorterm", "colors"),
    [
        ("xterm-256color", "", ColorSystem.EIGHT_BIT),
        ("xterm-256color", "truecolor", ColorSystem.TRUECOLOR),
        ("tmux-256color", "", ColorSystem.EIGHT_BIT),
        ("xterm-direct", "", ColorSystem.TRUECOLOR),
        ("xterm-kitty", "", ColorSystem.TRUECOLOR),
        ("alacritty", "", ColorSystem.TRUECOLOR),
        ("xterm", "", ColorSystem.STANDARD),
        ("xterm", "24bit", ColorSystem.TRUECOLOR),
        ("screen", "", ColorSystem.STANDARD),
        ("screen", "truecolor", ColorSystem.EIGHT_BIT),
        ("linux", "truecolor", ColorSystem.STANDARD),
        ("vt220", "", ColorSystem.STANDARD),
    ],
)
def test_as_many_colors_as_the_terminal_has(term: str, colorterm: str, colors: ColorSystem) -> None:
    assert terminal(TERM=term, COLORTERM=colorterm).colors is colors


def test_tmux_is_told_from_gnu_screen() -> None:
    assert terminal(TERM="screen", COLORTERM="truecolor", TERM_PROGRAM="tmux").colors is ColorSystem.TRUECOLOR


def test_a_browser_says_itself_what_it_shows() -> None:
    assert terminal(TERM="dumb", TEXTUAL_COLOR_SYSTEM="truecolor").colors is ColorSystem.TRUECOLOR


@pytest.mark.parametrize(
    ("environment", "is_ascii"),
    [
        ({"LANG": "de_DE.UTF-8"}, False),
        ({"LANG": "de_DE.utf8"}, False),
        ({"LANG": "C.UTF-8", "LC_ALL": "C"}, True),
        ({"LANG": "C.UTF-8", "LC_CTYPE": "en_US.ISO-8859-1"}, True),
        ({"LC_CTYPE": "C", "LC_ALL": "C.UTF-8"}, False),
        ({}, False),
    ],
)
def test_the_locale_says_whether_it_is_ascii(environment: Settings, is_ascii: bool) -> None:
    assert Terminal.of(environment, encoding="utf-8").is_ascii is is_ascii


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not tell how a process began")
@pytest.mark.parametrize(("environment", "is_ascii"), [({"LANG": "C"}, True), ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False)])
def test_a_locale_that_python_itself_has_set_is_none(environment: dict[str, str], is_ascii: bool) -> None:
    ask = "from layerscope.app.terminal import Terminal; print(Terminal.of().is_ascii)"
    said = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(is_ascii)


def test_an_encoding_that_has_no_signs_makes_it_ascii() -> None:
    assert Terminal.of({"LANG": "C.UTF-8"}, encoding="ascii").is_ascii


def test_an_empty_no_color_is_none() -> None:
    assert not terminal(NO_COLOR="").has_no_color
    assert terminal(NO_COLOR="0").has_no_color


def test_few_colors_get_the_theme_made_for_them() -> None:
    assert terminal(TERM="linux").theme("", "", THEMES) == "ansi-dark"
    assert terminal(TERM="linux").theme("", "nord", THEMES) == "ansi-dark"
    assert terminal(TERM="linux").theme("", "ansi-light", THEMES) == "ansi-light"
    assert terminal(TERM="linux").theme("nord", "", THEMES) == "nord"
    assert terminal(TERM="xterm-256color").theme("", "nord", THEMES) == "nord"


def test_a_theme_that_is_not_there_is_refused_with_a_near_one() -> None:
    with pytest.raises(BadSettings, match="did you mean `nord`"):
        terminal().theme("norrd", "", THEMES)


@pytest.mark.parametrize("text", ["─│┌┐ ▸▾ █▌▏ … → ·", "╭▔▁⎺", "🔎 search", *WIDE_NAMES])
def test_in_ascii_every_text_keeps_its_width(text: str) -> None:
    (only,) = Terminal(is_ascii=True).filters
    (drawn,) = only.apply([Segment(text)], Color(0, 0, 0))
    assert drawn.text.isascii()
    assert cell_len(drawn.text) == cell_len(text)


def test_the_console_of_linux_gets_only_signs_that_its_fonts_have() -> None:
    (only,) = terminal(TERM="linux").filters
    (shown,) = only.apply([Segment("▸ 12 kB █▌▏ ◆ → ▼ ▄▀")], Color(0, 0, 0))
    assert shown.text == "▸ 12 kB █││ ♦ → ▼ ──"
    assert terminal(TERM="xterm-16color").filters == []


@pytest.mark.parametrize(
    ("shown", "number"),
    [("#242f38", 236), ("#000000", 16), ("#ffffff", 231), ("#0178d4", 32), ("#8b949e", 246), ("#ff0000", 196)],
)
def test_256_colors_are_the_nearest_ones_and_dark_grays_stay_gray(shown: str, number: int) -> None:
    (only,) = terminal(TERM="xterm-256color").filters
    (drawn,) = only.apply([Segment("x", Style(color="red", bgcolor=shown, bold=True))], Color(0, 0, 0))
    assert drawn.style == Style(color="red", bgcolor=f"color({number})", bold=True)


# On a terminal.


def look_around(opened: Bare) -> bytes:
    """See the filter, the help, the palette, waste, a message; quit; return all that was written."""
    opened.wait(READY)
    for keys, answer in (
        (b"[", "after layer 9"),
        (b"/py", r"\d hits?"),
        (b"\r", "."),
        (b"\x1b", "."),
        (b"?", "Marks, colors, columns"),
        (b"q", "/ filter"),
        (b"\x10", "Search for"),
        (b"copy a path\r", "enter takes it"),
        (b"p", "[Cc]opied"),
        (b"w\t", "deleted"),
    ):
        opened.settle()
        opened.type(keys)
        opened.wait(answer)
    opened.type(b"\x11")
    assert opened.ended() == 0
    return opened.written


def test_no_color_writes_not_one_color(tmp_path: Path) -> None:
    with bare(tmp_path, "demo", settings={"NO_COLOR": "1", "COLORTERM": "truecolor"}) as opened:
        drawn = styles(look_around(opened))
    assert drawn & FOREGROUNDS_AND_BACKGROUNDS == set()
    assert {1, 7} <= drawn


def test_sixteen_colors_are_the_terminals_own(tmp_path: Path) -> None:
    with bare(tmp_path, "demo", settings={"TERM": "linux"}) as opened:
        drawn = styles(look_around(opened))
    assert drawn & {38, 48} == set()
    assert drawn & {30, 31, 32, 33, 34, 35, 36, 37}


def test_256_colors_are_numbered(tmp_path: Path) -> None:
    with bare(tmp_path, "demo", settings={"TERM": "tmux-256color"}) as opened:
        shown = look_around(opened)
    assert re.search(rb"\x1b\[[0-9;]*[34]8;5;", shown)
    assert not re.search(rb"\x1b\[[0-9;]*[34]8;2;", shown)


def test_without_utf_8_not_one_byte_is_more_than_ascii(tmp_path: Path) -> None:
    with bare(tmp_path, "demo", settings={"LC_ALL": "C"}) as opened:
        shown = look_around(opened)
    assert shown.isascii()
    assert b"after layer" in without_codes(shown)


def test_in_ascii_columns_stay_straight(tmp_path: Path) -> None:
    image = written(tmp_path / "wide.tar", layer(*(file(name) for name in ("plain", "日本語", "👩‍💻", "naïve"))))
    with tmux(tmp_path, settings={"LC_ALL": "C"}, size=(120, 30)) as opened:
        opened.run_layerscope(image)
        shown = opened.wait(READY)
    frames = [line for line in shown.splitlines() if line.startswith("|")]
    assert frames
    assert {len(line) for line in frames} == {120}
    assert {line[-1] for line in frames} == {"|"}


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "linux"}])
def test_the_cursor_and_the_focus_can_be_seen(settings: Settings, tmp_path: Path) -> None:
    with tmux(tmp_path, settings=settings) as opened:
        opened.run_layerscope("demo")
        opened.wait(READY)
        with_focus = styled(opened.colored, "COPY fonts")
        opened.press("Tab")
        until(lambda: styled(opened.colored, "COPY fonts") != with_focus, lambda: opened.colored)
        without = styled(opened.colored, "COPY fonts")
        plain = styled(opened.colored, "make static")
    assert len({with_focus, without, plain}) == 3
    assert re.search(r"\b(7|47)\b", with_focus)


def styled(shown: str, text: str) -> str:
    """The SGR codes in force at the end of `text` in what `capture-pane -e` gave."""
    before = shown[: shown.index(text) + len(text)]
    since = before[before.rfind("\x1b[0") :]
    return " ".join(re.findall(r"\x1b\[([0-9;]*)m", since))
