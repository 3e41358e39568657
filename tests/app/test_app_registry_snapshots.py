"""Pictures of the screen of a registry, in two sizes and three themes. Look at a changed one before accepting it."""

from __future__ import annotations

import re

import pytest
from syrupy.assertion import SnapshotAssertion

from support.pictures import SIZES, Picture, in_each_theme
from support.registry_contents import Contents
from support.registry_screens import looked_at
from support.screens import piloted

VIEWS = {"registry": "down space down space down down down", "registry-filter": "slash a p p"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", VIEWS)
@piloted
async def test_the_registry_looks_as_it_did(
    view: str, size: str, contents: Contents, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    async with looked_at(contents.host, size=SIZES[size], keys=VIEWS[view]) as shown:
        drawn = await in_each_theme(shown)
    picture = snapshot.use_extension(Picture)
    for theme, svg in drawn.items():
        # The port differs each time, and with it the number that an SVG makes of all its text.
        assert re.sub(r"terminal-\d+", "terminal", svg.replace(contents.host, "127.0.0.1:50000")) == picture(name=theme)
