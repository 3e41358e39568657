"""Checks of config.toml, key by key: each error is a sentence that says what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, get_origin

import msgspec

from layerscope.errors import BadSettings
from layerscope.settings.settings import Settings, choices
from layerscope.suggestion import suggestion
from layerscope.text import escape

KEYS = "keys"
TYPES: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_LONGEST_SHOWN = 60
NameKeys = Callable[[str], str]
"""Names the keys of one binding as the screen does, with commas between. Raises BadSettings."""


def checked(document: dict[str, Any], *, key_ids: Collection[str], name_keys: NameKeys) -> Settings:
    """Check a decoded config file and return its settings. Raises BadSettings, whose sentence names the key but not the
    file.
    """
    for key, value in document.items():
        if key not in TYPES:
            near = suggestion(key, TYPES) or f"; allowed: {', '.join(TYPES)}"
            raise BadSettings(f"unknown key `{_shown(key)}`{near}")
        if key != KEYS:
            _check_value(key, value)
    settings = msgspec.convert({**document, KEYS: _checked_keys(document.get(KEYS, {}), key_ids, name_keys)}, Settings)
    if len(set(settings.columns)) < len(settings.columns):
        raise BadSettings("`columns`: a column is named twice")
    return settings


def allowed(wanted: Any) -> str:
    """Describe in words what a setting of the type `wanted` may be."""
    if wanted is bool:
        return "true or false"
    if wanted is str:
        return "text in quotes"
    names = ", ".join(choices(wanted))
    return f"a list of any of {names}" if get_origin(wanted) is tuple else f"one of {names}"


def _check_value(key: str, value: Any) -> None:
    wanted = TYPES[key]
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        known = choices(wanted)
        word = _unknown_word(value, known)
        raise BadSettings(f"{_written(key, value, word)}: must be {allowed(wanted)}{suggestion(word, known)}") from error


def _unknown_word(value: Any, known: Collection[str]) -> str:
    """Return the text in `value` that is not an allowed word; empty if something else is wrong with it."""
    words = value if isinstance(value, list) else [value]
    return next((word for word in words if isinstance(word, str) and word not in known), "")


def _written(key: str, value: Any, word: str) -> str:
    """Return a setting roughly as it is written in the file."""
    if isinstance(value, str):
        return f'`{key} = "{_shown(value)}"`'
    return f'`{key}` has "{_shown(word)}"' if word else f"`{key}`"


def _checked_keys(table: Any, key_ids: Collection[str], name_keys: NameKeys) -> dict[str, str]:
    """Return, for each binding id, Textual's names of its keys."""
    if not isinstance(table, dict):
        raise BadSettings("`keys`: must be a table, which begins with the line [keys]")
    return {name: _checked_binding(name, written, key_ids, name_keys) for name, written in _flat(table)}


def _checked_binding(name: str, written: Any, key_ids: Collection[str], name_keys: NameKeys) -> str:
    if name not in key_ids:
        near = suggestion(name, key_ids) or "; `layerscope config` lists them all"
        raise BadSettings(f"[keys] has an unknown binding `{_shown(name)}`{near}")
    if not isinstance(written, str):
        raise BadSettings(f"[keys] `{name}`: must be keys in quotes, with commas between")
    try:
        return name_keys(written)
    except BadSettings as error:
        raise BadSettings(f'[keys] `{name} = "{_shown(written)}"`: {error}') from error


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted name: TOML reads `list.up = "k"` without quotes as a table in a table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _shown(text: str) -> str:
    return escape(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")
