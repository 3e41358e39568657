"""Pictures of every view of the demo image, in two sizes and three themes. Look at a changed one before accepting it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from layerscope.progress import Progress
from layerscope.sources.base import Base
from layerscope.sources.demo import open_demo
from layerscope.sources.image import Image
from support.pictures import SIZES, Picture, in_each_theme
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
}


def opener(_progress: Progress) -> tuple[Image, Base]:
    return open_demo(), Base(1, "demo-base:1")


async def pictures(size: tuple[int, int], keys: Sequence[str]) -> dict[str, str]:
    """The view that `keys` lead to, in each theme."""
    async with explored(opener, size=size, keys=keys) as shown:
        return await in_each_theme(shown)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_looks_as_it_did(
    view: str, size: str, snapshot: SnapshotAssertion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = asyncio.run(pictures(SIZES[size], VIEWS[view]))
    picture = snapshot.use_extension(Picture)
    for theme, svg in drawn.items():
        assert svg == picture(name=theme)
