"""The builds of an image that is built again and again: when there is a new one, and when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from layerscope.analysis import Analysis
from layerscope.errors import LayerscopeError
from layerscope.text import escape

INTERVAL = 0.5
"""Seconds between two looks; what is seen must stay the same for one of them before it is read."""
LOOKS = 10
"""How often what cannot be read is looked at again before it counts as damaged and not as still being written."""

Build = Analysis | LayerscopeError | OSError
"""A new build, or why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Builds:
    """`fingerprint` changes when the image does and is None while it is not there; `read` reads all of it.

    `pause` waits for so many seconds. Whoever does not want to wait any more raises in it.
    """

    fingerprint: Callable[[], object]
    read: Callable[[], Analysis]
    pause: Callable[[float], object]

    def first(self, read: Callable[[], Analysis]) -> tuple[object, Analysis]:
        """What there is now, by `read`, and its fingerprint; if it is being written, what there is in the end.

        Raises what `read` raises for what stays as it is.
        """
        while True:
            seen = self.fingerprint()
            try:
                analysis = read()
            except (LayerscopeError, OSError):
                if seen is None or not self._changes(seen):
                    raise
            else:
                if analysis.contents.is_complete or not self._changes(seen):
                    return seen, analysis
            self._settled(seen)

    def after(self, seen: object) -> Iterator[Build]:
        """Yield every further build that is whole, and for one that stays unreadable the reason, once. Ends never."""
        while True:
            seen = self._settled(seen)
            build = self._whole(seen)
            if build is not None:
                yield build

    def _settled(self, seen: object) -> object:
        """Wait for another fingerprint that stays."""
        before = seen
        while True:
            self.pause(INTERVAL)
            now = self.fingerprint()
            if now is not None and now != seen and now == before:
                return now
            before = now

    def _whole(self, seen: object) -> Build | None:
        """Return the build with that fingerprint; None where it is another meanwhile: then it was still being written."""
        build: Build
        try:
            build = self.read()
        except (LayerscopeError, OSError) as error:
            build = error
        if self.fingerprint() != seen:
            return None
        if isinstance(build, Analysis):
            if build.contents.is_complete:
                return build
            problem = next(each for each in build.tree.problems if each.is_fatal)
            build = LayerscopeError(f"layer {problem.layer}: {escape(problem.text)}")
        return None if self._changes(seen) else build

    def _changes(self, seen: object) -> bool:
        """Tell whether it becomes another within some looks."""
        for _ in range(LOOKS):
            self.pause(INTERVAL)
            if self.fingerprint() != seen:
                return True
        return False
