"""What is remembered from run to run. Only a comfort: nothing here ever fails."""

from __future__ import annotations

import contextlib

import msgspec

from layerscope.atomic import replace_file
from layerscope.settings.places import state_path
from layerscope.settings.settings import SortOrder, choices

MAX_FILE = 1 << 16
"""The longest state file we read, in bytes."""


class Remembered(msgspec.Struct, frozen=True):
    """The sort order last used, and the theme last chosen in the palette; empty: none yet."""

    sort: str = ""
    theme: str = ""


def recall() -> Remembered:
    """What was remembered last; all empty when there is nothing, or nothing that can be read.

    `sort` is empty or a SortOrder. `theme` may name a theme that is gone.
    """
    try:
        with state_path().open("rb") as file:
            remembered = msgspec.json.decode(file.read(MAX_FILE), type=Remembered)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Remembered()
    if remembered.sort in choices(SortOrder):
        return remembered
    return msgspec.structs.replace(remembered, sort="")


def remember(remembered: Remembered) -> None:
    """Keep `remembered` for the next run, if it can be kept. The file is always whole: it is replaced, not written into."""
    path = state_path()
    if not path.is_absolute():
        return  # without a HOME the place is `~/...`, and that would be a directory named `~` right here
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(remembered), mode=0o600, prefix=".state-")
