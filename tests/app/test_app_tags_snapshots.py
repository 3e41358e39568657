"""Pictures of the screen of tags, in two sizes and three themes. Look at a changed one before accepting it."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion

from support.pictures import SIZES, Picture, in_each_theme
from support.screens import piloted
from support.tag_lists import tags_listed

VIEWS = {"tags": "up up up", "tags-marked": "up m up m"}


async def pictures(size: tuple[int, int], keys: str) -> dict[str, str]:
    """The view that `keys` lead to, in each theme."""
    async with tags_listed(size=size, keys=keys) as shown:
        return await in_each_theme(shown)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", VIEWS)
@piloted
async def test_the_tags_look_as_they_did(
    view: str, size: str, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = await pictures(SIZES[size], VIEWS[view])
    picture = snapshot.use_extension(Picture)
    for theme, svg in drawn.items():
        assert svg == picture(name=theme)
