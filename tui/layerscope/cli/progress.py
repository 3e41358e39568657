"""Progress on standard error: only on a terminal, only after half a second, erased at the end."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType

from layerscope.progress import Rate

PATIENCE = 0.5
INTERVAL = 0.1


class Progress:
    """Progress callback: stage, bytes done, total (0: unknown). Draws at most ten times a second."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._started = self._drawn = time.monotonic()
        self._rate = Rate(self._started)
        self._is_drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Draw the line if the last one is at least a tenth of a second old."""
        now = time.monotonic()
        rate = self._rate.of(done, now)
        if not self._is_shown or now - self._started < PATIENCE or now - self._drawn < INTERVAL:
            return
        self._drawn, self._is_drawn = now, True
        sys.stderr.write(f"\r\x1b[K{_fitting(_line(stage, done, total, rate))}")
        sys.stderr.flush()


def _fitting(line: str) -> str:
    """Cut the line at the terminal's width: only the cursor's row is erased later, so it must not wrap."""
    from layerscope.wording.style import cut_end

    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        width = 80
    return cut_end(line, width - 1, mark="...")


def _line(stage: str, done: int, total: int, rate: int) -> str:
    from layerscope.units import size_text

    if not stage:
        return ""
    if not done:
        return f"{stage} ..."
    share = f" of {size_text(total)} ({100 * done // total}%)" if total else ""
    return f"{stage}: {size_text(done)}{share}, {size_text(rate)}/s"
