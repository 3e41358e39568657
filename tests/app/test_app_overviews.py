"""The overviews of an image: waste, treemap, biggest files. The key of each opens it from the files and from the others."""

from __future__ import annotations

from itertools import product

import pytest

from layerscope.app.sizes.biggest_screen import BiggestScreen
from layerscope.app.sizes.treemap_screen import TreemapScreen
from layerscope.app.waste.waste_screen import WasteScreen
from support.screens import NARROW, demo, explored, piloted

OVERVIEWS = {"w": WasteScreen, "T": TreemapScreen, "B": BiggestScreen}


@pytest.mark.parametrize("back", ["own key", "q", "escape"])
@piloted
async def test_each_opens_in_place_of_the_others_and_leads_back_to_the_files(back: str) -> None:
    async with explored(demo) as shown:
        for one, other in product(OVERVIEWS, OVERVIEWS):
            if one == other:
                continue
            await shown.write(one + other)
            assert isinstance(shown.app.screen, OVERVIEWS[other])
            await shown.keys(other if back == "own key" else back)
            assert shown.app.screen is shown.explorer


@piloted
async def test_the_footer_names_the_others_but_not_the_one_that_is_shown() -> None:
    async with explored(demo, size=NARROW) as shown:
        await shown.keys("T")
        assert "w waste" in shown.footer
        assert "B big" in shown.footer
        assert "T map" not in shown.footer


@piloted
async def test_where_a_key_is_typed_into_a_filter_it_is_text() -> None:
    async with explored(demo, keys=["B /"]) as shown:
        await shown.write("wTB")
        assert isinstance(shown.app.screen, BiggestScreen)
        assert shown.app.screen.bar.text == "wTB"
