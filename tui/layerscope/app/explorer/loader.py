"""Opening and reading an image in a thread, and what it tells the screen on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING

from textual.message import Message

from layerscope.errors import LayerscopeError
from layerscope.progress import Progress, Rate

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.compare.comparison import Comparison
    from layerscope.layers.read import ReadLayer
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image

INTERVAL = 0.1
"""Seconds between two reports of progress."""
PATIENCE = 1.0
"""Seconds of reading after which what is read already is worth merging for a first look."""

Fingerprint = Callable[[], object]
"""What changes when the image does: a file's time and size, a tag's image id. None: it is not there now."""

Opener = Callable[[Progress], tuple["Image", "Base"]]
"""Opens what the user named, and finds its base."""


class Stopped(BaseException):
    """Ends the reading when the user quits."""


@dataclass
class Progressed(Message, bubble=False):
    """How far it is: the stage, bytes done and of how many (0: unknown), and bytes a second. Without a stage, it is over."""

    stage: str
    done: int
    total: int
    rate: int


@dataclass
class Opened(Message, bubble=False):
    """The image's documents were read; its layers are known by name."""

    image: Image
    base: Base


@dataclass
class Read(Message, bubble=False):
    """Layers were read and merged; `numbers` are those that were, all of them when `is_complete`."""

    contents: Contents
    numbers: frozenset[int]
    is_complete: bool


@dataclass
class Analysed(Message, bubble=False):
    """The waste was found."""

    analysis: Analysis


@dataclass
class Rebuilt(Message, bubble=False):
    """What is watched was built anew: all that is known of it, and how it differs from the build before."""

    image: Image
    base: Base
    analysis: Analysis
    comparison: Comparison


@dataclass
class Failed(Message, bubble=False):
    """It cannot be done; the error's sentence says why."""

    error: LayerscopeError | OSError | MemoryError


class Loader:
    """Calls `post` with each of these messages, in the thread that calls `run`; `stop` ends it at the next piece read."""

    def __init__(self, opener: Opener, post: Callable[[Message], object], fingerprint: Fingerprint | None = None) -> None:
        self._open, self._post, self._fingerprint = opener, post, fingerprint
        self._is_stopped = False
        self._pause = Event()
        self._told = self._looked = time.monotonic()
        self._rate = Rate(self._told)
        self._reads: dict[int, ReadLayer] = {}
        self._lock = Lock()

    def stop(self) -> None:
        """The user does not want it any more."""
        self._is_stopped = True
        self._pause.set()

    def run(self) -> None:
        """Open, read, merge, find waste; then watch for another build, if that is wanted."""
        try:
            if self._fingerprint:
                self._watch(self._fingerprint)
            else:
                self._run()
        except Stopped:
            pass
        except (LayerscopeError, OSError, MemoryError) as error:
            self._post(Failed(error))

    def _run(self) -> Analysis:
        # numpy takes 70 ms to import, which the first frame does not wait for.
        from layerscope.analysis import analyse, read_image

        image, base = self._open(self.progress)
        self._post(Opened(image, base))
        contents = read_image(
            image, progress=self.progress, keep_seek_points=True, on_layer=lambda number, read: self._look(image, number, read)
        )
        self._reads.clear()
        self._check()
        self._post(Read(contents, frozenset(layer.number for layer in image.layers), is_complete=True))
        analysis = analyse(contents, base_layers=base.layers, base_name=base.name)
        self._check()
        self._post(Analysed(analysis))
        return analysis

    def _watch(self, fingerprint: Fingerprint) -> None:
        """Read each build. One that cannot be read leaves the one before in sight."""
        from layerscope.compare.builds import Builds
        from layerscope.compare.comparison import compare
        from layerscope.sources.base import Base

        builds = Builds(fingerprint, self._read_again, self._wait)
        seen, before = builds.first(self._run)
        for build in builds.after(seen):
            if isinstance(build, Exception):
                self._post(Progressed(f"the new build cannot be read: {build}", 0, 0, 0))
                continue
            base = Base(build.base_layers, build.base_name)
            self._post(Rebuilt(build.image, base, build, compare(before, build)))
            before = build

    def _wait(self, seconds: float) -> None:
        self._pause.wait(seconds)
        self._check()

    def _read_again(self) -> Analysis:
        from layerscope.analysis import analyse, read_image

        self._rate = Rate(time.monotonic())
        is_whole = False
        try:
            image, base = self._open(self.progress)
            contents = read_image(image, progress=self.progress, keep_seek_points=True)
            is_whole = contents.is_complete
        finally:
            if not is_whole:
                self._post(Progressed("the new build is not whole yet", 0, 0, 0))
        analysis = analyse(contents, base_layers=base.layers, base_name=base.name)
        self._check()
        return analysis

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell the screen, at most ten times a second; that work is over, always."""
        self._check()
        now = time.monotonic()
        rate = self._rate.of(done, now)
        if now - self._told >= INTERVAL or not stage:
            self._told = now
            self._post(Progressed(stage, done, total, rate))

    def _check(self) -> None:
        if self._is_stopped:
            raise Stopped

    def _look(self, image: Image, number: int, read: ReadLayer) -> None:
        """A layer was read. Merge what there is, now and then: never for more than a fifth of the time."""
        with self._lock:
            self._reads[number] = read
            now = time.monotonic()
            if len(self._reads) == len(image.layers) or now - self._looked < PATIENCE:
                return
            from layerscope.analysis import partial_contents

            contents = partial_contents(image, dict(self._reads))
            self._looked = time.monotonic() + 5 * (time.monotonic() - now)
            self._post(Read(contents, frozenset(self._reads), is_complete=False))
