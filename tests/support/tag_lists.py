"""The screen of tags as a running app, on tags whose images are built here."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from textual.geometry import Size

from layerscope.app.app import LayerscopeApp
from layerscope.app.tags.tag_lines import TagLines
from layerscope.app.tags.tags_screen import TagList, TagsScreen
from layerscope.app.terminal import Terminal
from layerscope.families.tag_series import TagSeries
from layerscope.progress import Progress
from layerscope.report.tag_sizes import TagReport
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.screens import COLORED, DEFAULTS, NARROW, Shown
from support.sources_build import Layout, write_tar
from support.tagged_images import Built, growing, put_image, sized

NAME = "registry.example.com/team/app"
OpenTag = Callable[[str, Progress], Image]


def opener(built: Sequence[Built]) -> OpenTag:
    """Opens the image of a tag from an archive that is written for it."""

    def opened(reference: str, progress: Progress) -> Image:
        wanted = next(each for each in built if reference == f"docker://{NAME}:{each.tag}")
        layout = Layout()
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            return open_image(write_tar(Path(file.name), layout.files(put_image(layout, wanted))), progress=progress)

    return opened


@asynccontextmanager
async def tags_listed(
    built: Sequence[Built] = (),
    *,
    opens: OpenTag | None = None,
    size: tuple[int, int] = NARROW,
    terminal: Terminal = COLORED,
    keys: str = "",
    notes: tuple[str, ...] = (),
) -> AsyncIterator[Shown]:
    """The app on these tags; `keys` were pressed."""
    known = built or growing()
    start = TagList(TagReport(NAME, TagSeries.of(sized(known)), notes), opens or opener(known), f"docker://{NAME}")
    app = LayerscopeApp(start, settings=DEFAULTS, terminal=terminal)
    async with app.run_test(size=Size(*size)) as pilot:
        shown = Shown(app, pilot)
        await shown.settled()
        await shown.keys(keys)
        yield shown


def list_of(shown: Shown) -> TagLines:
    """The list of tags."""
    screen = shown.app.home
    assert isinstance(screen, TagsScreen)
    return screen.pane
