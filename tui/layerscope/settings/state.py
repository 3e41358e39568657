"""The state kept from run to run. It is a convenience: nothing here ever fails."""

from __future__ import annotations

import contextlib

import msgspec

from layerscope.atomic import replace_file
from layerscope.settings.places import state_path
from layerscope.settings.settings import SortOrder, choices

MAX_FILE = 1 << 16
"""The longest state file read, in bytes."""


class SavedState(msgspec.Struct, frozen=True):
    """The sort order last used, and the theme last chosen in the palette; empty: none yet."""

    sort: str = ""
    theme: str = ""


def recall() -> SavedState:
    """Read the state of the last run; all empty when there is none, or it cannot be read.

    `sort` is empty or a SortOrder. `theme` may name a theme that no longer exists.
    """
    try:
        with state_path().open("rb") as file:
            saved = msgspec.json.decode(file.read(MAX_FILE), type=SavedState)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return SavedState()
    if saved.sort in choices(SortOrder):
        return saved
    return msgspec.structs.replace(saved, sort="")


def remember(saved: SavedState) -> None:
    """Store the state for the next run, if possible. The file is replaced, not written into, so it is always whole."""
    path = state_path()
    if not path.is_absolute():
        return  # without a HOME the place is `~/...`, and that would be a directory named `~` right here
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(saved), mode=0o600, prefix=".state-")
