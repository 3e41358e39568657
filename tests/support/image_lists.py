"""The screen of images as a running app, on images that are built on one another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from textual.geometry import Size

from layerscope.analysis import analyze, read_image
from layerscope.app.app import LayerscopeApp
from layerscope.app.images.images_screen import ImageList
from layerscope.app.terminal import Terminal
from layerscope.progress import Progress
from layerscope.sources.demo import open_demo
from layerscope.sources.image import Image
from layerscope.sources.listing.facts import ImageFacts
from layerscope.sources.listing.found import FoundImage
from support.families_build import facts
from support.screens import COLORED, DEFAULTS, NARROW, Shown

NOW = 1717243200.0
"""2024-06-01 12:00 UTC."""
MB = "000000"


def demo(_progress: Progress) -> Image:
    return open_demo()


def family() -> list[ImageFacts]:
    """A is a base; B and C are built on A, D and E on B; and others."""
    a, b = f"a 80{MB}", f"b 40{MB}"
    return [
        facts("python:3.12 python:latest", a, created="2024-05-20T08:30:00Z", wasted=9000000),
        facts("team/service:1.4", a, b, created="2024-05-29T08:30:00Z", wasted=21500000),
        facts("team/service:1.5-rc1 team/service:edge", a, b, f"d 7{MB}", created="2024-05-31T22:10:00Z"),
        facts("", a, b, f"e 64{MB}", created="2024-05-31T23:10:00Z"),
        facts(
            "registry.example.com/platform/tools/report:2024.05", a, f"c 3{MB}", created="2022-03-01T00:00:00Z", wasted=9000000
        ),
        facts("node:20", f"n 30{MB}", f"m 90{MB}", created="1970-01-01T00:00:00Z"),
        facts("web:1", f"n 30{MB}", f"w 12{MB}", created="2024-04-02T00:00:00Z", wasted=0),
        facts("scratch/empty:1", wasted=0),
    ]


def found(images: Sequence[ImageFacts], opens: object = demo) -> list[FoundImage]:
    assert callable(opens)
    return [FoundImage(each, f"docker:{each.titles()[0]}", opens) for each in images]


def waste_of(each: FoundImage, progress: Progress) -> int | None:
    return analyze(read_image(each.open(progress), progress=progress)).waste.wasted_bytes


@asynccontextmanager
async def listed(
    images: Sequence[FoundImage],
    *,
    size: tuple[int, int] = NARROW,
    terminal: Terminal = COLORED,
    keys: str = "",
    learned: list[int] | None = None,
) -> AsyncIterator[Shown]:
    """The app on these images; `learned` gets what becomes known."""
    known = [] if learned is None else learned
    start = ImageList(images, waste_of, lambda _found, wasted: known.append(wasted), now=NOW)
    app = LayerscopeApp(start, settings=DEFAULTS, terminal=terminal)
    async with app.run_test(size=Size(*size)) as pilot:
        shown = Shown(app, pilot)
        await shown.settled()
        await shown.keys(keys)
        yield shown
