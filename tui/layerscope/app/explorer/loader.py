"""Opening and reading an image in a thread, and the messages it posts meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING

from textual.message import Message

from layerscope.app.widgets.summary import Progressed, ProgressPoster
from layerscope.errors import Cancelled, LayerscopeError
from layerscope.progress import Progress

if TYPE_CHECKING:
    from layerscope.advice.advice import Adviser
    from layerscope.analysis import Analysis, Contents
    from layerscope.compare.comparison import Comparison
    from layerscope.layers.readers.blob import ReadLayer
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image

PATIENCE = 1.0
"""Seconds of reading after which the layers read so far are merged for a first look."""

Opener = Callable[[Progress], tuple["Image", "Base"]]
"""Opens an image and finds its base."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the explorer gets its image from.

    `fingerprint` makes it watch the image: it returns another value when the image was built again, and None while there
    is no image (a file's time and size, a tag's image id). `adviser` finds what to change in it; without one, that is what
    its history alone tells.
    """

    opener: Opener
    reference: str
    fingerprint: Callable[[], object] | None = None
    adviser: Adviser | None = None


@dataclass
class Opened(Message, bubble=False):
    """The image's documents were read: its layers are known, but not what is in them."""

    image: Image
    base: Base


@dataclass
class Read(Message, bubble=False):
    """The layers with these `numbers` were read and merged, all of them when `is_complete`."""

    contents: Contents
    numbers: frozenset[int]
    is_complete: bool


@dataclass
class Analyzed(Message):
    """The waste was found."""

    analysis: Analysis


@dataclass
class Rebuilt(Message):
    """A watched image was built again. `comparison` compares it with the previous build."""

    image: Image
    base: Base
    analysis: Analysis
    comparison: Comparison


@dataclass
class Failed(Message):
    """The image cannot be opened or read."""

    error: LayerscopeError | OSError | MemoryError


class Loader:
    """Opens, reads and analyzes an image in the thread that calls `run`, and calls `post` with each message of this module.

    `stop` makes it end as soon as the next piece of the image was read; nothing is posted after it.
    """

    def __init__(self, source: ImageSource, post: Callable[[Message], object]) -> None:
        self._source, self._tell = source, post
        self.progress = ProgressPoster(self._post)
        self._pause = Event()
        self._looked = time.monotonic()
        self._image: Image | None = None
        self._reads: dict[int, ReadLayer] = {}
        self._lock = Lock()

    def stop(self) -> None:
        """End the reading; no error is posted for it."""
        self.progress.stop()
        self._pause.set()

    def kept(self) -> Read | None:
        """Merge the layers that were read before `stop`; None if there are none."""
        from layerscope.analysis import partial_contents

        with self._lock:
            if self._image is None or not self._reads:
                return None
            return Read(partial_contents(self._image, dict(self._reads)), frozenset(self._reads), is_complete=False)

    def _post(self, message: Message) -> None:
        if not self._pause.is_set():
            self._tell(message)

    def run(self) -> None:
        """Open, read, merge, find waste; then watch for further builds if the source has a fingerprint."""
        try:
            if self._source.fingerprint:
                self._watch(self._source.fingerprint)
            else:
                self._run()
        except Cancelled:
            pass
        except (LayerscopeError, OSError, MemoryError) as error:
            self._post(Failed(error))

    def _run(self) -> Analysis:
        # numpy takes 70 ms to import, which the first frame does not wait for.
        from layerscope.analysis import analyze, read_image

        image, base = self._source.opener(self.progress)
        self._image = image
        self._post(Opened(image, base))
        contents = read_image(
            image, progress=self.progress, keep_seek_points=True, on_layer=lambda number, read: self._look(image, number, read)
        )
        self._reads.clear()
        self.progress.check()
        self._post(Read(contents, frozenset(layer.number for layer in image.layers), is_complete=True))
        analysis = analyze(contents, base_layers=base.layers, base_name=base.name, base_known_by=base.known_by)
        self.progress.check()
        self._post(Analyzed(analysis))
        return analysis

    def _watch(self, fingerprint: Callable[[], object]) -> None:
        """Read the image, and every new build of it. If one cannot be read, the previous build stays on the screen."""
        from layerscope.compare.builds import Builds
        from layerscope.compare.comparison import compare
        from layerscope.sources.base import Base

        builds = Builds(fingerprint, self._read_again, self._wait)
        seen, before = builds.first(self._run)
        for build in builds.after(seen):
            if isinstance(build, Exception):
                self._post(Progressed(f"the new build cannot be read: {build}", 0, 0, 0))
                continue
            base = Base(build.base_layers, build.base_name, build.base_known_by)
            self._post(Rebuilt(build.image, base, build, compare(before, build)))
            before = build

    def _wait(self, seconds: float) -> None:
        self._pause.wait(seconds)
        self.progress.check()

    def _read_again(self) -> Analysis:
        from layerscope.analysis import analyze, read_image

        self.progress.start()
        is_whole = False
        try:
            image, base = self._source.opener(self.progress)
            contents = read_image(image, progress=self.progress, keep_seek_points=True)
            is_whole = contents.is_complete
        finally:
            if not is_whole:
                self._post(Progressed("the new build is not complete yet", 0, 0, 0))
        analysis = analyze(contents, base_layers=base.layers, base_name=base.name, base_known_by=base.known_by)
        self.progress.check()
        return analysis

    def _look(self, image: Image, number: int, read: ReadLayer) -> None:
        """Note a layer that was read; now and then merge and post all read so far, which takes at most a fifth of the time."""
        with self._lock:
            self._reads[number] = read
            now = time.monotonic()
            if len(self._reads) == len(image.layers) or now - self._looked < PATIENCE:
                return
            from layerscope.analysis import partial_contents

            contents = partial_contents(image, dict(self._reads))
            self._looked = time.monotonic() + 5 * (time.monotonic() - now)
            self._post(Read(contents, frozenset(self._reads), is_complete=False))
