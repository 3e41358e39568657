"""The settings of config.toml, with their defaults."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal, get_args

import msgspec

Keymap = Literal["default", "dive"]
Column = Literal["mode", "owner", "size", "bar", "wasted"]
SortOrder = Literal["name", "size", "change"]
Start = Literal["layers", "files", "waste"]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of config.toml.

    `theme`: a theme's name, which only the screen can check; empty: chosen by the terminal · `columns`: the columns before the
    name in the files pane, in this order, none twice · `sort`: None: as last used · `start`: the pane or view that has the
    focus at start · `empty_steps`: whether history steps that made no layer are shown · `keys`: binding id -> Textual's names
    of its keys, separated by commas and without spaces.
    """

    theme: str = ""
    keymap: Keymap = "default"
    columns: tuple[Column, ...] = ("mode", "owner", "size", "bar", "wasted")
    sort: SortOrder | None = None
    start: Start = "layers"
    empty_steps: bool = True
    keys: dict[str, str] = {}


def choices(wanted: Any) -> tuple[str, ...]:
    """Return the words that a setting of the type `wanted` may be, or contain; none if any text is allowed."""
    if isinstance(wanted, str):
        return (wanted,)
    return tuple(choice for part in get_args(wanted) for choice in choices(part))


class Order(Enum):
    """A sort order of siblings. Sizes are biggest first; ties are in the order of names."""

    NAME = "name"
    SIZE = "size"
    CHANGE = "change"

    @property
    def next(self) -> Order:
        """Return the next order in a cycle in which the sizes are one key away from the names."""
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]
