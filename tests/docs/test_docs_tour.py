"""The README's tour, followed key by key on the screen that it describes; the pages' keys and filter terms are real ones."""

from __future__ import annotations

import re

import pytest

from layerscope.app.keys import KEYS
from layerscope.app.widgets.footer import key_text
from layerscope.search.query import parse
from support.documentation import ROOT, first_column, list_codes
from support.screens import NARROW, WIDE, Shown, demo, explored, piloted

TOUR = (
    ("[", "after layer 9"),
    ("]", "after layer 10"),
    *((mark, "") for mark in "+~-!"),
    ("}", "/srv/app/fonts"),
    ("s", "by size"),
    ("/", "esc clear"),
    ("is:wasted", "12 hits"),
    ("*.js >100k", "2 hits"),
    ("w", "Waste: 3.76 MB"),
    ("f", "after layer 4 ─ /srv/app/models/words.bin"),
    ("v", "version 1 of 3"),
    ("]", "version 2 of 3"),
    ("d", "same 640,000 bytes"),
    ("b", "3 versions"),
    ("?", "Help"),
    ("q", ""),
)
"""Every code of the tour in its order, and what can be seen after it; empty: it is a mark, or ends the tour."""


def test_the_tour_is_the_one_that_is_followed_here() -> None:
    assert list_codes(ROOT / "README.md", "A short tour") == [code for code, _ in TOUR]


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=str)
@piloted
async def test_the_tour_shows_what_it_says(size: tuple[int, int]) -> None:
    async with explored(demo, size=size) as screen:
        for code, sight in TOUR:
            if sight:
                await _follow(screen, code)
                await screen.until(lambda sight=sight: any(sight in line for line in screen.picture))  # type: ignore[misc]
        await screen.keys("escape escape q")
        await screen.until(lambda: not screen.app.is_running or screen.app._exit)


async def _follow(screen: Shown, code: str) -> None:
    """Press a key, or type a filter into an empty line."""
    if len(code) == 1:
        if code == "w":
            await screen.keys("escape")
        await screen.keys(code)
    else:
        await screen.keys(" ".join(["backspace"] * len("is:wasted")))
        await screen.write(code)


def test_the_keys_that_the_page_lists_are_keys() -> None:
    known = {key_text(each) for key in KEYS for each in key.keys.split(",")}
    listed = [letter for code in first_column(ROOT / "docs/screen.md", "Keys") for letter in re.sub(r"^\d+(?=\D)", "", code)]
    assert len(listed) > 30
    assert [key for key in listed if key not in known] == []


def test_the_terms_that_the_page_lists_are_terms_of_the_filter() -> None:
    terms = first_column(ROOT / "docs/screen.md", "The filter")
    assert [(term, parse(f"{term} ").problem) for term in terms if parse(f"{term} ").problem] == []
    assert [term for term in terms if not parse(f"{term} ").conditions] == []
