"""The screen of a registry as a running app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from textual.geometry import Size

from layerscope.app.app import LayerscopeApp
from layerscope.app.registry.registry_loader import RegistryLoader
from layerscope.app.registry.registry_screen import RegistryList, RegistryScreen
from layerscope.app.terminal import Terminal
from layerscope.oci.platform import Platform
from layerscope.progress import Progress
from layerscope.sources.base import Base
from layerscope.sources.image import Image
from layerscope.sources.location import EngineOptions
from layerscope.sources.registry.browse import Browser, parse_place
from layerscope.sources.registry.open import open_registry_image
from layerscope.sources.registry.registry_name import RegistryName
from support.screens import COLORED, DEFAULTS, NARROW, Shown

NOW = datetime(2026, 3, 31, 10, tzinfo=UTC).timestamp()
AMD64 = Platform("linux", "amd64")


@asynccontextmanager
async def looked_at(
    place: str, *, size: tuple[int, int] = NARROW, terminal: Terminal = COLORED, keys: str = "", wait: bool = True
) -> AsyncIterator[Shown]:
    """The app on what is at a place; unless `wait` is False, all of its list has arrived."""
    where = parse_place(place)
    options = EngineOptions()

    def opened(name: RegistryName, progress: Progress) -> tuple[Image, Base]:
        return open_registry_image(name, reference="", platform=None, options=options, progress=progress), Base()

    loader = RegistryLoader(Browser(where.host, options), where, AMD64, None)
    app = LayerscopeApp(RegistryList(loader, opened, now=NOW), settings=DEFAULTS, terminal=terminal)
    async with app.run_test(size=Size(*size)) as pilot:
        shown = Shown(app, pilot)
        await shown.settled()
        if wait:
            await arrived(shown)
        for key in keys.split():
            await shown.keys(key)
            await arrived(shown)
        yield shown


async def arrived(shown: Shown) -> None:
    """Wait until nothing is being asked any more, and all of it is shown."""
    await shown.until(lambda: all(worker.is_finished for worker in shown.app.workers))
    await shown.settled()
    await shown.until(lambda: all(worker.is_finished for worker in shown.app.workers))
    await shown.settled()


def screen_of(shown: Shown) -> RegistryScreen:
    assert isinstance(shown.app.home, RegistryScreen)
    return shown.app.home
