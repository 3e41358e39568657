"""Fixes on a terminal: what the lines say, and that they fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from layerscope.advice.advice import Advice
from layerscope.report.fix_lines import fix_lines
from layerscope.wording.style import Style, cells
from support.fixing import KB, advice, analyzed, big, made
from support.image_builder import whiteout

LAYERS = (
    made("RUN get", big("a", 500 * KB), big("root/.npm/_cacache/x")),
    made("RUN rm /a \x1b[31m 日本語", whiteout("a")),
    made("COPY b /", big("b", 300 * KB)),
)
TEXT = """\
What to change  (700 kB, 70.0% of the image)
    500 kB  line 3 `RUN rm /a \\x1b[31m 日本語` removes what
            line 2 `RUN get` wrote: 500 kB stay in layer 1;
            join the two RUNs.
    200 kB  line 2 `RUN get` leaves 200 kB of npm's cache:
            end it with `rm -rf /root/.npm/_cacache`."""


@pytest.fixture
def advised(tmp_path: Path) -> Advice:
    return advice(tmp_path, *LAYERS)


def lines(path: Path, advised: Advice, style: Style, limit: int = 10) -> list[str]:
    return list(fix_lines(advised, analyzed(path, *LAYERS), style, limit=limit))


def test_each_fix_has_its_bytes_and_its_sentence(tmp_path: Path, advised: Advice) -> None:
    assert "\n".join(lines(tmp_path, advised, Style(width=60))) == TEXT


@pytest.mark.parametrize("width", [30, 40, 57, 80, 200])
def test_lines_fit_the_width_and_are_printable(tmp_path: Path, advised: Advice, width: int) -> None:
    shown = lines(tmp_path, replace(advised, notes=("a note " * 30,)), Style(width=width))
    assert all(cells(line) <= width for line in shown)
    assert all(line.isprintable() for line in shown)


def test_ascii_is_ascii(tmp_path: Path, advised: Advice) -> None:
    assert all(line.isascii() for line in lines(tmp_path, advised, Style(is_ascii=True)))


def test_what_is_not_shown_is_counted(tmp_path: Path, advised: Advice) -> None:
    assert lines(tmp_path, advised, Style(), limit=1)[-1] == "    200 kB  in 1 more fix"
    more = replace(advised, fixes=advised.fixes * 3)
    assert lines(tmp_path, more, Style(), limit=1)[-1] == "   1.60 MB  in 5 more fixes"


def test_notes_are_told_also_where_there_is_no_fix(tmp_path: Path) -> None:
    assert lines(tmp_path, Advice("", {}, (), ("Not this image's.",)), Style()) == ["Not this image's."]


def test_nothing_to_say_is_no_line(tmp_path: Path) -> None:
    assert lines(tmp_path, Advice("", {}, ()), Style()) == []
