"""How commands write: to standard output, progress to standard error, and files whole or not at all.

Standard output has the terminal's encoding, width and colors, and no terminal escapes from an image.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from layerscope.atomic import replace_file
from layerscope.errors import CannotWrite, UsageError
from layerscope.progress import Rate
from layerscope.text import escape, harmless_text

if TYPE_CHECKING:
    from layerscope.wording.style import Style

STDOUT = "-"
_STDOUT_NAMES = frozenset({STDOUT, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
NARROWEST = 60
_ESCAPING = "layerscope.escaping"

PATIENCE = 0.5
INTERVAL = 0.1


def ready_streams() -> None:
    """Replace closed standard streams by /dev/null, and escape characters that standard output cannot encode."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
    codecs.register_error(_ESCAPING, _escape_rest)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_ESCAPING)


def _escape_rest(error: UnicodeError) -> tuple[str, int]:
    from layerscope.wording.style import code_points

    if not isinstance(error, UnicodeEncodeError):
        raise error
    return code_points(escape(error.object[error.start : error.end])), error.end


def output_style() -> Style:
    """Choose the style of standard output: 80 columns without color unless it is a terminal; respects COLUMNS, NO_COLOR."""
    import shutil

    from layerscope.wording.style import Style

    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal or "COLUMNS" in os.environ else 80
    has_color = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    is_ascii = "utf" not in (sys.stdout.encoding or "").lower()
    return Style(max(width, NARROWEST), has_color, is_ascii)


def is_stdout(name: str | None) -> bool:
    """Tell whether `name` is standard output, also as /dev/stdout, which must not be replaced by a file."""
    return name in _STDOUT_NAMES


def spare_the_image(reference: str, name: str, *, option: str) -> None:
    """Raise UsageError if writing the file `name`, given by `option`, would overwrite the image itself."""
    from layerscope.sources.location import locate

    path = locate(reference).path
    if path and not is_stdout(name) and os.path.exists(name) and os.path.samefile(path, name):  # noqa: PTH110, PTH121 - these do not raise for odd names
        raise UsageError(f"{escape(option)} would overwrite the image itself")


def write_bytes(name: str, data: bytes) -> None:
    """Write to a file, whole or not at all, or to standard output for `-`. Raises CannotWrite."""
    if is_stdout(name):
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return
    try:
        path = Path(os.path.realpath(name))  # where a symlink leads, so that the link itself stays
        if path.exists() and not path.is_file():  # a pipe or device, such as /dev/stderr
            path.write_bytes(data)
        else:
            replace_file(path, data, mode=0o666)
    except OSError as error:
        raise CannotWrite(f"{escape(name) or 'a file without a name'} cannot be written: {error.strerror}") from error


def check_writable(name: str) -> None:
    """Raise CannotWrite if `write_bytes` could not make the file, before the work whose result it is."""
    if is_stdout(name):
        return
    path = Path(os.path.realpath(name))
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not path.exists() or path.is_file():
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as error:
        raise CannotWrite(f"{escape(name)} cannot be written: {error.strerror}") from error


def write_to_terminal(pieces: Iterable[bytes], *, path: str) -> None:
    """Write text to standard output, control characters escaped. Raises UsageError for binary content."""
    pieces = iter(pieces)
    head = next(pieces, b"")
    if b"\0" in head:
        raise UsageError(f"{escape(path)} is binary; redirect it to a file: layerscope cat IMAGE PATH > FILE")
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.flush()
    for text in harmless_text(chain([head], pieces)):
        sys.stdout.buffer.write(text.encode(encoding, "backslashreplace"))


class Progress:
    """Draws one line of progress on standard error if that is a terminal, at most ten times a second.

    It is a callback that takes the stage, the bytes done, and their total (0: unknown).
    """

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
        """Draw the line, unless the command began less than half a second ago or the last drawing is less than a tenth old."""
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
