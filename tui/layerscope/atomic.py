"""Replaces files completely or not at all, so that nobody reads a half-written one."""

from __future__ import annotations

import os
from pathlib import Path

_CREATE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL


def replace_file(path: Path, data: bytes, *, mode: int, prefix: str = ".layerscope-") -> None:
    """Write a new file next to `path` and rename it to `path`; on any error, nothing of it stays. Raises OSError.

    `mode` is that of the file, less the user's umask. `prefix` begins the name of the unfinished file. A symlink at `path`
    is replaced, not followed. The data is not flushed to the disk: a crash of the machine may lose it.
    """
    temporary = path.with_name(f"{prefix}{os.urandom(8).hex()}")
    try:
        with os.fdopen(os.open(temporary, _CREATE, mode), "wb") as file:
            file.write(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
