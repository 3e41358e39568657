"""Pictures of the screen of families, in two sizes and three themes. Look at a changed one before accepting it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from syrupy.assertion import SnapshotAssertion

from support.image_lists import family, found, listed
from support.pictures import SIZES, Picture, in_each_theme
from support.screens import piloted

VIEWS: dict[str, Sequence[str]] = {"images": ["down"], "images-filter": ["slash", "n", "o", "d"]}


async def pictures(size: tuple[int, int], keys: Sequence[str]) -> dict[str, str]:
    """The view that `keys` lead to, in each theme."""
    async with listed(found(family()), size=size, keys=" ".join(keys)) as shown:
        return await in_each_theme(shown)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", VIEWS)
@piloted
async def test_the_images_look_as_they_did(
    view: str, size: str, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = await pictures(SIZES[size], VIEWS[view])
    picture = snapshot.use_extension(Picture)
    for theme, svg in drawn.items():
        assert svg == picture(name=theme)
