"""Pictures of the documentation: they are whole, small, ask nobody for anything, and the first one moves."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.segment import Segment
from rich.style import Style

from support.documentation import DOCUMENTS, ROOT, links
from support.film import Film, Frame, Window

PICTURES = sorted((ROOT / "docs/pictures").iterdir())
SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "style", "defs", "g", "rect", "circle", "path", "text", "use"}
"""None of them runs a script or loads anything, but `use`, whose addresses are looked at."""


def film(*frames: str) -> str:
    """Frames of a second each; lines are separated by slashes."""
    rows = [tuple((Segment(line, Style(color="#ff0000")),) for line in frame.split("/")) for frame in frames]
    return Film([Frame(each, key="k", caption="said") for each in rows], Window("a film")).svg()


def test_the_readme_opens_with_the_tour_which_moves() -> None:
    assert next(iter(links(ROOT / "README.md"))) == "docs/pictures/tour.svg"
    tour = (ROOT / "docs/pictures/tour.svg").read_text("utf-8")
    seconds = [float(found) for found in re.findall(r"animation:([\d.]+)s step-end infinite", tour)]
    assert [25 <= each <= 45 for each in seconds] == [True]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_whole_and_refers_to_nothing_else(picture: Path) -> None:
    text = picture.read_text("utf-8")
    root = ElementTree.fromstring(text)
    elements = list(root.iter())
    assert len(text.encode()) < 1_000_000
    assert {each.tag.removeprefix(SVG) for each in elements} <= ELEMENTS
    rules = "\n".join(each.text or "" for each in elements if each.tag == f"{SVG}style")
    values = "\n".join(value for each in elements for value in each.attrib.values())
    assert re.findall(r"//|@import|@font-face|url\(|:\s*data", rules + values) == []
    assert {each.attrib["href"] for each in elements if "href" in each.attrib} <= {f"#{each.get('id')}" for each in elements}


def test_every_picture_is_shown_somewhere() -> None:
    shown = {(document.parent / link).resolve() for document in DOCUMENTS for link in links(document)}
    assert [picture for picture in PICTURES if picture not in shown] == []


def test_a_film_has_what_stays_once_and_shows_what_changes_when_it_does() -> None:
    drawn = film("same/one", "same/two", "same/one")
    assert [drawn.count(f">{word}<") for word in ("same", "one", "two", "said", "k")] == [1, 1, 1, 1, 1]
    rules = dict(re.findall(r"@keyframes (\S+?)\{(.*)\}", drawn))
    hidden, seen = "{visibility:hidden}", "{visibility:visible}"
    assert rules == {
        "s0-1": f"0.000%{seen}33.333%{hidden}",
        "s1-2": f"0%{hidden}33.333%{seen}66.667%{hidden}",
        "s2-3": f"0%{hidden}66.667%{seen}",
    }


def test_a_single_frame_does_not_move() -> None:
    assert "animation" not in film("still")


def test_blocks_and_lines_fill_their_cells_and_words_stand_in_theirs() -> None:
    drawn = film("▀█ ▌─┐  a b")
    boxes = re.findall(r'<rect x="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', drawn)
    assert boxes == [("0", "8.4", "9"), ("8.4", "8.4", "18"), ("25.2", "4.2", "18")]
    assert "M33.6 9.5h8.4M46.2 9.5L42 9.5M46.2 9.5L46.2 18" in drawn
    assert re.findall(r'<text x="([\d.]+)" textLength="([\d.]+)"[^>]*>a b<', drawn) == [("67.2", "25.2")]
