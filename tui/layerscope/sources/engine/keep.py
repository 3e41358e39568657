"""`--keep DIR`: writes the archive to a file while it is indexed, and names it once it is complete."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from layerscope.errors import CannotWrite, WouldOverwrite
from layerscope.text import escape


class Keeper:
    """Writes an archive to DIR/NAME.tar. As a context manager, it removes an unfinished file.

    Raises WouldOverwrite before anything is written if the file exists, and CannotWrite.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / file_name(name)
        if os.path.lexists(self.path):
            raise WouldOverwrite(f"{escape(str(self.path))} already exists; move it away, or open it instead: it is an archive")
        try:
            number, unfinished = tempfile.mkstemp(prefix=f".{self.path.name[:100]}.", suffix=".part", dir=directory)
        except OSError as error:
            raise self._cannot(error) from error
        self._unfinished = Path(unfinished)
        self._file = os.fdopen(number, "wb", buffering=0)

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        with suppress(OSError):
            self._unfinished.unlink()

    def write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._cannot(error) from error

    def finish(self) -> None:
        """Give the complete archive its name. A file of that name that was created meanwhile is not replaced."""
        try:
            os.fchmod(self._file.fileno(), 0o666 & ~_umask())
            os.link(self._unfinished, self.path)
        except FileExistsError as error:
            raise WouldOverwrite(
                f"{escape(str(self.path))} was created meanwhile by another program; it was not overwritten"
            ) from error
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> CannotWrite:
        return CannotWrite(f"{escape(str(self.path))} cannot be written: {error.strerror or error}")


def file_name(name: str) -> str:
    """Return the file name for an image: `demo_node_1.tar` for `demo/node:1`."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name) + ".tar"


def _umask() -> int:
    """Return the user's umask; it can be read only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
