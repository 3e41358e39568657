"""Pictures of every view of the demo image, in two sizes and three themes. Look at a changed one before accepting it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from textual.widgets import Input

from layerscope.progress import Progress
from layerscope.sources.base import Base
from layerscope.sources.demo import open_demo
from layerscope.sources.image import Image
from support.screens import explored

SIZES = {"80x24": (80, 24), "140x40": (140, 40)}
THEMES = {"dark": "textual-dark", "light": "textual-light", "16-colors": "ansi-dark"}
VIEWS: dict[str, Sequence[str]] = {
    "explorer": ["left_square_bracket", "left_square_bracket", "tab", "right_curly_bracket", "right_curly_bracket"],
    "details": ["i"],
    "wasted": ["tab", "o", "e"],
    "compare": ["left_square_bracket", "left_square_bracket", "m", *["left_square_bracket"] * 3, "tab", "s", "e"],
    "filter": ["tab", *"/app"],
    "waste": ["w", "down"],
    "waste-by-path": ["w", "shift+tab"],
    "file": ["left_square_bracket", "tab", *"/main.py", "enter", "v"],
    "diff": ["tab", *"/settings.py", "enter", "v", "d"],
    "blame": ["tab", *"/words", "enter", "b"],
    "help": ["question_mark"],
    "extract": ["tab", "down", "x"],
}


class Picture(SingleFileSnapshotExtension):
    """One SVG a picture."""

    _write_mode = WriteMode.TEXT
    file_extension = "svg"


def opener(_progress: Progress) -> tuple[Image, Base]:
    return open_demo(), Base(1, "demo-base:1")


async def pictures(size: tuple[int, int], keys: Sequence[str]) -> dict[str, str]:
    """The view that `keys` lead to, in each theme."""
    async with explored(opener, size=size, keys=keys) as shown:
        hold_cursors(shown.app)
        drawn = {}
        for name, theme in THEMES.items():
            shown.app.theme = theme
            await shown.settled()
            drawn[name] = without_fonts(shown.app.export_screenshot(title="layerscope", simplify=True))
        return drawn


def hold_cursors(app: App[Any]) -> None:
    """Twice a second a cursor is not to be seen: no picture may depend on when it was taken."""
    for box in app.screen.query(Input):
        box.cursor_blink = False


def without_fonts(svg: str) -> str:
    """Screenshots name a font of the web, which neither tests nor the README load."""
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


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
