"""Watches an image that is rebuilt again and again: detects new builds, and when they are complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from layerscope.analysis import Analysis
from layerscope.errors import LayerscopeError
from layerscope.text import escape

INTERVAL = 0.5
"""Seconds between two polls; an image must stay the same for one of them before it is read."""
LOOKS = 10
"""How many polls an unreadable image must stay the same for until it counts as damaged, not as still being written."""

Build = Analysis | LayerscopeError | OSError
"""A new build, or why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Builds:
    """The successive builds of an image that is built again and again.

    `fingerprint` returns another value when the image changed, and None while there is none; `read` reads the image; `pause`
    waits for so many seconds, and raises to end the watching.
    """

    fingerprint: Callable[[], object]
    read: Callable[[], Analysis]
    pause: Callable[[float], object]

    def first(self, read: Callable[[], Analysis]) -> tuple[object, Analysis]:
        """Return the present build, from `read`, and its fingerprint; waits while it is being written.

        Raises whatever `read` raises for an unreadable image that stays as it is.
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
        """Yield every further complete build, or once the reason for one that stays unreadable. Never ends."""
        while True:
            seen = self._settled(seen)
            build = self._whole(seen)
            if build is not None:
                yield build

    def _settled(self, seen: object) -> object:
        """Wait for a fingerprint other than `seen` that is the same in two polls, and return it."""
        before = seen
        while True:
            self.pause(INTERVAL)
            now = self.fingerprint()
            if now is not None and now != seen and now == before:
                return now
            before = now

    def _whole(self, seen: object) -> Build | None:
        """Read the build whose fingerprint is `seen`; None if that changed meanwhile: the image was still being written."""
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
        """Tell whether the fingerprint changes within a few polls."""
        for _ in range(LOOKS):
            self.pause(INTERVAL)
            if self.fingerprint() != seen:
                return True
        return False
