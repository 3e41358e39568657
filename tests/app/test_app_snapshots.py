"""Pictures of every view of the sample image, in two or three sizes and in three themes. Look at one before accepting it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from support.pictures import MIDDLE, SIZES, Picture, in_each_theme
from support.sample_builds import adviser, sample
from support.screens import explored

VIEWS: dict[str, Sequence[str]] = {
    "explorer": ["left_square_bracket", "left_square_bracket", "tab", "right_curly_bracket", "right_curly_bracket"],
    "details": ["i"],
    "wasted": ["tab", "o", "e"],
    "compare": ["left_square_bracket", "left_square_bracket", "m", *["left_square_bracket"] * 3, "tab", "s", "e"],
    "filter": ["tab", *"/app"],
    "advice": ["w", "down"],
    "waste": ["w", "tab", "down"],
    "treemap": ["T", "right"],
    "biggest": ["B", "down"],
    "waste-by-path": ["w", "shift+tab"],
    "file": ["left_square_bracket", "tab", *"/main.py", "enter", "v"],
    "diff": ["tab", *"/settings.py", "enter", "v", "d"],
    "blame": ["tab", *"/words", "enter", "b"],
    "help": ["question_mark"],
    "extract": ["tab", "down", "x"],
    "left-out": ["tab", *["down"] * 3, "D"],
    "slim": ["w", "tab", "D", "down", "down", "D", "W"],
}


IN_THE_MIDDLE = ("explorer", "advice", "treemap", "biggest")
"""What is also pictured at a size between the two."""
PICTURED = [(view, size) for view in VIEWS for size in (*SIZES, *(MIDDLE if view in IN_THE_MIDDLE else ()))]


async def pictures(size: tuple[int, int], keys: Sequence[str], place: Path) -> dict[str, str]:
    """The view that `keys` lead to, in each theme."""
    async with explored(sample, size=size, keys=keys, adviser=adviser(place)) as shown:
        return await in_each_theme(shown)


@pytest.mark.parametrize(("view", "size"), PICTURED)
def test_every_view_looks_as_it_did(
    view: str, size: str, snapshot: SnapshotAssertion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = asyncio.run(pictures((SIZES | MIDDLE)[size], VIEWS[view], tmp_path))
    picture = snapshot.use_extension(Picture)
    for theme, svg in drawn.items():
        assert svg == picture(name=theme)
