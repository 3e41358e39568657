"""Standard output: its width, its colours, and files written whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from layerscope.errors import CannotWrite

if TYPE_CHECKING:
    from layerscope.report.style import Style

STDOUT = "-"
NARROWEST = 60


def output_style() -> Style:
    """How to write to standard output: 80 columns and no colour unless it is a terminal; COLUMNS and NO_COLOR are honoured."""
    from layerscope.report.style import Style

    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal or "COLUMNS" in os.environ else 80
    has_colour = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    is_ascii = "utf" not in (sys.stdout.encoding or "").lower()
    return Style(max(width, NARROWEST), has_colour, is_ascii)


def write_bytes(name: str, data: bytes) -> None:
    """Write to a file, or to standard output for `-`. A file is there whole or not at all. Raises CannotWrite."""
    if name == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return
    path = Path(name)
    if path.exists() and not path.is_file():  # a pipe or device, such as /dev/stderr
        _write_into(path, data)
    else:
        _replace(path, data)


def _write_into(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> None:
    import tempfile

    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error
