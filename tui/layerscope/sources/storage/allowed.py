"""The setting that allows reading engines' storage."""

from __future__ import annotations

import os

NO_STORAGE = "LAYERSCOPE_NO_STORAGE"
"""The environment variable that makes engines export their images even if their storage could be read."""


def may_read_storage() -> bool:
    """Return False if the user has turned it off."""
    return not os.environ.get(NO_STORAGE)
