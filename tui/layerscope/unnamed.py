"""Temporary files without a name, which are gone when they are closed."""

from __future__ import annotations

import os
from typing import BinaryIO, cast


def unnamed_file(*, buffering: int = -1) -> BinaryIO:
    """Open one in the directory for temporary files; in memory where no such directory can be written to.

    A container with a read-only root has none. Raises OSError.
    """
    import tempfile

    try:
        return cast(BinaryIO, tempfile.TemporaryFile(prefix="layerscope-", buffering=buffering))
    except FileNotFoundError:
        if not hasattr(os, "memfd_create"):
            raise
        return os.fdopen(os.memfd_create("layerscope"), "w+b", buffering=buffering)
