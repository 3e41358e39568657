"""How a screen becomes a picture: the sizes and themes, and what must not differ between two runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from textual.app import App
from textual.widgets import Input

from support.screens import Shown

PICTURED = Path(__file__).parents[1] / "app"
"""The folder of the tests that draw pictures; `--snapshot-dirname` is relative to it."""
SIZES = {"80x24": (80, 24), "140x40": (140, 40)}
MIDDLE = {"120x30": (120, 30)}
"""Between them: for screens that look unlike either there."""
THEMES = {"dark": "textual-dark", "light": "textual-light", "16-colors": "ansi-dark"}


class Picture(SingleFileSnapshotExtension):
    """One SVG a picture."""

    _write_mode = WriteMode.TEXT
    file_extension = "svg"

    @classmethod
    def discovery_dirname(cls, *, test_location: PyTestLocation) -> str:
        """Spell the directory alike for every test: syrupy 7 looks for unused pictures from each folder of tests.

        `tests/oci/../../snapshots` would be another place than `tests/app/../../snapshots`, with every picture in it unused.
        """
        return str(PICTURED.joinpath(cls.snapshot_dirname))


def hold_cursors(app: App[Any]) -> None:
    """Twice a second a cursor is not to be seen: no picture may depend on when it was taken."""
    for box in app.screen.query(Input):
        box.cursor_blink = False


def without_fonts(svg: str) -> str:
    """Screenshots name a font of the web, which neither tests nor the README load."""
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


async def in_each_theme(shown: Shown) -> dict[str, str]:
    """Pictures of what is on the screen, by the names of THEMES."""
    hold_cursors(shown.app)
    drawn = {}
    for name, theme in THEMES.items():
        shown.app.theme = theme
        await shown.settled()
        drawn[name] = without_fonts(shown.app.export_screenshot(title="layerscope", simplify=True))
    return drawn
