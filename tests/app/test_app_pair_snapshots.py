"""Pictures of the screen of two images, in two sizes and three themes. Look at a changed one before accepting it."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.geometry import Size

from layerscope.app.app import LayerscopeApp
from layerscope.app.explorer.pair_screen import ImagePair, PairSummary
from support.pictures import MIDDLE, SIZES, Picture, in_each_theme
from support.sample_builds import later, sample
from support.screens import COLORED, DEFAULTS, Shown, piloted

VIEWS = {"pair": "e", "pair-report": "tab"}
NARROW_AND_MIDDLE = {name: size for name, size in (SIZES | MIDDLE).items() if size[0] <= 120}


async def pictures(size: tuple[int, int], keys: str) -> dict[str, str]:
    """The view that `keys` lead to, in each theme."""
    app = LayerscopeApp(ImagePair([sample, later], "demo:1 → demo:2"), settings=DEFAULTS, terminal=COLORED)
    async with app.run_test(size=Size(*size)) as pilot:
        shown = Shown(app, pilot)
        await shown.until(lambda: shown.widget("summary", PairSummary).has_ended)
        await shown.settled()
        await shown.keys(keys)
        return await in_each_theme(shown)


@pytest.mark.parametrize("size", NARROW_AND_MIDDLE)
@pytest.mark.parametrize("view", VIEWS)
@piloted
async def test_two_images_look_as_they_did(
    view: str, size: str, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = await pictures(NARROW_AND_MIDDLE[size], VIEWS[view])
    picture = snapshot.use_extension(Picture)
    for theme, svg in drawn.items():
        assert svg == picture(name=theme)
