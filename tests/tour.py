"""Record the moving picture that opens the README, and the still ones of the documentation, from the screen itself.

    python tests/tour.py [DIRECTORY]      or: make pictures

The same code gives the same bytes. A step that does not lead to what it says ends the recording with an error.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from textual.geometry import Size

from layerscope.app.app import LayerscopeApp
from layerscope.app.explorer.loader import ImageSource
from layerscope.app.explorer.pair_screen import ImagePair, PairSummary
from support.film import Film, Frame, Window, rows_of
from support.pictures import hold_cursors
from support.sample_builds import adviser, later, sample
from support.screens import COLORED, DEFAULTS, Shown

PICTURES = Path(__file__).parents[1] / "docs/pictures"
SIZE = (100, 28)
PAUSE, BEAT = 2.8, 0.35
"""Seconds at a station, and between two keys on the way to it."""


@dataclass(frozen=True, slots=True)
class Step:
    """Keys pressed one after the other, what is said of them, and what can then be seen; `still` names a picture of it."""

    keys: str
    caption: str
    sight: str
    still: str = ""
    key: str = ""
    seconds: float = PAUSE


TOUR = (
    Step("", "What is in this image, and why is it so big?", "after layer 10", key="layerscope demo"),
    Step("[", "the layer before: the tree shows what it did", "after layer 9"),
    Step("[", "and the one before that: it moved 640 kB, which are pulled twice", "after layer 8", seconds=1.4),
    Step("} }", "from change to change", "models", key="}", still="explorer"),
    Step("w", "what to change, biggest first", "advice"),
    Step("down", "each with its bytes, its line and its edit; y copies the patch", "+RUN", key="↓", still="advice", seconds=4),
    Step("tab", "all waste: what caused it, which layer wrote it, which buried it", "metadata", key="Tab"),
    Step(
        "escape T",
        "a treemap: where the bytes are; what is hatched, no container sees",
        "of the image",
        key="T",
        still="treemap",
    ),
    Step("enter", "into a directory", "of the image", key="Enter"),
    Step("escape escape B", "the biggest files of all layers", "Biggest files", key="B", still="biggest"),
    Step("escape /", "find files by name, size, owner, waste", "esc", key="/", seconds=0.6),
    *(Step(letter, "find files by name, size, owner, waste", "esc", key="/", seconds=0.15) for letter in "settings"),
    Step("enter v", "view a file as a layer left it", "version 3 of 3", key="v", seconds=2),
    Step(
        "d",
        "and what that layer changed in it",
        "+ DEBUG = False",
    ),
)
PAIR = (
    Step("", "what grew between two builds", "demo:1 → demo:2", key="layerscope diff demo:1 demo:2", seconds=2),
    Step("e", "every path that was added, modified or removed, and by how much it grew", "numpy.so", still="pair", seconds=3.5),
)


@dataclass
class Recorder:
    """Frames, as they are shown one after the other, and the stills among them by name."""

    frames: list[Frame] = field(default_factory=list)
    stills: dict[str, Frame] = field(default_factory=dict)

    async def follow(self, shown: Shown, steps: Sequence[Step]) -> None:
        """Go through the steps, and take a frame after each key."""
        for step in steps:
            names = step.keys.split()
            for count, name in enumerate(names, 1):
                await shown.keys(name)
                if count < len(names):
                    self._take(shown, replace(step, seconds=BEAT, still=""))
            await shown.until(lambda step=step: any(step.sight in line for line in shown.picture))  # type: ignore[misc]
            self._take(shown, step)

    def _take(self, shown: Shown, step: Step) -> None:
        hold_cursors(shown.app)
        frame = Frame(rows_of(shown.app), step.seconds, step.key or step.keys, step.caption)
        self.frames.append(frame)
        if step.still:
            self.stills[step.still] = replace(frame, caption="", key="")


@asynccontextmanager
async def running(start: ImageSource | ImagePair) -> AsyncIterator[Shown]:
    app = LayerscopeApp(start, settings=DEFAULTS, terminal=COLORED)
    async with app.run_test(size=Size(*SIZE)) as pilot:
        yield Shown(app, pilot)


async def record() -> Recorder:
    """Take the tour: the sample image, then it and its next build."""
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as place:
        async with running(ImageSource(sample, "demo", adviser=adviser(Path(place)))) as shown:
            await shown.until(lambda: shown.explorer.analysis is not None)
            await shown.settled()
            await recorder.follow(shown, TOUR)
    async with running(ImagePair([sample, later], "demo:1 → demo:2")) as shown:
        await shown.until(lambda: shown.widget("summary", PairSummary).has_ended)
        await shown.settled()
        await recorder.follow(shown, PAIR)
    return recorder


def main() -> None:
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
        os.environ.pop("NO_COLOR", None)
        recorder = asyncio.run(record())
    films = {"tour": recorder.frames, **{name: [frame] for name, frame in recorder.stills.items()}}
    for name, frames in films.items():
        path = pictures / f"{name}.svg"
        path.write_text(Film(frames, Window("layerscope")).svg(), encoding="utf-8")
        print(f"{os.path.relpath(path)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
