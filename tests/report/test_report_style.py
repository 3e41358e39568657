"""Text in terminal cells: what is wide, what is cut, and where lines break."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.segment import Segment

from layerscope.text import escape
from layerscope.wording.style import Style, cells, cut_end, cut_middle, without_shared_start, wrapped

SCREENFUL = st.text(st.characters()).map(escape)
NAMES = st.text(st.sampled_from("ab/ é日🐳\u0301\u200d\u202e\x1b")).map(escape)


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("日本", 4), ("🐳", 2), ("한", 2), ("…·→≈─█▏", 7)]
)
def test_wide_characters_take_two_cells_and_combining_ones_none(text: str, width: int) -> None:
    assert cells(text) == width


@given(SCREENFUL)
@example("नि")
@example("☰🏽")
def test_a_report_counts_cells_as_the_screen_does(text: str) -> None:
    assert cells(text) == Segment(text).cell_length


def test_characters_that_act_on_a_terminal_take_no_cells() -> None:
    assert (cells("a\x1b"), cells("a\u200db\x00")) == (1, 1)


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("abc", -3, ""),
    ],
)
def test_the_end_of_long_text_becomes_a_mark(text: str, width: int, cut: str) -> None:
    assert cut_end(text, width) == cut


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("/a/b/name", 9, "/a/b/name"),
        ("/aaaa/bbbb/name", 10, "/aa…b/name"),
        ("/日本/日本/日", 8, "/…本/日"),
        ("abcdef", 1, "…"),
        ("e\u0301e\u0301e\u0301e\u0301", 2, "…e\u0301"),
    ],
)
def test_the_middle_of_a_long_path_becomes_a_mark(text: str, width: int, cut: str) -> None:
    assert cut_middle(text, width) == cut


@given(NAMES, st.integers(-3, 40))
def test_what_is_cut_fits(text: str, width: int) -> None:
    assert cells(cut_end(text, width)) <= max(width, 0)
    assert cells(cut_middle(text, width)) <= max(width, 0)


@given(NAMES, st.integers(8, 40))
def test_wrapped_lines_fit_and_lose_nothing(sentence: str, width: int) -> None:
    lines = list(wrapped(sentence, width, indent="  "))
    assert all(cells(line) <= width and line.startswith("  ") for line in lines)
    assert "".join("".join(lines).split()) == "".join(sentence.split())


def test_lines_break_between_words_and_only_inside_words_that_are_too_long() -> None:
    assert list(wrapped("one two three fourteencharacters", 10, indent="  ")) == [
        "  one two",
        "  three",
        "  fourteen",
        "  characte",
        "  rs",
    ]


def test_without_color_nothing_is_painted() -> None:
    assert Style().paint("text", "bold", "red") == "text"
    assert Style(has_color=True).paint("text", "bold", "red") == "\x1b[1;31mtext\x1b[0m"
    assert Style(has_color=True).paint("", "bold") == ""


def test_in_ascii_our_signs_are_replaced_and_names_are_escaped() -> None:
    style = Style(is_ascii=True)
    assert style.plain("a · b → c ≈ d…") == "a | b > c ~ d~"
    assert style.name("é日🐳".encode() + b"\xff\x1b") == "\\u00e9\\u65e5\\U0001f433\\xff\\x1b"
    assert Style().name("é日") == "é日"


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["/b/7/app.tar", "/b/8/app.tar"], ["7/app.tar", "8/app.tar"]),
        (["/b/app-1.tar", "/b/app-2.tar"], ["app-1.tar", "app-2.tar"]),
        (["host/team/app:1", "host/team/app:1"], ["app:1", "app:1"]),
        (["a:1", "host/a:2"], ["a:1", "host/a:2"]),
        (["dir/a", "dir/a/b"], ["a", "a/b"]),
        (["", "/"], ["", "/"]),
    ],
)
def test_names_are_shown_from_where_they_differ(names: list[str], short: list[str]) -> None:
    assert without_shared_start(names) == short
